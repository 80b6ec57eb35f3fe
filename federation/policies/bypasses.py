"""Bypasses: who holds a guarded stage was changed on the backend itself, which a policy would have refused.

They are told in the transaction that takes the change in, by an entry beside that of the change. The version keeps a
mark until its stage changes again.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select

from federation import tables
from federation.catalogue.codec import decode_model, decode_version
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.policies.policy import Policy
from federation.policies.tables import bypass, policy
from federation.references import decode_part

AT_ONCE = 500
"""Ids in one statement."""
TOLD = (Action.STAGE_CHANGED, Action.VERSION_CREATED, Action.VERSION_RESTORED, Action.VERSION_DELETED)
"""The entries in which a version comes to a stage or leaves one."""


class _StageMove(NamedTuple):
    entry: Entry
    version: int
    before: str | None
    after: str | None


def note(connection: Connection, registry_id: int, batch: Batch) -> None:
    """Put an entry beside each change of a batch that was observed and that a policy would have refused."""
    changed = [one for entry, _ in batch.entries for one in _changed(entry)]
    if not changed:
        return
    marked = set(connection.execute(select(bypass.c.version_id)).scalars())
    for some in _chunks(marked & {one.version for one in changed}):
        connection.execute(delete(bypass).where(bypass.c.version_id.in_(some)))
    seen = [one for one in changed if one.entry.actor == SYSTEM]
    policies = [
        (msgspec.json.decode(row.body, type=Policy), row.since) for row in connection.execute(select(policy))
    ]
    if not policies or not seen:
        return
    versions = _chunks({one.version for one in seen})
    rows = {row.id: row for some in versions for row in connection.execute(_versions(some))}
    entered = {(rows[one.version].model_id, one.after) for one in seen if one.version in rows}
    marks: dict[int, list[str]] = {}
    for one in seen:
        row = rows.get(one.version)
        if row is None:
            continue
        stages = {one.before, one.after} - {None, "none"}
        if (row.model_id, one.before) in entered:
            stages.discard(one.before)  # another version took its place: that one tells of the change
        for guard, since in policies:
            if guard.stage in stages and _is_on(guard, row) and _is_after(one.entry, row, since):
                _tell(batch, registry_id, one, guard)
                if one.after is not None:
                    marks.setdefault(one.version, []).append(guard.name)
    if marks:
        told = [{"version_id": id_, "policies": _json(names)} for id_, names in marks.items()]
        connection.execute(insert(bypass), told)


def _changed(entry: Entry) -> Iterator[_StageMove]:
    """A change of a version's stage: by SYSTEM it was seen on the backend, and not asked for here."""
    version = entry.targets.get("version")
    if version is None or entry.action not in TOLD:
        return
    before, after = (None if said is None else said.get("stage") for said in (entry.before, entry.after))
    if before != after:
        yield _StageMove(entry, version, before, after)


def _versions(ids: Sequence[int]) -> Any:
    versions, models, registries = tables.version.c, tables.model.c, tables.registry.c
    return (
        select(
            versions.id,
            versions.model_id,
            versions.body,
            versions.updated_at,
            models.name.label("model"),
            models.body.label("model_body"),
            models.updated_at.label("model_updated_at"),
            registries.name.label("registry"),
            registries.team,
        )
        .join(tables.model, models.id == versions.model_id)
        .join(tables.registry, registries.id == models.registry_id)
        .where(versions.id.in_(ids))
    )


def _is_on(guard: Policy, row: Row[Any]) -> bool:
    tags = {**decode_model(row.model_body).tags, **decode_version(row.body).tags}
    return guard.covers(row.registry, row.team, decode_part(row.model), tags)


def _is_after(entry: Entry, row: Row[Any], since: datetime) -> bool:
    """Whether the policy held already: where nobody looked in between, by what the backend says of the time."""
    if entry.not_before is not None and entry.not_before >= since:
        return True
    return any(time is not None and time >= since for time in (row.updated_at, row.model_updated_at))


def _tell(batch: Batch, registry_id: int, one: _StageMove, guard: Policy) -> None:
    entry = Entry(
        action=Action.POLICY_BYPASSED,
        ref=one.entry.ref,
        registry=one.entry.registry,
        targets=one.entry.targets,
        before={"stage": one.before},
        after={"stage": one.after},
        not_before=one.entry.not_before,
        not_after=one.entry.not_after,
        details={"policy": guard.name, "digest": guard.digest, "stage": guard.stage},
    )
    batch.record(entry, registry_id)


def _chunks(ids: Collection[int]) -> Iterator[list[int]]:
    """A model that is deleted may have more versions than one statement takes values."""
    ordered = sorted(ids)
    return (ordered[begin : begin + AT_ONCE] for begin in range(0, len(ordered), AT_ONCE))


def _json(names: list[str]) -> str:
    return msgspec.json.encode(sorted(set(names))).decode()
