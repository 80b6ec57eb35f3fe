"""Checks JSON values against botocore's own service model: types, required members, enums, lengths, patterns.

botocore's validator checks neither maxima nor enums nor patterns; the service does, so the emulator must.
"""

import re
import sys
import unicodedata
from functools import cache
from typing import Any

from botocore.model import Shape

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": (bool,),
    "blob": (str,),
}


def without_nulls(value: Any) -> Any:
    """The value without JSON nulls: the service reads a null member as an absent one."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def breaches(shape: Shape | None, value: Any, path: str = "") -> list[str]:
    """What is wrong with a JSON value for this shape, one sentence each; empty when it fits."""
    if shape is None:
        return [f"{path or 'the body'} must be empty"] if value else []
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, path)
    if kind == "list":
        return _list(shape, value, path)
    if kind == "map":
        return _map(shape, value, path)
    return _scalar(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path or 'the body'} must be an object"]
    found = [f"{path}{name} is required" for name in shape.required_members if name not in value]
    for name, member in value.items():
        if name not in shape.members:
            found.append(f"{path}{name} is unknown")
        else:
            found += breaches(shape.members[name], member, f"{path}{name}.")
    return found


def _list(shape: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path[:-1]} must be a list"]
    found = _range(shape, len(value), path, "items")
    for index, item in enumerate(value):
        found += breaches(shape.member, item, f"{path}{index}.")
    return found


def _map(shape: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path[:-1]} must be an object"]
    found = _range(shape, len(value), path, "entries")
    for key, item in value.items():
        found += breaches(shape.key, key, f"{path}(key).")
        found += breaches(shape.value, item, f"{path}{key}.")
    return found


def _scalar(shape: Any, value: Any, path: str) -> list[str]:
    kind, name = shape.type_name, path[:-1]
    fits: bool = isinstance(value, _SCALARS[kind])
    if not fits or (isinstance(value, bool) and kind != "boolean"):
        return [f"{name} must be a {kind}"]
    if kind != "string":
        return [] if kind in ("boolean", "blob", "timestamp") else _range(shape, value, path, "")
    found = _range(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        found.append(f"Value '{value}' at '{name}' must be one of {', '.join(shape.enum)}")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        found.append(f"Value at '{name}' must satisfy the pattern {pattern}")
    return found


def _range(shape: Any, size: float, path: str, unit: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        return [f"{path[:-1]} must be at least {low} {unit}".rstrip()]
    if high is not None and size > high:
        return [f"{path[:-1]} must be at most {high} {unit}".rstrip()]
    return []


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The model's (Java) pattern for Python: `\\p{L}` written out, a stray `${1,256}` at its end dropped."""
    spelled = re.sub(r"\$\{\d+,\d+\}$", "", pattern)
    spelled = re.sub(r"\\p\{(\w+)\}", lambda found: _category(found[1]), spelled)
    return re.compile(spelled, re.DOTALL if pattern == ".*" else 0)


def _category(name: str) -> str:
    """The inside of a character class for a general category of Unicode, such as `L`."""
    return "a-zA-Z0-9" if name == "Alnum" else _categories()[name]


@cache
def _categories() -> dict[str, str]:
    ranges: dict[str, list[str]] = {}
    start, inside = 0, unicodedata.category("\0")[0]
    for point in range(1, sys.maxunicode + 2):
        found = unicodedata.category(chr(point))[0] if point <= sys.maxunicode else ""
        if found != inside:
            ranges.setdefault(inside, []).append(f"\\U{start:08x}-\\U{point - 1:08x}")
            start, inside = point, found
    return {name: "".join(parts) for name, parts in ranges.items()}
