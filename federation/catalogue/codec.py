"""Records as the catalogue stores them: one canonical JSON text each, and its digest.

Whatever an adapter returns passes through here and is checked against the record's own type, because a
plugin, and the backend behind it, may return anything.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from adapters import (
    HIDDEN,
    MOST_BYTES,
    MOST_NAMES,
    BadRecordError,
    Details,
    EndpointRecord,
    Environment,
    Kind,
    ModelRecord,
    Record,
    Unread,
    VersionRecord,
    paced,
)
from federation.catalogue.cut import cut
from federation.references import check_part

R = TypeVar("R", ModelRecord, VersionRecord, EndpointRecord)
KEY_LIMIT = 2000
"""Longest native id and longest person, in bytes. PostgreSQL indexes no row of more than 2,704 bytes."""
NO_SOFTWARE = Environment()

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders: Mapping[type, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (ModelRecord, VersionRecord, EndpointRecord, Details)
}
KINDS: Mapping[type, Kind] = {ModelRecord: "model", VersionRecord: "version", EndpointRecord: "endpoint"}
_SILENT = frozenset({"addresses", "etag", "updated_at", "native", "unread"})
"""Fields whose change alone is no news."""
_BY_KEY = frozenset({"tags", "metrics", "params", "lineage", "environment", "environment.libraries"})
"""Fields that are compared name by name."""


class Encoded(NamedTuple, Generic[R]):
    """A record that was checked, its canonical JSON and the SHA-256 of that."""

    record: R
    body: str
    digest: bytes


def encode(record: R, stopping: Callable[[], bool] = bool) -> Encoded[R]:
    """Check and encode what an adapter returned; of a record that is too large, or whose native payload is no JSON,
    what can be left out is; that is paced, until `stopping`. Errors: `BadRecordError`, naming the record and what is
    wrong with it.
    """
    try:
        return _encode(record)
    except BadRecordError:
        with paced(stopping):
            lighter = _lighter(record)
            if lighter is None:
                raise
            return _encode(lighter)


def _encode(record: R) -> Encoded[R]:
    _check_cheaply(record)
    try:
        data = _encoder.encode(_finite(record))
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has {len(data)} bytes, more than {MOST_BYTES}")
        checked: R = _decoders[type(record)].decode(data)
        _check(checked)
    except (
        msgspec.MsgspecError,
        TypeError,
        ValueError,
        UnicodeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        raise _unreadable(record, error) from None
    return Encoded(checked, data.decode(), hashlib.sha256(data).digest())


def _lighter(record: R) -> R | None:
    """The record in the bytes that it may have: without its heaviest fields where those alone are too much, and with
    what else there is room for of its native payload. None where that cannot be told.
    """
    try:
        bare: Any = replace(record, native={})
        room = MOST_BYTES - len(_encoder.encode(bare))
        if isinstance(bare, VersionRecord) and room < 0:
            bare = _without_heavy(bare, over=-room)
            room = MOST_BYTES - len(_encoder.encode(bare))
        lighter: R | None = replace(bare, native=cut(record.native, room)) if room > 0 else None
        return lighter
    except (msgspec.MsgspecError, TypeError, ValueError, AttributeError, RecursionError):
        return None


HEAVY = ("description", "environment", "lineage.datasets", "metrics", "params", "schema")
"""Fields of a version that it can be known without. Its tags are not among them: what it depends on stands there."""


def _without_heavy(record: VersionRecord, over: int) -> VersionRecord:
    """The version without its heaviest fields, `over` bytes at least, which are marked as unread."""
    plain = to_plain(record)
    sizes = {path: len(_encoder.encode(_field(plain, path))) for path in HEAVY}
    dropped = []
    for path in sorted(HEAVY, key=lambda path: -sizes[path]):
        if over <= 0:
            break
        head, _, last = path.rpartition(".")
        (plain[head] if head else plain).pop(last, None)
        over -= sizes[path]
        dropped.append(path)
    fields = {*dropped, *(record.unread.fields if record.unread else ())}
    unread = Unread(
        tuple(sorted(fields)), f"the record is larger than {MOST_BYTES >> 20} MiB: {', '.join(dropped)}"
    )
    return replace(from_plain(VersionRecord, plain), unread=unread)


def _field(plain: Mapping[str, Any], path: str) -> Any:
    head, _, last = path.rpartition(".")
    return (plain[head] if head else plain).get(last)


def decode_model(body: str) -> ModelRecord:
    """A model from its `body`."""
    record: ModelRecord = _decoders[ModelRecord].decode(body)
    return record


def decode_version(body: str, details: str | None = None) -> VersionRecord:
    """A version from its `body` and, where it was read, what its files say (`encode_details`)."""
    record: VersionRecord = _decoders[VersionRecord].decode(body)
    if details is not None:
        _complete(record, _decoders[Details].decode(details))
    return record


def decode_endpoint(body: str) -> EndpointRecord:
    """An endpoint from its `body`."""
    record: EndpointRecord = _decoders[EndpointRecord].decode(body)
    return record


def from_json(kind: type[R], body: str) -> R:
    """A record of this type from its `body`."""
    record: R = _decoders[kind].decode(body)
    return record


def to_plain(record: Record) -> dict[str, Any]:
    """A record as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def from_plain(kind: type[R], plain: Mapping[str, Any]) -> R:
    """The record that `to_plain` took apart."""
    return msgspec.convert(plain, kind)


