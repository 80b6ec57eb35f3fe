"""Giving what is known the keys by which its backend speaks of it now: after a rename, where keys hold the name.

The rows stay, and with them everything that hangs on them: history, edges, traffic.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from adapters import Key, VersionRecord
from federation import bulk, tables
from federation.catalogue import codec
from federation.catalogue.codec import Encoded
from federation.references import encode_part

Succeeds = Callable[[Key, Key], bool]
"""`Adapter.succeeds`: whether the first key can only be what the second was."""
Rekeyed = dict[int, list[list[str]]]
"""By model: the former and the present native id of each version."""


def rekey_models(
    connection: Connection,
    registry_id: int,
    records: Sequence[Encoded[Any]],
    renamed: Mapping[str, str],
    listed: bool,
) -> dict[Key, list[str]]:
    """Give models among these records the native ids that they have now, by the former ones in `renamed`.

    One that is `listed` without fields that it had keeps its former id: it may be gone when it is asked for. These
    are given back, with the fields.
    """
    given = {one.record.key.native_id: one.record for one in records}
    wanted = sorted(former for former, new in renamed.items() if new in given)
    moved: list[tuple[str, int]] = []
    doubted: dict[Key, list[str]] = {}
    for former, i, body in bulk.find(
        connection, tables.model, ("native_id", "id", "body"), registry_id, wanted
    ):
        record = given[renamed[former]]
        lost = codec.lacking(codec.decode_model(body), record) if listed else []
        if lost:
            doubted[record.key] = lost
        else:
            moved.append((record.key.native_id, i))
    bulk.update(connection, tables.model, ("native_id",), moved)
    return doubted


def rekey_versions(
    connection: Connection, registry_id: int, records: Sequence[Encoded[Any]], succeeds: Succeeds
) -> Rekeyed:
    """Find the versions whose model is known under a new key, and give them theirs."""
    versions = [one.record for one in records if isinstance(one.record, VersionRecord)]
    natives = [record.key.native_id for record in versions]
    known = {row[0] for row in bulk.find(connection, tables.version, ("native_id",), registry_id, natives)}
    fresh = [record for record in versions if record.key.native_id not in known]
    parents = sorted({record.model.native_id for record in fresh})
    models = dict(bulk.find(connection, tables.model, ("native_id", "id"), registry_id, parents))
    named = {
        (models[record.model.native_id], encode_part(record.version)): record
        for record in fresh
        if record.model.native_id in models
    }
    columns = ("id", "native_id", "model_id", "version", "deleted_at")
    found: Rekeyed = {}
    moved: list[tuple[str, int]] = []
    rows = bulk.match(connection, tables.version, columns, ("model_id", "version"), list(named))
    for i, native, model_id, version, deleted_at in rows:
        key = named[model_id, version].key
        if deleted_at is None and succeeds(key, Key("version", native)):
            moved.append((key.native_id, i))
            found.setdefault(model_id, []).append([native, key.native_id])
    bulk.update(connection, tables.version, ("native_id",), moved)
    return found
