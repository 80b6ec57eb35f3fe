"""Whether a single value of a request arrives as the type that a signature names, by MLflow's rules.

Each function says why not, in words; None: it does.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapters import ANY, ArrayOf, DataType, MapOf, ObjectOf, Property, Scalar

WHOLE = {"integer": 31, "long": 63}
"""Bits of the whole numbers, without the sign."""
KNOWN = frozenset({"boolean", "float", "double", "string", "binary", "datetime", ANY.name, *WHOLE})
"""The scalar types of MLflow."""
ZONED = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def are_known(of: DataType) -> bool:
    """Whether a type is made of words that are known here."""
    match of:
        case Scalar(name):
            return name in KNOWN
        case ArrayOf(inner) | MapOf(inner):
            return are_known(inner)
        case ObjectOf(properties):
            return all(are_known(one.type) for one in properties.values())


def top(value: Any, of: str) -> str | None:
    """Why a value of JSON at the top of a column does not arrive as a type; None: it does."""
    if of == ANY.name:
        return None
    if value is None:
        return None if of in ("string", "float", "double") else f"null is no {of}"
    if of in ("integer", "long", "float", "double"):
        return _number(value, of)
    if of == "boolean":
        return None if isinstance(value, bool) else f"{shown(value)} is no boolean"
    if not isinstance(value, str):
        return f"{shown(value)} is no {of}"
    if of == "binary":
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return f"{shown(value)} is no base64"
    return None


def _number(value: Any, of: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{shown(value)} is no number"
    if of in WHOLE:
        if value != math.floor(value):
            return f"{value:g} is no whole number"
        return (
            None if -(2 ** WHOLE[of]) <= value < 2 ** WHOLE[of] else f"{value:g} is out of the range of {of}"
        )
    try:
        there = float(value) if of == "double" else struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return f"{shown(value)} is out of the range of {of}"
    return f"{value} would arrive as {there:.0f}" if isinstance(value, int) and there != value else None


def whole(values: Sequence[Any], of: str) -> tuple[str, int] | None:
    """Why a column of whole numbers, or of anything, does not arrive: a null or a point makes doubles of them all."""
    numbers = all(
        one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in values
    )
    is_real = numbers and any(one is None or isinstance(one, float) for one in values)
    for row, value in enumerate(values):
        why = top(value, of)
        if why is None and is_real and value is not None and float(value) != value:
            why = f"{value} would arrive as {float(value):.0f}, for another is null or has a point"
        if why is not None:
            return why, row
    return None


def moments(values: Sequence[Any]) -> tuple[str, int] | None:
    """Texts of one form, without a zone."""
    forms = set()
    for row, value in enumerate(values):
        if value is None:
            continue
        if not isinstance(value, str):
            return (f"{shown(value)} would arrive as nanoseconds since 1970", row)
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return (f"{shown(value)} is no date and time", row)
        if ZONED.search(value) and len(value) > len("2026-01-01"):
            return (f"{shown(value)} has a time zone", row)
        forms.add(re.sub(r"\.\d+", ".f", re.sub(r"(?<![.\d])\d+", "0", value)))
        if len(forms) > 1:
            return (f"{shown(value)} is written in another form than those before", row)
    return None


def text(value: str | None, of: str) -> str | None:
    """Why a cell of CSV does not arrive as a type."""
    if of == "datetime":
        return "CSV cannot carry datetime"
    if of in ("string", "binary", ANY.name):
        return None
    if of == "boolean":
        return (
            None
            if value in ("True", "TRUE", "true", "False", "FALSE", "false")
            else f"{shown(value)} is no boolean"
        )
    if value is None:
        return f"a missing value is no {of}" if of in WHOLE else None
    try:
        return _number(int(value) if value.isdigit() else float(value), of)
    except ValueError:
        return f"{shown(value)} is no {of}"


def inside(value: Any, of: DataType, required: bool) -> str | None:
    """Why a value inside an array, an object or a map is refused: nothing is cast there. What is not `required` may be
    null, with all that is in it.
    """
    match of:
        case Scalar():
            return _scalar_inside(value, of, required)
        case ArrayOf(items):
            return _array(value, of, items, required)
        case MapOf(values):
            if _is_nothing(value, {}, values, required):
                return None
            if not isinstance(value, dict):
                return f"{shown(value)} is no {of}"
            return _each((one, values, required) for one in value.values())
        case ObjectOf(properties):
            return _object(value, of, properties, required)


def _scalar_inside(value: Any, of: Scalar, required: bool) -> str | None:
    if of == ANY or (value is None and not required):
        return None
    if isinstance(value, list | dict) or value is None:
        return f"{shown(value)} is no {of}"
    return _series([value], of.name, is_list=False)


def _array(value: Any, of: DataType, items: DataType, required: bool) -> str | None:
    if _is_nothing(value, [], items, required):
        return None
    if not isinstance(value, list):
        return f"{shown(value)} is no {of}"
    if isinstance(items, Scalar) and items != ANY:
        return _series(value, items.name)
    return _each((one, items, required) for one in value)


def _is_nothing(value: Any, empty: object, parts: DataType, required: bool) -> bool:
    return value == empty or (value is None and (not required or parts == ANY))


def _object(value: Any, of: DataType, properties: Mapping[str, Property], required: bool) -> str | None:
    if not required and value in (None, {}):
        return None
    if not isinstance(value, dict):
        return f"{shown(value)} is no {of}"
    lacking = [name for name, one in properties.items() if one.required and name not in value]
    if lacking:
        return f"the property {lacking[0]} is missing"
    if strange := value.keys() - properties.keys():
        return f"the property {min(strange)} is not known"
    return _each((one, properties[name].type, properties[name].required) for name, one in value.items())


def _each(parts: Iterator[tuple[Any, DataType, bool]]) -> str | None:
    return next(filter(None, (inside(*part) for part in parts)), None)


def _series(values: Sequence[Any], of: str, *, is_list: bool = True) -> str | None:
    """Why values of JSON, taken together, are not of a scalar type inside another."""
    kind = _kind(values)
    takes: Mapping[str, Callable[[], bool]] = {
        "string": lambda: kind in ("text", "object", "nothing"),
        "binary": lambda: kind in ("text", "object", "nothing"),
        "boolean": lambda: kind in ("boolean", "object", "nothing"),
        "long": lambda: kind == "whole",
        "integer": lambda: False,
        "float": lambda: kind == "whole" and all(one in (0, 1) for one in values),
        "double": lambda: kind == "real" or (kind == "whole" and all(one in (0, 1) for one in values)),
        "datetime": lambda: kind == "nothing",
    }
    if of in takes and not takes[of]():
        return f"{shown(values if len(values) > 1 else values[0])} cannot be sent as {of} in JSON inside another type"
    if of in ("string", "binary") and kind != "text":
        return f"{shown(values)} holds what is no text"
    if of == "binary" and is_list and not all(one.isascii() for one in values):
        return f"{shown(values)} holds what is no ASCII"
    return None


def _kind(values: Sequence[Any]) -> str:
    """What pandas makes of a list of JSON's values: boolean, whole, real, text, nothing (all null) or object."""
    known = [one for one in values if one is not None]
    if not known:
        return "nothing"
    if all(isinstance(one, bool) for one in known):
        return "boolean" if len(known) == len(values) else "object"
    if all(isinstance(one, str) for one in known):
        return "text" if len(known) == len(values) else "object"
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in known):
        return "object"
    if any(isinstance(one, float) for one in known) or len(known) < len(values):
        return "real"
    return "whole" if all(-(2**63) <= one < 2**63 for one in known) else "object"


