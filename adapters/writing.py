"""What the writes of every kind have in common: nothing is sent for what is so already, an etag is compared just before
the write, and the answer is what the backend says afterwards.

Most backends have no compare-and-set: between the comparison and the write another writer may come.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import thread_time
from typing import Any, Generic, TypeVar

from adapters.contract import Adapter, StageField
from adapters.errors import AdapterError, ConflictError, InvalidError, NotFoundError, RejectedError
from adapters.pacing import LARGE, rest
from adapters.records import EndpointRecord, Key, ModelRecord, Record, VersionRecord

R = TypeVar("R", ModelRecord, VersionRecord, EndpointRecord, ModelRecord | VersionRecord)


@dataclass(frozen=True, slots=True)
class Goal(Generic[R]):
    """How a record shall be: `of` takes a record as one of the kind that is meant."""

    of: Callable[[Record], R]
    is_met: Callable[[R], bool]


def a_model(found: Record) -> ModelRecord:
    """A record that has to be a model. Errors: `NotFoundError`."""
    if not isinstance(found, ModelRecord):
        raise _other(found, "model")
    return found


def a_version(found: Record) -> VersionRecord:
    """A record that has to be a version. Errors: `NotFoundError`."""
    if not isinstance(found, VersionRecord):
        raise _other(found, "version")
    return found


def an_endpoint(found: Record) -> EndpointRecord:
    """A record that has to be an endpoint. Errors: `NotFoundError`."""
    if not isinstance(found, EndpointRecord):
        raise _other(found, "endpoint")
    return found


def a_model_or_version(found: Record) -> ModelRecord | VersionRecord:
    """A record that has to be one of these. Errors: `NotFoundError`."""
    if not isinstance(found, ModelRecord | VersionRecord):
        raise _other(found, "model or version")
    return found


def _other(found: Record, what: str) -> NotFoundError:
    return NotFoundError(f"{found.key.kind} {found.key.native_id[:200]} is no {what}")


def compare(record: Record, etag: str | None) -> None:
    """Errors: `ConflictError` when the record is no longer the one that had this etag."""
    if etag is not None and record.etag != etag:
        raise ConflictError(
            f"{record.key.kind} {record.key.native_id} has changed since it was read: read it again"
        )


def settle(
    read: Callable[[Key], Record], key: Key, goal: Goal[R], write: Callable[[R], object], etag: str | None
) -> R:
    """Write unless it is so already, and read back. Errors: `NotFoundError` for what is of another kind,
    `ConflictError` for an etag that is old.
    """
    now = goal.of(read(key))
    if goal.is_met(now):
        return now
    compare(now, etag)
    write(now)
    return goal.of(_read_back(read, key))


def _read_back(read: Callable[[Key], Record], key: Key) -> Record:
    """What is there after something was sent. Errors: `NotFoundError`; `AdapterError`, never that it was rejected: a
    look that is refused says nothing of what was sent.
    """
    try:
        return read(key)
    except NotFoundError:
        raise
    except RejectedError as error:
        raise AdapterError(str(error)) from None


def settle_stage(
    adapter: Adapter,
    key: Key,
    field: StageField,
    value: str,
    write: Callable[[VersionRecord], object],
    etag: str | None,
) -> VersionRecord:
    """Write a native stage of a version, as `settle` does. Errors: `InvalidError` for a notion of it that the adapter
    does not name in `stage_fields`.
    """
    if field not in adapter.stage_fields:
        there = " or ".join(f"`{one}`" for one in sorted(adapter.stage_fields, reverse=True))
        raise InvalidError(f"a version of {adapter.kind} has no {field} to be written: write {there}")
    return settle(adapter.get, key, has_stage(field, value), write, etag)


def settle_alias(
    read: Callable[[Key], Record],
    key: Key,
    alias: str,
    version: str | None,
    point: Callable[[ModelRecord, str, str | None], object],
    etag: str | None,
) -> ModelRecord:
    """Point a model's alias at a version, or take it away, as `settle` does."""
    return settle(read, key, has_alias(alias, version), lambda now: point(now, alias, version), etag)


