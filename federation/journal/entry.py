"""The exact bytes of a journal entry, format version 1.

An entry is one JSON object in UTF-8 without white space: keys sorted by code point at every depth, strings
escaped only where JSON must, whole numbers within ±(2^53 - 1), no number with a fraction (write it as text),
absent rather than null or empty at the top. So one entry has one spelling; these bytes are hashed, stored and
exported as they are, and are never written again from what was read.

No personal value is ever in an entry: `actor` is an opaque id, and what names people or is free text is in
`commitments` only (see `federation.journal.commitments`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from federation.errors import InvalidRequestError
from federation.journal.actions import Action

__all__ = ["FORMAT", "SYSTEM", "Action", "Entry", "EntryError", "Recorded", "decode", "encode"]

FORMAT: Final = 1
"""The format version this module writes; every entry names its own."""

SYSTEM: Final = "system"
"""The actor of what Waypost did or saw by itself."""

Json = Any
"""None, bool, int, str, and lists and string-keyed mappings of them; no float."""

_MOST: Final = (1 << 53) - 1
_DEEPEST: Final = 32
_ACTIONS: Final = {action.value: action for action in Action}


class EntryError(InvalidRequestError):
    """An entry that cannot be written in the format, or bytes that are no entry of a known format."""

    code = "not-recordable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened. `seq` and time come from the log when it is appended.

    `ref` is a canonical reference, `targets` surrogate ids by kind (`{"version": 34}`), `before` and `after`
    what changed. An observed change lies between `not_before` and `not_after`. `commitments` maps the name of
    a withheld value (`reason`, `backend_actor`, `owner`…) to its 32-byte digest.
    """

    action: Action
    actor: str = SYSTEM
    ref: str | None = None
    registry: str | None = None
    request: str | None = None
    targets: Mapping[str, int] = field(default_factory=dict)
    before: Json = None
    after: Json = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    commitments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it stands in the log: its number, from 0, and its time in UTC."""

    seq: int
    time: datetime
    entry: Entry


class _Version1(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    v: int
    seq: int
    time: str
    action: str
    actor: str
    ref: str | None = None
    registry: str | None = None
    request: str | None = None
    targets: dict[str, int] = {}
    before: Any = None
    after: Any = None
    not_before: str | None = None
    not_after: str | None = None
    details: dict[str, Any] = {}
    commitments: dict[str, bytes] = {}


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(_Version1)


def encode(entry: Entry, seq: int, time: datetime) -> bytes:
    """The bytes of an entry as number `seq` at `time`. Raises EntryError for what the format cannot hold."""
    written = _Version1(
        v=FORMAT,
        seq=seq,
        time=_write_time(time),
        action=entry.action.value,
        actor=entry.actor,
        ref=entry.ref,
        registry=entry.registry,
        request=entry.request,
        targets=dict(entry.targets),
        before=entry.before,
        after=entry.after,
        not_before=None if entry.not_before is None else _write_time(entry.not_before),
        not_after=None if entry.not_after is None else _write_time(entry.not_after),
        details=dict(entry.details),
        commitments=dict(entry.commitments),
    )
    for value in (seq, written.targets, entry.before, entry.after, written.details):
        if value:
            _check(value)
    try:
        return _encoder.encode(written)
    except (TypeError, ValueError, UnicodeError, RecursionError) as error:
        raise EntryError(f"{entry.action}: {error}") from None


def decode(data: bytes) -> Recorded:
    """Read an entry's bytes. Raises EntryError for anything but a whole entry of format version 1."""
    try:
        read = _decoder.decode(data)
        action = _ACTIONS[read.action]
    except KeyError as error:
        raise EntryError(f"an action this Waypost does not know: {error}") from None
    except (ValueError, RecursionError) as error:
        raise EntryError(f"not an entry of a format known here: {error}") from None
    if read.v != FORMAT:
        raise EntryError(f"an entry of format version {read.v}; this Waypost reads version {FORMAT}")
    entry = Entry(
        action=action,
        actor=read.actor,
        ref=read.ref,
        registry=read.registry,
        request=read.request,
        targets=read.targets,
        before=read.before,
        after=read.after,
        not_before=None if read.not_before is None else _read_time(read.not_before),
        not_after=None if read.not_after is None else _read_time(read.not_after),
        details=read.details,
        commitments=read.commitments,
    )
    return Recorded(read.seq, _read_time(read.time), entry)


def _check(value: Json, depth: int = 0) -> None:
    """Refuse what would have more than one spelling, or another meaning for another reader."""
    if value is None or isinstance(value, str):
        return
    if depth > _DEEPEST:
        raise EntryError(f"a value nested deeper than {_DEEPEST}")
    if isinstance(value, int):
        if abs(value) > _MOST:
            raise EntryError(f"a number beyond 2^53 ({value}): write it as text")
    elif isinstance(value, float):
        raise EntryError(f"a number with a fraction ({value}): write it as text")
    elif isinstance(value, dict | Mapping):
        if not all(isinstance(key, str) for key in value):
            raise EntryError("a key that is not text")
        _check_each(value.values(), depth + 1)
    elif isinstance(value, list | tuple):
        _check_each(value, depth + 1)
    else:
        raise EntryError(f"a value of type {type(value).__name__}, which JSON does not have")


def _check_each(values: Iterable[Json], depth: int) -> None:
    for value in values:
        kind = type(value)
        if kind is list and depth < _DEEPEST:  # an import names each record in a list of its own
            _check_each(value, depth + 1)
        elif kind is not str:
            _check(value, depth)


@lru_cache(16)  # the entries of a transaction have one time
def _write_time(time: datetime) -> str:
    if time.tzinfo is None:
        raise EntryError("a time without a time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _read_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if _write_time(time) == text:
            return time
    except ValueError:
        pass
    raise EntryError(f"not a time in UTC with microseconds: {text[:40]!a}")
