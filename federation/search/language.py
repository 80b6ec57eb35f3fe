"""Reads the search language: text in, a tree or a `QuerySyntaxError` out. The grammar is `language.lark`."""

import difflib
import math
import re
import string
from collections.abc import Callable
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

from federation.search.fields import BY_NAME, FIELDS, SearchField
from federation.search.syntax import (
    AllOf,
    AnyOf,
    Between,
    Everything,
    Is,
    Match,
    Node,
    Not,
    Phrase,
    Qualifier,
    QuerySyntaxError,
    Word,
)
from federation.search.told import quantity
from federation.search.versions import order_key

MAX_LENGTH = 2_000
MAX_DEPTH = 40
MIN_IDENTIFIER = 7
"""From so many characters on the beginning of what identifies is enough."""
_ALGORITHM = re.compile(r"^(?:sha\d+|md5|blake\w+):", re.IGNORECASE)
_MEANING = {
    "WORD": "a word",
    "STRING": "a phrase in double quotes",
    "FIELD": "a qualifier such as stage:",
    "LPAR": "an opening parenthesis",
    "RPAR": "a closing parenthesis",
    "MINUS": "-",
    "OR": "OR",
    "VALUE": "a value",
    "COMPARISON": "a comparison such as >=",
    "$END": "the end of the query",
}
_BEGUN = re.compile(rf"({'|'.join(BY_NAME)}):\s*$", re.IGNORECASE)
"""A qualifier that has no value yet."""
_LIKE_A_QUALIFIER = re.compile(r"([A-Za-z_]+)(\.[^\s:\"()/]+)?:(?!\d+$|/|$)")


@lru_cache(1_024)
def parse(text: str) -> Node:
    """The tree of a query. Trees are frozen and kept: what is searched once is searched again, by page and by facet.

    Raises:
        QuerySyntaxError: with the offset of the mistake in `text` and what was expected there.
    """
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(f"The query is longer than {MAX_LENGTH} characters.", MAX_LENGTH)
    _refuse_deep_nesting(text)
    try:
        tree = _parser().parse(text)
    except (UnexpectedCharacters, UnexpectedToken, UnexpectedEOF) as problem:
        raise _explain(problem, text) from None
    except VisitError as problem:
        if isinstance(problem.orig_exc, QuerySyntaxError):
            raise problem.orig_exc from None
        raise
    return cast("Node", tree)


def _refuse_deep_nesting(text: str) -> None:
    depth = dashes = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        dashes = dashes + 1 if character == "-" else 0
        if depth > MAX_DEPTH or dashes > MAX_DEPTH:
            raise QuerySyntaxError(f"Nothing may be nested deeper than {MAX_DEPTH} levels.", position)


@cache
def _parser() -> Lark:
    grammar = resources.files("federation.search").joinpath("language.lark").read_text(encoding="utf-8")
    grammar = grammar.replace("FIELDS)", "|".join(BY_NAME) + ")")
    return Lark(grammar, parser="lalr", lexer="contextual", transformer=_Build(), propagate_positions=False)


class _Build(Transformer[Token, Any]):
    """Turns what the grammar finds into the tree, bottom-up, while it parses."""

    def start(self, children: list[Node]) -> Node:
        return Everything() if not children or children[0] is None else children[0]

    def any(self, children: list[Any]) -> Node:
        return AnyOf(tuple(child for child in children if not isinstance(child, Token)))

    def all(self, children: list[Any]) -> Node:
        return AllOf(tuple(child for child in children if not isinstance(child, Token)))

    def negation(self, children: list[Any]) -> Node:
        return Not(children[-1])

    def word(self, children: list[Token]) -> Node:
        token = children[0]
        start, end = _span(token)
        _refuse_unknown_qualifier(token.value, start)
        text = token.value.rstrip("*")
        return Word(text, text != token.value, start, end) if text else Everything()

    def phrase(self, children: list[Token]) -> Node:
        start, end = _span(children[0])
        return Phrase(_unquote(children[0].value), start, end)

    def qualifier(self, children: list[Any]) -> Node:
        field, *values = children
        start, _ = _span(field)
        known, key = _field_and_key(field.value[:-1], start)
        scalars = [value for value in values if isinstance(value, tuple)]
        matches = tuple(_match(known, *scalar) for scalar in scalars)
        return Qualifier(known.name, key, matches, start, scalars[-1][4])

    def comparison(self, children: list[Token]) -> tuple[str, str, bool, int, int]:
        operator, token = children
        quoted = token.type == "STRING"
        return (
            operator.value,
            _unquote(token.value) if quoted else token.value,
            quoted,
            _span(operator)[0],
            _span(token)[1],
        )

    def bare(self, children: list[Token]) -> tuple[str, str, bool, int, int]:
        return "", children[0].value, False, *_span(children[0])

    def quoted(self, children: list[Token]) -> tuple[str, str, bool, int, int]:
        return "", _unquote(children[0].value), True, *_span(children[0])