def encode_details(details: Details) -> tuple[str | None, str | None]:
    """What a version's files say as JSON, None where they say nothing; and why a part of it is unknown, None where all
    is known. Errors: `BadRecordError`.
    """
    try:
        unread, details = details.unread, replace(details, unread=None)
        data = _encoder.encode(details)
        checked: Details = _decoders[Details].decode(data)
        if len(data) > MOST_BYTES:
            raise ValueError(f"they have {len(data)} bytes, more than {MOST_BYTES}")
    except (
        msgspec.MsgspecError,
        TypeError,
        ValueError,
        UnicodeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BadRecordError(f"the details of a version cannot be read: {error}") from None
    return None if checked == Details() else data.decode(), unread.reason if unread else None


def _complete(record: VersionRecord, details: Details) -> None:
    """Fill in what a version's files say where the record itself says nothing.

    It was decoded a moment ago and nobody else holds it: a copy of it would take longer than decoding both did.
    """
    fill = object.__setattr__
    fill(record, "schema", record.schema or details.schema)
    fill(record, "framework", record.framework or details.framework)
    fill(record, "environment", _joined(record.environment, details.environment))
    fill(record, "artifact_uri", details.artifact_uri or record.artifact_uri)


def _joined(said: Environment, more: Environment | None) -> Environment:
    """What the record says of the software, and what it lacks from the files. Libraries stay together."""
    if more is None or said == NO_SOFTWARE:
        return more or said
    of = said if said.libraries else more
    return replace(
        said,
        libraries=of.libraries,
        ecosystem=of.ecosystem,
        file=of.file,
        images=said.images or more.images,
        python=said.python or more.python,
    )


class _Aliases(msgspec.Struct):
    aliases: dict[str, str] = {}


class _ListedBody(msgspec.Struct):
    metrics: dict[str, float] = {}
    state: str | None = None


_aliases = msgspec.json.Decoder(_Aliases)
_listed = msgspec.json.Decoder(_ListedBody)


def aliases_of(body: str) -> dict[str, str]:
    """The aliases of a model from its `body`, without decoding the rest."""
    return _aliases.decode(body).aliases


class _Owned(msgspec.Struct):
    owner: str | None = None


_owned = msgspec.json.Decoder(_Owned)


def owner_of(body: str) -> str | None:
    """The owner of a model or version from its `body`, without decoding the rest."""
    return _owned.decode(body).owner


class _Files(msgspec.Struct):
    artifact_uri: str | None = None


_files = msgspec.json.Decoder(_Files)


def resolved_files(details: str | None) -> str | None:
    """Where the files are of a version whose own address only names another one, by what was read of it."""
    return None if details is None else _files.decode(details).artifact_uri


def listed_of(body: str) -> tuple[dict[str, float], str | None]:
    """The metrics and the state of a version from its `body`, which is all that a list of many needs of it."""
    found = _listed.decode(body)
    return found.metrics, found.state


def to_json(value: object) -> str:
    """Canonical JSON of plain values and records."""
    return _encoder.encode(value).decode()


def differences(old: Record, new: Record) -> dict[str, tuple[Any, Any]]:
    """Which fields differ, each with what it was and is; what has names inside is compared name by name
    (`tags.env`, `lineage.commit`).
    """
    before: dict[str, Any] = msgspec.to_builtins(old)
    after: dict[str, Any] = msgspec.to_builtins(new)
    return dict(_differing("", before, after, _SILENT))


def _differing(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], silent: frozenset[str] = frozenset()
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in sorted((before.keys() | after.keys()) - silent):
        left, right, name = before.get(key), after.get(key), f"{path}{key}"
        if left == right:
            continue
        if isinstance(left, dict) and isinstance(right, dict) and name in _BY_KEY:
            yield from _differing(f"{name}.", left, right)
        else:
            yield name, (left, right)


def says_the_same(old: Record, new: Record) -> bool:
    """Whether the backend still says all that it said, as far as its native payload shows that; it may say more."""
    return bool(old.native) and _still(old.native, new.native)


def _still(old: Any, new: Any) -> bool:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return all(name in new and _still(value, new[name]) for name, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_still, old, new))
    return bool(old == new) or new == HIDDEN


