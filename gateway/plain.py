"""What libraries say of a value that does not fit, in plain words, with the values that would.

`msgspec` reads what is sent to the API, Pydantic the configuration and, within Typer, what stands on a command line.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "an object", "null": "null", "bytes": "bytes",
}  # fmt: skip
BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
PLACE = re.compile(r"[^.\[\]]+|\[[^\]]*\]")


def plain(message: str, kind: Any = None, place: str = "") -> str:
    """The message of a library about a value at a place (`scopes[0]`) within what should be of a kind."""
    for pattern, words in RULES.items():
        found = pattern.fullmatch(message)
        if found:
            return words(found, kind, place)
    return message.removeprefix("Value error, ")


def _kinds(text: str) -> str:
    return " or ".join(KINDS.get(one, one) for one in text.split(" | "))


def _bound(sign: str, number: str) -> str:
    return f"{BOUNDS[sign]} {number.removesuffix('.0')}"


def _length(found: re.Match[str], *_: Any) -> str:
    things = "characters" if found[1] in ("str", "bytes") else "items"
    return f"{_bound(found[2], found[3])} {things} are expected"


def _choice(found: re.Match[str], kind: Any, place: str) -> str:
    known = list(dict.fromkeys(choices(kind, place)))
    if not known:
        return f"{found[1]} is not known here"
    return f"{found[1]} is not known here: known are {', '.join(known)}"


def _unknown_field(found: re.Match[str], kind: Any, place: str) -> str:
    known = [name for one in _within(kind, place) for name in _fields(one)]
    near = get_close_matches(found[1], known, 1, 0.6)
    more = (
        f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}" if known else "leave it out"
    )
    return f"{found[1]} is not known here: {more}"


RULES: Mapping[re.Pattern[str], Callable[[re.Match[str], Any, str], str]] = {
    re.compile(r"Invalid enum value (.*)", re.DOTALL): _choice,
    re.compile(r"Expected `(.+)`, got `(.+)`"): lambda m, *_: (
        f"{_kinds(m[1])} is expected, not {_kinds(m[2])}"
    ),
    re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)"): _length,
    re.compile(r"Expected `(\w+)[^`]*` (>=|<=|>|<) (\S+)"): lambda m, *_: f"{_bound(m[2], m[3])} is expected",
    re.compile(r"Object missing required field `(.+)`"): lambda m, *_: f"{m[1]} is missing",
    re.compile(r"Object contains unknown field `(.+)`"): _unknown_field,
    re.compile(r"Input should be a valid (integer|number|boolean)(?:,.*)?"): lambda m, *_: (
        f"{ {'integer': 'a whole number', 'number': 'a number', 'boolean': 'true or false'}[m[1]] } is expected"
    ),
    re.compile(r"Input should be (greater|less) than (or equal to )?(\S+)"): lambda m, *_: (
        f"{_bound(('>' if m[1] == 'greater' else '<') + ('=' if m[2] else ''), m[3])} is expected"
    ),
}


def choices(kind: Any, place: str = "") -> Iterator[str]:
    """The values that may stand at a place within a kind; none where they are not a fixed set."""
    import msgspec

    for one in _within(kind, place):
        if isinstance(one, msgspec.inspect.LiteralType):
            yield from map(str, one.values)
        elif isinstance(one, msgspec.inspect.EnumType):
            yield from (str(value.value) for value in one.cls)


def _within(kind: Any, place: str) -> list[Any]:
    """The kinds that may stand at a place."""
    import msgspec

    if kind is None:
        return []
    found = _one_of(msgspec.inspect.type_info(kind))
    for part in PLACE.findall(place):
        found = [inner for one in found for kind_there in _inside(one, part) for inner in _one_of(kind_there)]
    return found


def _one_of(kind: Any) -> list[Any]:
    import msgspec

    if isinstance(kind, msgspec.inspect.Metadata):
        return _one_of(kind.type)
    return list(kind.types) if isinstance(kind, msgspec.inspect.UnionType) else [kind]


def _inside(kind: Any, part: str) -> list[Any]:
    import msgspec

    if part.startswith("["):
        return [getattr(kind, name) for name in ("item_type", "value_type") if hasattr(kind, name)]
    fields = kind.fields if isinstance(kind, msgspec.inspect.StructType) else ()
    return [one.type for one in fields if one.encode_name == part]


def _fields(kind: Any) -> list[str]:
    import msgspec

    return [one.encode_name for one in kind.fields] if isinstance(kind, msgspec.inspect.StructType) else []