_DTYPE = re.compile(r"(bool|u?int|float|str|object)(8|16|32|64)?")


def is_dtype(word: str) -> bool:
    """Whether this is a type of a tensor that `element` knows."""
    return _DTYPE.fullmatch(word) is not None


def element(value: Any, dtype: str) -> str | None:
    """Why a value of JSON does not arrive as one of a tensor."""
    found = _DTYPE.fullmatch(dtype)
    if found is None or found[1] == "object":
        return None
    bits, kind = int(found[2] or 0), found[1]
    if kind == "bool":
        return None if isinstance(value, bool) else f"{shown(value)} is no boolean"
    if kind == "str":
        return None if isinstance(value, str) else f"{shown(value)} is no text"
    if kind == "float":
        if value is None:
            return None
        return _number(value, "double" if bits == 64 else "float")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != math.floor(value):
        return f"{shown(value)} is no whole number"
    low, high = (0, 2**bits) if kind == "uint" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return None if low <= value < high else f"{value:g} is out of the range of {dtype}"


def param(value: Any, of: str) -> str | None:
    """Why a value of JSON is not taken for a param: a whole number has any size there, and is a number of any kind."""
    kinds: Mapping[str, type | tuple[type, ...]] = {
        "boolean": bool, "integer": int, "long": int, "float": (int, float), "double": (int, float), "string": str,
        "binary": str, "datetime": str,
    }  # fmt: skip
    is_one = isinstance(value, kinds.get(of, object)) and (of == "boolean" or not isinstance(value, bool))
    if is_one and of == "datetime":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            is_one = False
    return None if is_one else f"{shown(value)} is no {of}"


def shown(value: Any) -> str:
    """The value as JSON, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"
