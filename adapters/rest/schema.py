"""What a version takes and gives, as an expression finds it: {inputs, outputs, params}, each a list of columns."""

import json
from collections.abc import Mapping
from typing import Any

from adapters.records import Column, Schema
from adapters.rest.expressions import MappingError

ANY = "any"
"""The type of a column that does not say one."""


def as_schema(value: Any, where: str) -> Schema | None:
    """A column is {name, type, required, shape, default}, or in an object its type by its name.

    Errors: `MappingError`.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise MappingError(f"{where} is {type(value).__name__}, expected {{inputs, outputs, params}}")
    made = Schema(*(_columns(value.get(part), f"{where}.{part}") for part in ("inputs", "outputs", "params")))
    return made if made != Schema() else None


def _columns(value: Any, where: str) -> tuple[Column, ...]:
    if isinstance(value, Mapping):
        value = [{"name": name, "type": one} for name, one in value.items()]
    if not isinstance(value, list | None):
        raise MappingError(f"{where} is {type(value).__name__}, expected a list of columns")
    return tuple(_column(place, one, where) for place, one in enumerate(value or ()))


def _column(place: int, one: Any, where: str) -> Column:
    if not isinstance(one, Mapping):
        one = {"name": one}
    name, kind = one.get("name"), one.get("type") or ANY
    if not isinstance(name, str | None) or not isinstance(kind, str):
        raise MappingError(f"{where}: the name and the type of a column are texts")
    default = one.get("default")
    return Column(
        name or str(place),
        kind,
        required=one.get("required") is not False,
        shape=_shape(one.get("shape"), where),
        positional=not name,
        default=None if default is None else json.dumps(default),
    )


def _shape(value: Any, where: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(size, int | None) for size in value):
        raise MappingError(f"{where}: a shape is a list of numbers, null for a free dimension")
    return tuple(-1 if size is None else size for size in value)
