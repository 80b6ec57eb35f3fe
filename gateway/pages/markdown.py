"""Model cards: Markdown of strangers, as HTML that can do nothing."""

from functools import cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from gateway.pages.words import inert

LONGEST = 100_000
"""Characters of a card that are read."""
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def card(text: str) -> Markup:
    """Markdown as HTML without script, style, picture or address that runs something. Headings begin at level 3."""
    html = _reader().render(inert(text[:LONGEST]))
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noreferrer noopener nofollow",
    )
    for level in (6, 5, 4, 3, 2, 1):
        lower = min(level + 2, 6)
        clean = clean.replace(f"<h{level}>", f"<h{lower}>").replace(f"</h{level}>", f"</h{lower}>")
    if len(text) > LONGEST:
        clean += "<p>… the rest is in the registry itself.</p>"
    return Markup(clean)  # noqa: S704  nh3 has left only what is listed above