def has_stage(field: StageField, value: str) -> Goal[VersionRecord]:
    """A version has this native stage."""
    return Goal(a_version, lambda now: getattr(now, field) == value)


def has_alias(alias: str, version: str | None) -> Goal[ModelRecord]:
    """A model's alias points there."""
    return Goal(a_model, lambda now: now.aliases.get(alias) == version)


def has_tags(changes: Mapping[str, str | None]) -> Goal[ModelRecord | VersionRecord]:
    """A model or version has these tags."""
    return Goal(a_model_or_version, lambda now: with_changes(now.tags, changes) == now.tags)


def is_described(text: str | None) -> Goal[ModelRecord | VersionRecord]:
    """A model or version has this description; an empty one is none."""
    return Goal(a_model_or_version, lambda now: (now.description or None) == (text or None))


def has_traffic(shares: Mapping[Key, float]) -> Goal[EndpointRecord]:
    """An endpoint's traffic is shared so, to a thousandth of a percent."""
    wanted = {key: round(percent, 3) for key, percent in shares.items() if percent}
    return Goal(
        an_endpoint,
        lambda now: {one.version: round(one.percent, 3) for one in now.traffic if one.percent} == wanted,
    )


def check_shares(now: EndpointRecord, shares: Mapping[Key, float]) -> None:
    """Errors: `InvalidError` for versions that the endpoint does not hold, or shares that are not the whole of it."""
    if strange := shares.keys() - {one.version for one in now.traffic}:
        names = ", ".join(sorted(key.native_id for key in strange))
        raise InvalidError(f"endpoint {now.name} does not hold {names[:300]}: deploy it there first")
    if abs(sum(shares.values()) - 100) > 0.01 or min(shares.values(), default=0) < 0:
        raise InvalidError("the shares of an endpoint's traffic are percentages that add up to 100")


def remove(
    read: Callable[[Key], Record],
    key: Key,
    delete: Callable[[ModelRecord | VersionRecord], object],
    etag: str | None,
) -> None:
    """Delete what is there. That it is gone already is as good, where `read` says so and not `delete` alone.

    Errors: `ConflictError` for an etag that is old.
    """
    try:
        compare(now := a_model_or_version(read(key)), etag)
    except NotFoundError:
        return
    try:
        delete(now)
    except NotFoundError:
        if _exists(read, key):
            raise


def _exists(read: Callable[[Key], Record], key: Key) -> bool:
    try:
        _read_back(read, key)
    except NotFoundError:
        return False
    return True


def with_changes(now: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Tags or aliases after the changes, of which None takes one away."""
    return {name: value for name, value in {**now, **changes}.items() if value is not None}


def difference(now: Mapping[str, str], changes: Mapping[str, str | None]) -> tuple[dict[str, str], list[str]]:
    """What of the changes is not so yet: tags to be set, and the names of those to be removed."""
    added = {name: value for name, value in changes.items() if value is not None and now.get(name) != value}
    return added, [name for name, value in changes.items() if value is None and name in now]


def digest(written: Any, length: int = 24) -> str:
    """An etag for a backend that has none: hexadecimal digits of a hash over what can be written."""
    began = thread_time()
    told = _in_order(written).encode()
    found = hashlib.sha256(told).hexdigest()[:length]
    if len(told) > LARGE:
        rest(began)
    return found


_in_order = json.JSONEncoder(sort_keys=True, default=str).encode


def kept_token(token: str, length: int, fits: re.Pattern[str] | None = None) -> str:
    """The token of a registration as a backend can keep it: itself where it fits, else digits of its hash."""
    if fits is not None and fits.fullmatch(token):
        return token
    return hashlib.sha256(token.encode()).hexdigest()[:length]
