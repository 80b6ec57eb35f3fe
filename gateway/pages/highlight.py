"""Text with the places marked where a query matched."""

from markupsafe import Markup, escape

from federation.search.answer import Highlight
from gateway.pages.words import inert


def marked(found: Highlight, longest: int = 240) -> Markup:
    """A highlight as text with `mark` elements; what is long is cut around the first match."""
    begin = max(0, found.ranges[0][0] - longest // 3) if found.ranges and len(found.text) > longest else 0
    end = begin + longest
    out, at = [Markup("…") if begin else Markup("")], begin
    for start, stop in found.ranges:
        if start < at or stop > end:
            continue
        out += [
            escape(inert(found.text[at:start])),
            Markup("<mark>{}</mark>").format(inert(found.text[start:stop])),
        ]
        at = stop
    out += [escape(inert(found.text[at:end])), Markup("…") if end < len(found.text) else Markup("")]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(out))
