"""Registries as configured: the file is applied to the table under a generation, and every process reads the table.

A registry that is gone from the file is detached (kept, stale) until it is forgotten. One that names a former
name of its own is renamed, so that old references and everything known of it live on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from adapters import Adapter, AdapterConfig, BrokenPluginError, Discovered
from federation import tables
from federation.blotting import guard
from federation.changes import Change
from federation.database import now
from federation.errors import InvalidRequestError
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch
from federation.operations.tables import operation
from federation.references import is_registry_name
from federation.secrets import SecretError, resolve
from federation.stages import StageRuleError, StageRules, parse_rules


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


def check(spec: RegistrySpec, adapters: Discovered) -> None:
    """Everything that can be said of a registry without asking its backend. Errors: `RegistryError`."""
    if not is_registry_name(spec.name):
        raise RegistryError(
            f"registry {spec.name!r}: a name has 1 to 63 of a-z, 0-9, '-', '_', '.', the first a letter or digit"
        )
    adapter = adapter_class(spec.name, spec.kind, adapters)
    try:
        parse_rules(spec.stages, adapter.stage_rules)
    except StageRuleError as error:
        raise RegistryError(f"registry {spec.name}: {error}") from None
    open_adapter(spec.name, spec.kind, spec.config, adapters)[0].close()


def adapter_class(name: str, kind: str, adapters: Discovered) -> type[Adapter]:
    """The adapter of a registry's kind. Errors: `RegistryError`."""
    try:
        return adapters.get(kind)
    except BrokenPluginError as error:
        raise RegistryError(f"registry {name}: {error}") from None


def open_adapter(
    name: str, kind: str, config: Mapping[str, Any], adapters: Discovered
) -> tuple[Adapter, AdapterConfig]:
    """The adapter of a registry, not yet connected, and its configuration with the secrets resolved.

    Errors: `RegistryError`, without any secret.
    """
    adapter = adapter_class(name, kind, adapters)
    checked = _read_config(name, config, adapter.config_type)
    try:
        return guard(adapter(checked), checked), checked
    except Exception as error:
        raise RegistryError(
            f"registry {name}: adapter {kind} cannot be opened: {type(error).__name__}"
        ) from error


def _read_config(name: str, config: Mapping[str, Any], wanted: type[AdapterConfig]) -> AdapterConfig:
    try:
        return wanted(**resolve(config, wanted, f"registries.{name}.config"))
    except SecretError as error:
        raise RegistryError(f"registry {name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        known = ", ".join(sorted(wanted.model_fields))
        hint = f" (known: {known})" if first["type"] == "extra_forbidden" else ""
        raise RegistryError(f"registry {name}: config.{where}: {first['msg'].lower()}{hint}") from None
    except Exception as error:
        raise RegistryError(
            f"registry {name}: its configuration cannot be read: {type(error).__name__}"
        ) from error


def rules_of(row: Row[Any], adapters: Discovered) -> StageRules:
    """The stage rules of a registry's row."""
    return parse_rules(row.stages, adapter_class(row.name, row.kind, adapters).stage_rules)


def reading_of(row: Row[Any], adapters: Discovered) -> int:
    """How the adapter of a registry's row reads."""
    return adapter_class(row.name, row.kind, adapters).reading


def lock(connection: Connection, registry_id: int) -> Row[Any]:
    """The row of a registry, which nobody else changes until this transaction ends."""
    query = select(tables.registry).where(tables.registry.c.id == registry_id)
    return connection.execute(query.with_for_update()).one()


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


def unapplied(connection: Connection, specs: Sequence[RegistrySpec]) -> list[str]:
    """The registries of which the file says something else than what was applied, by name."""
    rows = {row.name: row for row in connection.execute(select(tables.registry))}
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


def forget(connection: Connection, name: str, *, actor: str = SYSTEM) -> None:
    """Remove a detached registry and everything known of it but its journal entries. Errors: `RegistryError`."""
    row = connection.execute(select(tables.registry).where(tables.registry.c.name == name)).one_or_none()
    if row is None:
        raise RegistryError(f"there is no registry {name}: `waypost registries list` names them")
    if row.detached_at is None:
        raise RegistryError(
            f"registry {name} is still configured: take it out of the file and apply that first"
        )
    # First: whoever is at work there writes nothing from here on.
    connection.execute(delete(tables.lease).where(tables.lease.c.registry_id == row.id))
    versions = select(tables.version.c.id).where(tables.version.c.registry_id == row.id)
    connection.execute(delete(tables.traffic).where(tables.traffic.c.version_id.in_(versions)))
    runs = select(tables.sync.c.id).where(tables.sync.c.registry_id == row.id)
    connection.execute(delete(tables.sync_page).where(tables.sync_page.c.sync_id.in_(runs)))
    for target in (
        tables.span, tables.version, tables.model, tables.endpoint, tables.candidate, tables.quarantine, tables.sync,
        operation,
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
