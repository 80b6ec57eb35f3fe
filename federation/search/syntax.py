"""The tree a query becomes. Positions are offsets in characters into the text that was typed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from federation.errors import InvalidRequestError

_PLAIN = re.compile(r"[^\s\"()*]+")


def quoted(text: str, also: str = "") -> str:
    """As the language wants it: in double quotes where it would not be one word. `also` are characters that are
    not plain there."""
    if (
        _PLAIN.fullmatch(text)
        and text not in ("OR", "AND")
        and not text.startswith(("-", ">", "<"))
        and not set(also) & set(text.lstrip("-"))
    ):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class QuerySyntaxError(InvalidRequestError):
    """The query is not in the language: what is wrong, at which offset, and what would have been right there."""

    code = "invalid-query"

    def __init__(self, message: str, position: int, expected: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.expected = expected

    @property
    def fields(self) -> Mapping[str, object]:
        return {"position": self.position, "expected": ", ".join(self.expected) or None}


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty query."""


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word; `prefix` when it ends in `*`."""

    text: str
    prefix: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in double quotes: next to each other, in this order."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Is:
    """One value of a text qualifier, compared without case; `prefix` when it ends in `*`."""

    text: str
    prefix: bool


@dataclass(frozen=True, slots=True)
class Between:
    """A range of numbers, of moments in seconds since 1970 UTC, or of the keys of versions; None is open."""

    low: float | str | None
    high: float | str | None
    low_included: bool = True
    high_included: bool = True


Match: TypeAlias = Is | Between


@dataclass(frozen=True, slots=True)
class Qualifier:
    """`name:` or `name.key:` with the values of which one must match. `name` is that of a row of `fields.FIELDS`."""

    name: str
    key: str | None
    matches: tuple[Match, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Not:
    """What must not match."""

    child: "Node"


@dataclass(frozen=True, slots=True)
class AllOf:
    """What must match together."""

    children: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Of which one must match."""

    children: "tuple[Node, ...]"


Leaf: TypeAlias = Word | Phrase | Qualifier
Node: TypeAlias = Everything | Leaf | Not | AllOf | AnyOf


def leaves(node: Node, negated: bool = False) -> Iterator[tuple[Leaf, bool]]:
    """Every word, phrase and qualifier in the order typed, with whether it stands under an odd number of
    `-`."""
    match node:
        case Word() | Phrase() | Qualifier():
            yield node, negated
        case Not(child):
            yield from leaves(child, not negated)
        case AllOf(children) | AnyOf(children):
            for child in children:
                yield from leaves(child, negated)
        case Everything():
            return
