"""Expressions: JMESPath with a few functions for what APIs do to times and tags."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import jmespath
from jmespath import exceptions, functions
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class MappingError(ValueError):
    """An expression cannot be used, or does not fit the answer it is applied to. One line."""


class _Functions(functions.Functions):  # type: ignore[misc]
    """`epoch_ms(n)` and `epoch_s(n)`: a number, also as text, to ISO time. `iso(text)`: any ISO 8601 time in UTC (no
    zone: UTC).

    `text(x)`: a number or string as text. `number(x)`: a number, also as text. `pairs(list, key, value)`:
    [{key, value}] to an object, `entries(object)` the way back. `plain(object)`: without what is no plain value; of a
    typed value, as {"int_value": "3"}, what it holds. `labels(list)`: ["a=b", "c"] to {a: b, c: ""}. All give null for
    null.
    """

    @functions.signature({"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_epoch_ms(self, number: float | str | None) -> str | None:
        return None if number is None else _since_epoch(_number(number) / 1000)

    @functions.signature({"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_epoch_s(self, number: float | str | None) -> str | None:
        return None if number is None else _since_epoch(_number(number))

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_iso(self, text: str | None) -> str | None:
        return None if text is None else _utc(text).isoformat()

    @functions.signature({"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_text(self, value: Any) -> str | None:
        return None if value is None else str(value)

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_pairs(self, items: list[Any] | None, key: str, value: str) -> dict[str, Any]:
        return {str(item[key]): item[value] for item in items or []}

    @functions.signature({"types": ["number", "string", "null"]})  # type: ignore[untyped-decorator]
    def _func_number(self, value: float | str | None) -> float | None:
        return None if value is None else _number(value)

    @functions.signature({"types": ["object", "null"]})  # type: ignore[untyped-decorator]
    def _func_entries(self, value: dict[str, Any] | None) -> list[dict[str, Any]] | None:
        return None if value is None else [{"key": k, "value": v} for k, v in value.items()]

    @functions.signature({"types": ["object", "null"]})  # type: ignore[untyped-decorator]
    def _func_plain(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        held = {name: _held(one) for name, one in value.items()}
        return {name: one for name, one in held.items() if not isinstance(one, dict | list | None)}

    @functions.signature({"types": ["array", "null"]})  # type: ignore[untyped-decorator]
    def _func_labels(self, labels: list[Any] | None) -> dict[str, str] | None:
        return None if labels is None else dict(_label(str(one)) for one in labels)


class _Compiled(Protocol):
    def search(self, value: Any, options: Any = None) -> Any: ...


class Expression(str):
    """A JMESPath expression from the configuration. Checked when the configuration is read."""

    compiled: _Compiled

    def __new__(cls, text: str) -> "Expression":
        made = super().__new__(cls, text)
        try:
            made.compiled = jmespath.compile(text)
            made.compiled.search({}, options=_OPTIONS)
        except exceptions.UnknownFunctionError as error:
            raise MappingError(f"{text!r}: {str(error).lower()}") from None
        except exceptions.ArityError as error:
            raise MappingError(f"{text!r}: {error}") from None
        except exceptions.JMESPathTypeError:
            pass  # an empty object has none of the fields: the sample is what tells
        except exceptions.JMESPathError as error:
            raise MappingError(f"{text!r} is not JMESPath: {' '.join(str(error).split())[:120]}") from None
        return made

    def of(self, value: Any) -> Any:
        """What the expression finds in an answer. Errors: `MappingError`."""
        try:
            return self.compiled.search(value, options=_OPTIONS)
        except (exceptions.JMESPathError, ValueError, KeyError, TypeError, OverflowError, OSError) as error:
            raise MappingError(f"{self!s}: {' '.join(str(error).split())[:160]}") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


_TYPED = re.compile(r"([a-z0-9]+_?)?value", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,4})?")
_OPTIONS = jmespath.Options(custom_functions=_Functions())


def _number(value: float | str) -> float:
    """A number, also where it comes as text, as 64-bit integers of many services do. Errors: `ValueError`."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is no number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _held(value: Any) -> Any:
    """What a typed value holds, the member whose name ends in `value`; of any other, the value."""
    if not isinstance(value, dict):
        return value
    members = [one for name, one in value.items() if _TYPED.fullmatch(name)]
    return members[0] if len(members) == 1 else value


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return (name, value) if name else (text, "")


def labels(tags: Mapping[str, str]) -> list[str]:
    """Tags as the texts that `labels(…)` reads. Errors: `ValueError` for a name that no such text can carry."""
    for name in tags:
        if not name or "=" in name:
            raise ValueError(f"{name[:40]!r} cannot be the name of a label: it is empty or holds =")
    return [f"{name}={value}" if value else name for name, value in tags.items()]


def _since_epoch(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _utc(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def as_text(value: Any, where: str) -> str | None:
    """Text or None. Errors: `MappingError` for anything else (numbers want `text()`)."""
    if value is None or isinstance(value, str):
        return value
    raise MappingError(f"{where} is {type(value).__name__}, expected text: wrap it in text(…)")


def as_time(value: Any, where: str) -> datetime | None:
    """A UTC time from ISO text, or None. Errors: `MappingError`."""
    if value is None:
        return None
    try:
        return _utc(value)
    except (TypeError, ValueError):
        raise MappingError(f"{where} is no ISO time: use epoch_ms(…), epoch_s(…) or iso(…)") from None


def as_texts(value: Any, where: str) -> Mapping[str, str]:
    """Text to text: numbers become text, nulls are left out. Errors: `MappingError`."""
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(v, dict | list) for v in value.values()):
        raise MappingError(f"{where} is no object of plain values: pairs(list, 'key', 'value') makes one")
    plain = {True: "true", False: "false"}
    return {k: plain[v] if isinstance(v, bool) else str(v) for k, v in value.items() if v is not None}


def as_numbers(value: Any, where: str) -> Mapping[str, float]:
    """Text to finite numbers, also those that come as text; what is no number is left out. Errors: `MappingError`."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MappingError(f"{where} is no object: pairs(list, 'key', 'value') makes one")
    numbers = {k: _number(v) for k, v in value.items() if _is_number(v)}
    return {k: v for k, v in numbers.items() if math.isfinite(v)}


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