def _span(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, token.end_pos or start + len(token)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _refuse_unknown_qualifier(text: str, start: int) -> None:
    found = _LIKE_A_QUALIFIER.match(text)
    if found:
        raise _unknown_qualifier(found[1], start)


def _unknown_qualifier(name: str, start: int) -> QuerySyntaxError:
    near = difflib.get_close_matches(name.lower(), BY_NAME, n=1)
    hint = f"Did you mean {near[0]}:?" if near else "Put it in double quotes to search for it as a word."
    return QuerySyntaxError(
        f"There is no qualifier {name}:. {hint}", start, tuple(f"{field.name}:" for field in FIELDS)
    )


def _field_and_key(text: str, start: int) -> tuple[SearchField, str | None]:
    name, dot, key = text.partition(".")
    name = name.lower()
    field = BY_NAME[name]
    if field.keyed and not dot:
        message = f"{name}: needs the name of the {name}, as in {name}.NAME:value."
        raise QuerySyntaxError(message, start + len(name), (field.written,))
    if dot and not field.keyed:
        raise QuerySyntaxError(f"{name}: takes no name after a dot.", start + len(name), (field.written,))
    if key.startswith('"'):
        key = _unquote(key)
    if dot and not key:
        raise QuerySyntaxError(f"The name of the {name} is empty.", start + len(name) + 1, (field.written,))
    return field, key if dot else None


def _match(field: SearchField, operator: str, text: str, quoted: bool, start: int, _end: int) -> Match:
    if field.match == "time":
        return _range(operator, text, start, _interval, "a date such as 2026-01-31")
    if field.match == "number":
        if field.keyed:
            return _range(operator, text, start, _number, "a number")
        return _range(operator, text, start, _quantity, "a number such as 7b or 350M")
    if field.match == "version" and (operator or ".." in text):
        return _range(operator, text, start, _version, "a version such as 2.0")
    if field.match == "choice":
        return _choice(field, operator, text, start)
    if field.keyed and (operator or (not quoted and _is_number_range(text))):
        return _range(operator, text, start, _number, "a number")
    if operator:
        message = f"{field.name}: is text and cannot be compared with {operator}."
        raise QuerySyntaxError(message, start, ("a value",))
    stripped = text if quoted else text.rstrip("*")
    if field.identifies:
        stripped = _ALGORITHM.sub("", stripped)
        return Is(stripped, stripped != text or (len(stripped) >= MIN_IDENTIFIER and not quoted))
    return Is(stripped, stripped != text)


def _choice(field: SearchField, operator: str, text: str, start: int) -> Is:
    value = text.lower()
    if operator or value not in field.choices:
        raise _not_a_choice(field, f"does not know {operator}{text}", start)
    return Is(value, False)


def _not_a_choice(field: SearchField, what: str, position: int) -> QuerySyntaxError:
    expected = tuple(f"{field.name}:{choice}" for choice in field.choices)
    known = ", ".join(field.choices)
    return QuerySyntaxError(f"{field.name}: {what}. It knows {known}.", position, expected)


IntervalReader = Callable[[str], tuple[float, float] | tuple[str, str] | None]
"""Reads the first and the last number or key that a text names; None where it names none."""


def _range(operator: str, text: str, start: int, read: IntervalReader, expected: str) -> Between:
    """A value is read as the interval it names: a day has a first and a last moment, a number is its own."""
    if not operator and ".." in text:
        left, _, right = text.partition("..")
        low = _bound(left, start, read, expected) if left not in ("", "*") else None
        high = _bound(right, start + len(left) + 2, read, expected) if right not in ("", "*") else None
        if low is None and high is None:
            raise QuerySyntaxError("A range needs at least one end.", start, (expected,))
        return Between(low and low[0], high and high[1])
    first, last = _bound(text, start + len(operator), read, expected)
    match operator:
        case ">":
            return Between(last, None, low_included=False)
        case ">=":
            return Between(first, None)
        case "<":
            return Between(None, first, high_included=False)
        case "<=":
            return Between(None, last)
        case _:
            return Between(first, last)


def _bound(
    text: str, start: int, read: IntervalReader, expected: str
) -> tuple[float, float] | tuple[str, str]:
    interval = read(text)
    if interval is None:
        raise QuerySyntaxError(f"{text or 'Nothing'} is not {expected}.", start, (expected,))
    return interval


def _number(text: str) -> tuple[float, float] | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return (value, value) if math.isfinite(value) and "_" not in text else None


def _is_number_range(text: str) -> bool:
    left, dots, right = text.partition("..")
    ends = [end for end in (left, right) if end not in ("", "*")]
    return bool(dots) and bool(ends) and all(_number(end) for end in ends)


def _quantity(text: str) -> tuple[float, float] | None:
    """A count with or without a suffix; with one, all that is written so when rounded."""
    value = quantity(text)
    if value is None or not math.isfinite(value):
        return None
    digits = text.rstrip(string.ascii_letters + " ")
    unit = value / float(digits) if float(digits) else 1.0
    half = unit * 0.5 * 10.0 ** -len(digits.partition(".")[2]) if unit > 1 else 0.0
    return value - half, value + half


def _version(text: str) -> tuple[str, str] | None:
    return (order_key(text), order_key(text)) if text else None


_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)


