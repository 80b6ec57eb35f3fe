"""Registries as configured: the file is applied to the table under a generation, and every process reads the table.

A registry that is gone from the file is detached (kept, stale) until it is forgotten. One that names a former
name of its own is renamed, so that old references and everything known of it live on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from federation import tables
from federation.changes import Change
from federation.database import now
from federation.errors import InvalidRequestError
from federation.events.tables import event
from federation.graph.tables import deprecation
from federation.hooks.tables import apart, hook, mention
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.operations.tables import operation


class RegistryError(InvalidRequestError):
    """A registry cannot be used as configured. One line that names it, with cause and remedy."""

    code = "invalid-registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySpec:
    """One registry as the configuration file gives it. Times in seconds; `sync_every` 0 means only when asked."""

    name: str
    kind: str
    team: str
    sync_every: float = 60.0
    full_every: float = 3600.0
    writable: bool = False
    stages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    former_names: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


CONFIGURED = ("kind", "team", "sync_every", "full_every", "writable", "stages", "former_names", "config")


def lock(connection: Connection, registry_id: int) -> Row[Any]:
    """The row of a registry, which nobody else changes until this transaction ends."""
    return connection.execute(_LOCKED, {"registry": registry_id}).one()


_LOCKED = select(tables.registry).where(tables.registry.c.id == bindparam("registry", 0)).with_for_update()


def apply(connection: Connection, specs: Sequence[RegistrySpec], *, actor: str = SYSTEM) -> list[str]:
    """Bring the table in line with the file, in one transaction. Returns one line per thing that changed.

    The specs were checked and their names are unique. Errors: `RegistryError`.
    """
    rows = {row.name: row for row in connection.execute(select(tables.registry))}
    newest = connection.execute(select(func.max(tables.registry.c.generation))).scalar() or 0
    changes = _Changes(connection, actor, newest + 1)
    wanted = {spec.name for spec in specs}
    for spec in specs:
        before = (n for n in spec.former_names if n in rows and n not in wanted and spec.name not in rows)
        row = rows.pop(next(before, spec.name), None)
        if row is None:
            changes.add(spec)
        else:
            changes.update(row, spec)
    for row in rows.values():
        if row.detached_at is None:
            changes.detach(row)
    if changes.done:
        changes.batch.append(connection)
    return changes.done


def unapplied(connection: Connection, specs: Sequence[RegistrySpec]) -> list[str] | None:
    """The registries of which the file says something else than what was applied, by name; None where none was ever."""
    rows = {row.name: row for row in connection.execute(select(tables.registry))}
    if not rows:
        return None
    names = {
        spec.name
        for spec in specs
        if (row := rows.pop(spec.name, None)) is None or row.detached_at is not None or _changed(row, spec)
    }
    return sorted(names | {row.name for row in rows.values() if row.detached_at is None})


@dataclass
class _Changes:
    """What one application of a file changes: the rows at once, their entries in `batch`, a line each in `done`."""

    connection: Connection
    actor: str
    generation: int
    batch: Batch = field(default_factory=Batch)
    done: list[str] = field(default_factory=list)

    def add(self, spec: RegistrySpec) -> None:
        values = {**EMPTY, **_configured(spec), "name": spec.name, "generation": self.generation}
        made = insert(tables.registry).values(values).returning(tables.registry.c.id)
        registry_id = self.connection.execute(made).scalar_one()
        line = f"{spec.name}: added"
        self._tell(Action.REGISTRY_APPLIED, spec.name, registry_id, line, kind=spec.kind, team=spec.team)

    def update(self, row: Row[Any], spec: RegistrySpec) -> None:
        values, name = _configured(spec), spec.name
        if row.kind != spec.kind:
            raise RegistryError(
                f"registry {name} was {row.kind} and is {spec.kind} now: give it another name, or forget it first"
            )
        changed = _changed(row, spec)
        if changed or row.name != name or row.detached_at is not None:
            self._set(row, **values, name=name, detached_at=None, **_again(changed))
        if row.name != name:
            line = f"{row.name}: renamed to {name}"
            self._tell(Action.REGISTRY_RENAMED, name, row.id, line, former=row.name)
        if row.detached_at is not None:
            self._tell(Action.REGISTRY_ATTACHED, name, row.id, f"{name}: attached again")
        if changed:
            line = f"{name}: changed {', '.join(changed)}"
            self._tell(Action.REGISTRY_CHANGED, name, row.id, line, fields=changed)

    def detach(self, row: Row[Any]) -> None:
        self._set(row, detached_at=now())
        line = f"{row.name}: detached, its models are kept until it is forgotten"
        self._tell(Action.REGISTRY_DETACHED, row.name, row.id, line)

    def _set(self, row: Row[Any], **values: Any) -> None:
        mine = update(tables.registry).where(tables.registry.c.id == row.id)
        self.connection.execute(mine.values(**values, generation=self.generation))

    def _tell(self, action: Action, name: str, registry_id: int, line: str, **details: Any) -> None:
        self.done.append(line)
        self.batch.record(Entry(action=action, actor=self.actor, registry=name, details=details), registry_id)
        self.batch.change(Change("registry", registry_id, registry_id))


def require_detached(connection: Connection, name: str) -> Row[Any]:
    """The row of a registry that is gone from the file. Errors: `RegistryError`."""
    row = connection.execute(select(tables.registry).where(tables.registry.c.name == name)).one_or_none()
    if row is None:
        raise RegistryError(f"there is no registry {name}: `waypost registries list` names them")
    if row.detached_at is None:
        raise RegistryError(
            f"registry {name} is still configured: take it out of the file and apply that first"
        )
    return row


def forget(connection: Connection, name: str, *, actor: str = SYSTEM) -> None:
    """Remove a detached registry and everything known of it but its journal entries. Errors: `RegistryError`."""
    row = require_detached(connection, name)
    # First: whoever is at work there writes nothing from here on.
    connection.execute(delete(tables.lease).where(tables.lease.c.registry_id == row.id))
    versions = select(tables.version.c.id).where(tables.version.c.registry_id == row.id)
    connection.execute(delete(tables.traffic).where(tables.traffic.c.version_id.in_(versions)))
    runs = select(tables.sync.c.id).where(tables.sync.c.registry_id == row.id)
    connection.execute(delete(tables.sync_page).where(tables.sync_page.c.sync_id.in_(runs)))
    for target in (
        tables.span, tables.version, tables.model, tables.endpoint, tables.candidate, tables.quarantine, tables.sync,
        operation, event, deprecation, hook, mention, apart,
    ):  # fmt: skip
        connection.execute(delete(target).where(target.c.registry_id == row.id))
    connection.execute(delete(tables.registry).where(tables.registry.c.id == row.id))
    batch = Batch()
    batch.record(Entry(action=Action.REGISTRY_FORGOTTEN, actor=actor, registry=name), row.id)
    batch.change(Change("registry", row.id, row.id))
    batch.append(connection)


EMPTY: Mapping[str, Any] = {
    "identity": None,
    "backend_version": None,
    "missing": [],
    "unavailable": [],
    "full_seconds": None,
    "last_error": None,
    "failures": 0,
    "partial": False,
    "held": 0,
    "unread": 0,
    "models": 0,
    "versions": 0,
    "endpoints": 0,
}
"""A registry of which nothing is known yet."""


def _again(changed: Sequence[str]) -> dict[str, Any]:
    """What must be read anew: another address may show other records, other rules decide other stages."""
    return (
        {"watermark": None, "failures": 0, "requested_at": now()}
        if {"config", "stages"} & set(changed)
        else {}
    )


def _changed(row: Row[Any], spec: RegistrySpec) -> list[str]:
    return sorted(column for column, value in _configured(spec).items() if getattr(row, column) != value)


def _configured(spec: RegistrySpec) -> dict[str, Any]:
    """The columns that the file decides."""
    values = asdict(spec)
    values["stages"] = {stage: list(rules) for stage, rules in spec.stages.items()}
    values["former_names"] = list(spec.former_names)
    values["config"] = dict(spec.config)
    return {name: values[name] for name in CONFIGURED}
