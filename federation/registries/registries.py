"""Registries as the gateway asks for them: how they stand, what the configuration says of them, and their adapters."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, select

from federation import tables
from federation.access import Permission, Principal, View
from federation.database import LONG, reading, writing
from federation.registries import configured
from federation.registries.configured import RegistryError, RegistrySpec
from federation.registries.overlaps import Overlap, gateway_identity
from federation.registries.states import RegistryState, read_registries, read_registry

if TYPE_CHECKING:
    from adapters import Adapter, AdapterConfig, BackendInfo, Discovered, Snippet
    from federation.catalogue.reader import Version
    from federation.registries.connections import Connections

__all__ = [
    "Missing",
    "Overlap",
    "Probed",
    "Registries",
    "RegistryDetail",
    "RegistryError",
    "RegistrySpec",
    "RegistryState",
    "SetAside",
    "opened",
]
SHOWN = 100
"""So many records of a kind that were set aside, or that are held, are told of."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that could not be understood, by its native id."""

    native: str
    error: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Missing:
    """A record that is missing and waits for proof or confirmation, by its native id."""

    kind: str
    native: str
    since: datetime
    confirmed: bool


@dataclass(frozen=True, slots=True)
class RegistryDetail:
    """A registry with what of it was set aside or is missing."""

    state: RegistryState
    quarantine: Sequence[SetAside]
    candidates: Sequence[Missing]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a backend says of itself, and after how many seconds."""

    info: "BackendInfo"
    seconds: float


class Registries:
    """Safe to share between threads. `connections` are the open adapters of this process; `wrote` is called after each
    change, for the worker to look.
    """

    def __init__(
        self,
        engine: Engine,
        adapters: "Callable[[], Discovered]",
        connections: "Callable[[], Connections]",
        wrote: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._connections = connections
        self._tell = wrote

    def list(self, view: View) -> list[RegistryState]:
        """Every registry of a view with its state, by name."""
        with reading(self._engine) as connection:
            return read_registries(connection, view)

    def gateway(self) -> str:
        """Who this gateway is, to another that reads it."""
        with reading(self._engine) as connection:
            return gateway_identity(connection)

    def show(self, view: View, name: str) -> RegistryDetail:
        """One registry, by its name or a former one. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            state = read_registry(connection, view, name)
            return RegistryDetail(state, _set_aside(connection, state.id), _missing(connection, state.id))

    def forget(self, actor: Principal, name: str) -> None:
        """Remove a detached registry and everything known of it but its journal entries.

        Errors: `UnknownError`, `DeniedError`, `RegistryError`.
        """
        with writing(self._engine, bound=LONG) as connection:
            state = read_registry(connection, actor.view, name)
            actor.require(Permission.GRANT, state.id, f"registry {state.name}")
            configured.forget(connection, state.name, actor=actor.id)
        self._tell()

    def forgettable(self, actor: Principal, name: str) -> RegistryState:
        """What would be forgotten. Errors: as `forget`; nothing is removed."""
        with reading(self._engine) as connection:
            state = read_registry(connection, actor.view, name)
            actor.require(Permission.GRANT, state.id, f"registry {state.name}")
            configured.require_detached(connection, state.name)
            return state

    def check(self, spec: RegistrySpec) -> None:
        """Everything that can be said of a registry without asking its backend. Errors: `RegistryError`."""
        from federation.registries import opening

        opening.check(spec, self._adapters())

    def apply(self, specs: Sequence[RegistrySpec], *, actor: str = "system") -> Sequence[str]:
        """Bring the table in line with the configuration; a line for each change. Errors: `RegistryError`."""
        for spec in specs:
            self.check(spec)
        with writing(self._engine, alone=True) as connection:
            return configured.apply(connection, specs, actor=actor)

    def unapplied(self, specs: Sequence[RegistrySpec]) -> Sequence[str] | None:
        """The registries of which the configuration says something new, by name; None where none is known yet."""
        with reading(self._engine) as connection:
            return configured.unapplied(connection, specs)

    def probe(self, spec: RegistrySpec) -> Probed:
        """Ask a backend that may not be known yet who it is. Errors: `AdapterError`, `RegistryError`."""
        begun = time.monotonic()
        adapter, _ = opened(spec, self._adapters())
        try:
            return Probed(adapter.probe(), time.monotonic() - begun)
        finally:
            adapter.close()

    def subscribe(self, spec: RegistrySpec, address: str) -> str:
        """Have a backend send its notifications to an address; a line that says what stands there now.

        Errors: `AdapterError`, `RegistryError`.
        """
        adapter, _ = opened(spec, self._adapters())
        try:
            return adapter.subscribe(address)
        finally:
            adapter.close()

    def is_notified(self, spec: RegistrySpec) -> bool:
        """Whether a registry is configured to take notifications. Errors: `RegistryError`."""
        adapter, config = opened(spec, self._adapters())
        adapter.close()
        return config.is_notified

    def snippets(self, version: "Version") -> "tuple[Sequence[Snippet], str]":
        """How to load a version from its own backend, which is not asked; why not, where there is nothing."""
        query = select(tables.registry).where(tables.registry.c.id == version.registry_id)
        with reading(self._engine) as connection:
            registry = connection.execute(query).one()
        try:
            with self._connections().to(registry) as connected:
                made = connected.adapter.snippets(version.model, version.record)
        except RegistryError as error:
            return (), str(error)
        except Exception as error:  # a plugin's mistake must not take the page with it
            return (), f"the adapter {version.kind} cannot say: {type(error).__name__}"
        return made, "" if made else f"the adapter {version.kind} has none"


def opened(spec: RegistrySpec, adapters: "Discovered") -> "tuple[Adapter, AdapterConfig]":
    """The adapter of a registry that may not be known yet, with its configuration. Errors: `RegistryError`."""
    from federation.registries import opening  # with all adapters, which few commands need

    return opening.open_adapter(spec.name, spec.kind, spec.config, adapters)


def _set_aside(connection: Connection, registry_id: int) -> list[SetAside]:
    held = tables.quarantine.c
    query = (
        select(held.native, held.error, held.first_seen_at, held.last_seen_at)
        .where(held.registry_id == registry_id)
        .order_by(held.id)
        .limit(SHOWN)
    )
    return [SetAside(*row) for row in connection.execute(query)]


def _missing(connection: Connection, registry_id: int) -> list[Missing]:
    held = tables.candidate.c
    found: list[Missing] = []
    for kind, target in tables.RECORDS.items():
        query = (
            select(held.kind, target.c.native_id, held.since, held.confirmed)
            .join(target, target.c.id == held.target_id)
            .where(held.registry_id == registry_id, held.kind == kind)
            .order_by(held.id)
            .limit(SHOWN)
        )
        found += [Missing(*row) for row in connection.execute(query)]
    return found[:SHOWN]