def lacking(old: Record, new: Record) -> list[str]:
    """Which fields a record has lost as a whole: there was something, and now there is nothing. Of lineage and of the
    native payload also the parts (`lineage.commit`, `native.run`): other requests of a backend may have filled them.
    """
    before: dict[str, Any] = msgspec.to_builtins(old)
    after: dict[str, Any] = msgspec.to_builtins(new)
    lost = [name for name, value in before.items() if name not in _SILENT and value and not after[name]]
    for whole in ("lineage", "native"):
        parts, now = before.get(whole) or {}, after.get(whole) or {}
        lost += [
            f"{whole}.{name}"
            for name, value in parts.items()
            if value and not now.get(name) and (whole == "lineage" or isinstance(value, dict))
        ]
    return lost


def _finite(record: Record) -> Record:
    """The record without NaN and infinite metrics, which JSON has not; the native payload keeps them as they came."""
    if not isinstance(record, VersionRecord) or all(map(math.isfinite, record.metrics.values())):
        return record
    return replace(record, metrics={name: v for name, v in record.metrics.items() if math.isfinite(v)})


def _check(record: Record) -> None:
    if record.key.kind != KINDS[type(record)]:
        raise ValueError(f"its key says {record.key.kind}")
    _check_key("native id", record.key.native_id)
    match record:
        case ModelRecord():
            check_part("model name", record.name)
            for alias in record.aliases:
                check_part("alias", alias)
        case VersionRecord():
            check_part("version", record.version)
            _check_key("model's native id", record.model.native_id)
            if record.creator:
                _check_length("creator", record.creator)
        case EndpointRecord():
            if not record.name:
                raise ValueError("its name is missing")
            for share in record.traffic:
                _check_key("version's native id", share.version.native_id)
    if owner := getattr(record, "owner", None):
        _check_length("owner", owner)
    for time in (record.created_at, record.updated_at):
        if time is not None and time.tzinfo is None:
            raise ValueError("it has a time without a zone")


def is_native_id(text: str) -> bool:
    """Whether a record can have this native id."""
    try:
        _check_key("native id", text)
    except ValueError:
        return False
    return True


ALL_NAMED = ("tags", "aliases", "metrics", "params")
"""Fields that hold values by name."""
NAMED: Mapping[type, Sequence[str]] = {
    ModelRecord: ("tags", "aliases"),
    VersionRecord: ("tags", "metrics", "params"),
    EndpointRecord: (),
}


def _check_cheaply(record: Record) -> None:
    """Looked at before anything is made of a record. Errors: `BadRecordError`."""
    description = getattr(record, "description", None)
    if isinstance(description, str) and (length := len(description)) > MOST_BYTES:
        raise _unreadable(record, f"its description has {length} characters, more than {MOST_BYTES} bytes")
    for name in NAMED.get(type(record), ALL_NAMED):
        names = getattr(record, name, {})
        # To ask of each whether it has a size would take as long as to encode it: nearly all are dicts.
        if (type(names) is dict or isinstance(names, Sized)) and (found := len(names)) > MOST_NAMES:
            raise _unreadable(record, f"it has {found:,} {name}, more than {MOST_NAMES:,}")


def _unreadable(record: Any, why: object) -> BadRecordError:
    native = str(getattr(getattr(record, "key", None), "native_id", "?"))
    return BadRecordError(f"record {native[:200]!a} cannot be read: {why}", native=native)


def _check_key(what: str, native_id: str) -> None:
    if not native_id or "\0" in native_id:
        raise ValueError(f"its {what} is empty or holds U+0000")
    if len(native_id) * 4 > KEY_LIMIT:
        _check_length(what, native_id)


def _check_length(what: str, text: str) -> None:
    if len(text) * 4 > KEY_LIMIT and (size := len(text.encode())) > KEY_LIMIT:
        raise ValueError(f"its {what} has {size} bytes, more than {KEY_LIMIT}")
