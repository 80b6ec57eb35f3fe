"""Model cards: Markdown of strangers, as HTML that can do nothing and is made in bounded time."""

from collections.abc import MutableMapping
from functools import cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.parser_inline import RuleFuncInlineType
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, autolink, image, link
from markdown_it.token import Token
from markupsafe import Markup

from gateway.pages.words import inert

LONGEST = 40_000
"""Characters of a card that are read."""
MOST_STEPS = 6_000
"""Attempts of the parser to find a block or a mark, and blocks found: what its time follows."""
STEPS_OF_A_LINK = 8
"""An address is taken apart, encoded and checked, which is slower than anything else."""
STEPS_OF_AN_ATTEMPT = 2
"""Where a link only begins, its end is looked for."""
ENCODED_IN_A_STEP = 4
"""Characters of an address that is not in ASCII: each is encoded by itself."""
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
STEPS = "steps"
"""Where the parser's environment has the count."""


class _IntricateError(Exception):
    """More steps than a card may take."""


class _CountedTokens(list[Token]):
    """Tokens of blocks, each a step: one line of a table may make thousands."""

    def __init__(self, env: MutableMapping[str, Any]) -> None:
        super().__init__()
        self._env = env

    def append(self, token: Token) -> None:
        _step(self._env)
        super().append(token)


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    everywhere: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    reader.core.ruler.before("normalize", STEPS, _count_tokens)
    reader.block.ruler.before("table", STEPS, _count_block, everywhere)
    reader.inline.ruler.before("text", STEPS, _count_mark)
    for name, (rule, sign) in {
        "link": (link, "["),
        "image": (image, "!["),
        "autolink": (autolink, "<"),
    }.items():
        reader.inline.ruler.at(name, _weighed(rule, sign))
    reader.block.ruler.at("reference", _weighed_reference, {"alt": []})
    return reader


def _step(env: MutableMapping[str, Any], count: int = 1) -> None:
    env[STEPS] += count
    if env[STEPS] > MOST_STEPS:
        raise _IntricateError


def _count_tokens(state: StateCore) -> None:
    state.tokens = _CountedTokens(state.env)


def _count_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    _step(state.env)
    return False


def _count_mark(state: StateInline, silent: bool) -> bool:
    _step(state.env)
    return False


def _weighed(rule: RuleFuncInlineType, sign: str) -> RuleFuncInlineType:
    """The rule of a kind of link that begins with a sign. Each counts for more, found or not."""

    def weighed(state: StateInline, silent: bool) -> bool:
        begin = state.pos
        if not state.src.startswith(sign, begin):
            return False
        found = rule(state, silent)
        _step(state.env, _weight(state.src[begin : state.pos]) if found else STEPS_OF_AN_ATTEMPT)
        return found

    return weighed


def _weighed_reference(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    found = reference(state, start, end, silent)
    if found:
        _step(state.env, _weight(state.src[state.bMarks[start] : state.bMarks[state.line]]))
    return found


def _weight(written: str) -> int:
    """The steps of a link that is written so."""
    return STEPS_OF_A_LINK + (0 if written.isascii() else len(written) // ENCODED_IN_A_STEP)


def card(text: str) -> Markup:
    """Markdown as HTML without script, style, picture or address that runs something. Headings begin at level 3.

    What is more intricate than any card for people is shown as the text it is.
    """
    read = inert(text[:LONGEST])
    try:
        html = _reader().render(read, {STEPS: 0})
    except _IntricateError:
        return Markup("<pre>{}</pre>").format(read) + Markup(_rest(text))  # noqa: S704  a text of ours
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
    clean += _rest(text)
    return Markup(clean)  # noqa: S704  nh3 has left only what is listed above


def _rest(text: str) -> str:
    return "<p>… the rest is in the registry itself.</p>" if len(text) > LONGEST else ""
