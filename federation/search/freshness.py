"""How fresh the registries are that an answer covers, and whether an index is behind them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import Engine, select

from federation import changes, tables
from federation.access import EVERYTHING, View
from federation.database import now, reading
from federation.registries.states import registry_state
from federation.search.answer import Freshness

FRESH_SECONDS = 1.0
MOST_VIEWS = 64
"""Of so many views it is kept what an answer says of their registries."""
UNREADABLE = frozenset({"partial", "failing", "never"})
_registry = tables.registry.c
_STATES = select(
    _registry.id, _registry.name, _registry.detached_at, _registry.failures, _registry.last_success_at,
    _registry.sync_every, _registry.partial,
).order_by(_registry.name)  # fmt: skip
"""What `registry_state` needs, and no more: it is read every second in every process."""


@dataclass(frozen=True, slots=True)
class RegistryFreshness:
    """How fresh one registry is: its id, and what the answer says of it."""

    id: int
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer says of the registries of a view, as it follows from `states`. `stale` are ids; `unread` says that
    one of them could not be read whole."""

    states: Sequence[RegistryFreshness]
    freshness: tuple[Freshness, ...]
    json: msgspec.Raw
    stale: frozenset[int]
    unread: bool

    @classmethod
    def of(cls, states: Sequence[RegistryFreshness]) -> "Coverage":
        """What follows from these states."""
        freshness = tuple([one.freshness for one in states])
        return cls(
            states,
            freshness,
            msgspec.Raw(msgspec.json.encode(freshness)),
            frozenset([one.id for one in states if one.freshness.state == "stale"]),
            any(one.freshness.state in UNREADABLE for one in states),
        )


@dataclass(slots=True)
class FreshnessBoard:
    """How the registries stand, and how far the index should be, read from the database at most once a second for
    all requests of a process."""

    engine: Engine
    _until: float = field(default=0.0, init=False)
    _states: dict[View, list[RegistryFreshness]] = field(default_factory=dict, init=False)
    """Those of views that were asked for; those of everything are always there."""
    _newest: int = field(default=0, init=False)
    _due: int = field(default=0, init=False)
    _lacking: tuple[int, frozenset[int]] = field(default=(-1, frozenset()), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __call__(self, view: View) -> list[RegistryFreshness]:
        """The registries of a view, by name."""
        if time.monotonic() >= self._until:
            with self._lock:
                if time.monotonic() >= self._until:
                    self._read()
        states = self._states
        found = states.get(view)
        if found is None:
            found = [state for state in states[EVERYTHING] if view.sees(state.id)]
            if len(states) < MOST_VIEWS:
                states[view] = found
        return found

    def of(self, view: View, name: str) -> Freshness | None:
        """How one registry of a view stands."""
        return next((one.freshness for one in self(view) if one.freshness.name == name), None)

    def behind(self, view: View, position: int) -> bool:
        """Whether an index at this position lacks changes of a view's registries that are older than a second."""
        due = self._due
        if position >= due:
            return False
        if view.registry_ids is None:
            return True
        with self._lock:
            if self._lacking[0] != position:
                with reading(self.engine) as connection:
                    self._lacking = position, changes.registries(connection, position, due)
            return bool(self._lacking[1] & view.registry_ids)

    def _read(self) -> None:
        with reading(self.engine) as connection:
            at = now()
            states = [
                RegistryFreshness(row.id, _freshness(row.name, registry_state(row, at), row.last_success_at))
                for row in connection.execute(_STATES)
            ]
            self._due, self._newest = self._newest, changes.newest(connection)
        self._lacking = (-1, frozenset())
        if self._states.get(EVERYTHING) != states:
            self._states = {EVERYTHING: states}
        self._until = time.monotonic() + FRESH_SECONDS


def _freshness(name: str, state: str, synced_at: datetime | None) -> Freshness:
    return Freshness(name, state, None if synced_at is None else synced_at.isoformat())
