"""How values read on a page: times, numbers, references as addresses, text that cannot turn a line around."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from markupsafe import Markup, escape

from federation.database import now
from federation.search.syntax import quoted
from gateway.api.requests import AnyRequest

if TYPE_CHECKING:
    from gateway.api.events_out import ChangeOut

_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SELECTOR = re.compile("[:@]")
_WORD = re.compile(r"[^\W\d_]+('[^\W\d_]+)?[,;:]?( |$)")
_MAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
STEPS = ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h"))
DAY = 86400
UNITS = ((1e12, " T"), (1e9, " B"), (1e6, " M"))


def inert(value: Any) -> Any:
    """A value as it is printed: invisible characters that change the direction of text show as their code."""
    if value is None:
        return ""
    # What turns text around is not printable, and most text is: that is told sooner than searched.
    if not isinstance(value, str) or value.isprintable() or isinstance(value, Markup):
        return value
    return _TURNING.sub(lambda found: f"\u27e8U+{ord(found.group()):04X}\u27e9", value)


def exact(value: str) -> Markup:
    """A value for an attribute of a form, unchanged but escaped."""
    return Markup(escape(value))  # noqa: S704  escaped here


def moment(value: datetime | str | None) -> datetime | None:
    """A time, from itself or its ISO 8601 text."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def ago(value: datetime | str | None) -> str:
    """How long ago: "12 s ago", "3 h ago", "2026-05-03" after two months."""
    found = moment(value)
    if found is None:
        return "never"
    seconds = (now() - found).total_seconds()
    if seconds < 0:
        return "just now"
    if seconds > 60 * DAY:
        return found.date().isoformat()
    return f"{duration(seconds)} ago"


def duration(seconds: float | None) -> str:
    """A length of time in one unit."""
    if seconds is None:
        return "–"
    for limit, size, unit in STEPS:
        if seconds < limit:
            return f"{round(seconds / size)} {unit}"
    days = round(seconds / DAY)
    return f"{days} day{'' if days == 1 else 's'}"


def when(value: datetime | str | None, empty: str = "–") -> Markup:
    """A time as a `time` element: how long ago, with the exact moment in UTC as its title."""
    found = moment(value)
    if found is None:
        return Markup(escape(empty))  # noqa: S704  escaped here
    full = found.astimezone(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
    told = f'<time datetime="{found.isoformat()}" title="{full} UTC">{ago(found)}</time>'
    return Markup(told)  # noqa: S704  of digits and words that are written here


def clock(value: datetime | str | None) -> Markup:
    """A time as its date and clock in UTC."""
    found = moment(value)
    if found is None:
        return Markup("–")
    text = found.astimezone(UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    told = f'<time datetime="{found.isoformat()}" title="UTC">{text}</time>'
    return Markup(told)  # noqa: S704  of digits alone


def between(after: datetime | str, by: datetime | str) -> Markup:
    """When something began that was seen at the later of two times and not at the earlier: one clock if they show the
    same."""
    first, last = (re.sub(r"<[^>]+>", "", clock(one)) for one in (after, by))
    return clock(by) if first == last else Markup("between {} and {}").format(clock(after), clock(by))


def number(value: float | None) -> str:
    """A number as people read it: thousands apart, at most five digits that say something; a great one is rounded."""
    if value is None:
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:.5g}"


def rounded(value: float, step: float, greatest: float) -> str:
    """One of several numbers, with as many digits as steps between them take, and all in one unit: 1.5 M, 2 B, 3 T
    (million, billion, trillion) where the greatest of them is one. What takes more than six digits has an exponent.
    """
    unit, sign = next(((unit, sign) for unit, sign in UNITS if unit <= greatest), (1.0, ""))
    digits = max(0, -math.floor(math.log10(step / unit)))
    if greatest >= 1e15 or digits > 6:
        return f"{value:.4g}"
    return f"{value / unit:,.{digits}f}{sign if value else ''}"


def count(value: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 version", "1,204 versions"."""
    return f"{value:,} {noun(value, one, many)}"


def noun(value: int, one: str, many: str = "") -> str:
    """The noun alone, where its number stands elsewhere: "version" for 1, else "versions"."""
    return one if value == 1 else many or one + "s"


def said(message: object) -> Markup:
    """A message of ours: what stands in it between backticks is code, as it is on a terminal."""
    parts = str(inert(str(message))).split("`")
    if len(parts) % 2 == 0:  # one backtick is without its other
        return Markup(escape("`".join(parts)))  # noqa: S704  escaped here
    coded = (
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )
    return Markup("").join(coded)


def sentence(problem: object) -> Markup:
    """A message as a sentence of its own: with a capital, unless it begins with a name, and, where it ends in a word,
    a full stop.
    """
    text = str(problem)
    first = text[:1].upper() if _WORD.match(text) else text[:1]
    return said(first + text[1:] + ("." if text[-1:].isalnum() else ""))


def path(ref: str, area: str = "versions") -> str:
    """The address of a page about a reference."""
    return f"/{area}/{quote(ref, safe='/:@')}"


def place(change: "ChangeOut") -> str:
    """The page of what changed."""
    if not change.ref:
        return f"/registries/{quote(change.registry)}"
    return path(change.ref, "models" if model_of(change.ref) == change.ref else "versions")


def model_of(ref: str) -> str:
    """The reference of a version's, alias's or stage's model, from one as we print it: names hold no raw `:` or `@`."""
    return _SELECTOR.split(ref, maxsplit=1)[0]


def short(ref: str) -> str:
    """The part of a reference behind its registry."""
    return ref.partition("/")[2] or ref


def outside(url: str | None) -> str:
    """An address of another system, if it is one that a browser may follow: else nothing."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def mail(name: str | None) -> str:
    """The address at which a browser writes to somebody whose name is one of mail; else nothing."""
    return f"mailto:{quote(name, safe='@')}" if name and _MAIL.fullmatch(name) else ""


def with_query(query: Mapping[str, str], **changes: Any) -> str:
    """A query string with some parameters changed; None takes one out. Nothing for no parameters."""
    merged = {**query, **changes}
    text = urlencode({name: str(value) for name, value in merged.items() if value not in (None, "")})
    return f"?{text}" if text else ""


def decoded_query(request: AnyRequest) -> dict[str, str]:
    """The parameters of the address, the last of each name."""
    return dict(parse_qsl(request.scope.get("query_string", b"").decode("utf-8", "replace")))


def indented(value: Any) -> str:
    """A nested value as JSON for reading."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago,
    "between": between,
    "clock": clock,
    "count": count,
    "duration": duration,
    "exact": exact,
    "indented": indented,
    "mail": mail,
    "model_of": model_of,
    "noun": noun,
    "number": number,
    "outside": outside,
    "path": path,
    "place": place,
    "quoted": quoted,
    "said": said,
    "sentence": sentence,
    "short": short,
    "when": when,
    "with_query": with_query,
}