def _interval(text: str) -> tuple[float, float] | None:
    """First and last microsecond of a year, a month, a day or a moment (UTC where it says no zone)."""
    try:
        partial = _DATE.fullmatch(text)
        if partial:
            first, after = _calendar(*(int(part) if part else None for part in partial.groups()))
            return first.timestamp(), (after - timedelta(microseconds=1)).timestamp()
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp(), moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _calendar(year: int | None, month: int | None, day: int | None) -> tuple[datetime, datetime]:
    first = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
    if first.year == MAXYEAR:
        return first, datetime.max.replace(tzinfo=UTC)
    if day is not None:
        return first, first + timedelta(days=1)
    if month is not None:
        return first, datetime(first.year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return first, datetime(first.year + 1, 1, 1, tzinfo=UTC)


def _explain(problem: UnexpectedCharacters | UnexpectedToken | UnexpectedEOF, text: str) -> QuerySyntaxError:
    position = getattr(problem, "pos_in_stream", None)
    at_end = position is None or (isinstance(problem, UnexpectedToken) and problem.token.type == "$END")
    position = len(text) if at_end or position is None else position
    terminals = getattr(problem, "allowed", None) or getattr(problem, "expected", None) or ()
    expected = tuple(sorted({_MEANING[name] for name in terminals if name in _MEANING}))
    if isinstance(problem, UnexpectedCharacters) and text[position] == '"':
        return QuerySyntaxError("This double quote is never closed.", position, ('a closing "',))
    if at_end:
        begun = _BEGUN.search(text)
        if begun and (field := BY_NAME[begun[1].lower()]).choices:
            return _not_a_choice(field, "needs a value", position)
        return QuerySyntaxError("The query ends too early.", position, expected)
    return QuerySyntaxError(f"{text[position]} does not fit here.", position, expected)
