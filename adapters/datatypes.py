"""The type of a column as text, and taken apart: `long`, `array<string>`, `map<double>`, `object{a: long, b?: string}`.

A property with `?` may be left out. A name that is not one word is written as in JSON: `object{"a b": long}`. What is
no expression of this kind is the word of its backend, as it stands: `tensor`, `decimal(10, 2)`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

DEEPEST = 64
"""Types inside each other. A text with more is read as one word."""
_WORD = re.compile(r"[^<>{},:\"]+")
_NAME = re.compile(r"[\w.-]+")
_json = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type that is not made of others, in its backend's word."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """A list of values of one type."""

    items: "DataType"

    def __str__(self) -> str:
        return f"array<{self.items}>"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values of one type under names that are not known before."""

    values: "DataType"

    def __str__(self) -> str:
        return f"map<{self.values}>"


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object; one that is not required may be left out."""

    type: "DataType"
    required: bool = True


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """A value with these properties and no other."""

    properties: Mapping[str, Property] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = (
            f"{_name(name)}{'' if one.required else '?'}: {one.type}"
            for name, one in sorted(self.properties.items())
        )
        return "object{" + ", ".join(shown) + "}"


DataType: TypeAlias = Scalar | ArrayOf | MapOf | ObjectOf
ANY = Scalar("any")


def parse_type(text: str) -> DataType:
    """What `str` of a type wrote; any other text is a `Scalar` of that name."""
    try:
        found, end = _type(text, 0, 0)
    except _OddError:
        return Scalar(text)
    return found if end == len(text) else Scalar(text)


class _OddError(ValueError):
    """The text is no expression."""


def _type(text: str, at: int, depth: int) -> tuple[DataType, int]:
    if depth > DEEPEST:
        raise _OddError
    if text.startswith("array<", at):
        inner, at = _type(text, at + len("array<"), depth + 1)
        return ArrayOf(inner), _after(text, at, ">")
    if text.startswith("map<", at):
        inner, at = _type(text, at + len("map<"), depth + 1)
        return MapOf(inner), _after(text, at, ">")
    if text.startswith("object{", at):
        return _object(text, at + len("object{"), depth)
    word = _WORD.match(text, at)
    if word is None:
        raise _OddError
    return Scalar(word.group()), word.end()


def _object(text: str, at: int, depth: int) -> tuple[ObjectOf, int]:
    found: dict[str, Property] = {}
    while not text.startswith("}", at):
        at = _after(text, at, ", ") if found else at
        name, at = _read_name(text, at)
        optional = text.startswith("?", at)
        inner, at = _type(text, _after(text, at + optional, ": "), depth + 1)
        found[name] = Property(inner, not optional)
    return ObjectOf(found), at + 1


def _read_name(text: str, at: int) -> tuple[str, int]:
    if text.startswith('"', at):
        try:
            name, end = _json.raw_decode(text, at)
        except ValueError:
            raise _OddError from None
        return str(name), end
    plain = _NAME.match(text, at)
    if plain is None:
        raise _OddError
    return plain.group(), plain.end()


def _name(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _after(text: str, at: int, sign: str) -> int:
    if not text.startswith(sign, at):
        raise _OddError
    return at + len(sign)
