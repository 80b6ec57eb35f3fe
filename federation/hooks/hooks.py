"""Hooks as the gateway asks for them: what a backend sends by itself is checked, and what it names is to be read.

A request proves by its adapter's own means that it comes from the backend; until it has, it costs no transaction. What
it says is never believed: it names what is to be read again. Whoever is not known, not told apart from what is not
configured, learns nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Engine, Row, select

from adapters import AdapterError, AuthError, Key, Notification, TransientError, UnsupportedError
from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.database import now, reading, writing
from federation.errors import InvalidRequestError, TooManyError, UnauthenticatedError, UnavailableError
from federation.hooks import mentions
from federation.hooks.tables import hook
from federation.logs import Log
from federation.registries.configured import RegistryError

if TYPE_CHECKING:
    from federation.registries.connections import Connections

log = Log(__name__)
PATIENCE = 10.0
"""Seconds in which an adapter has said what a notification is about; it may have to ask for a key."""
MOST_AT_ONCE = 8
"""Notifications that are looked at at the same time in one process."""
MOST_KEYS = 1000
"""Records that one notification may name."""
MOST_WAITING = 10_000
"""Records of a registry that wait to be read; more are left to its next run."""
LOOK_EVERY = 2.0
"""Seconds for which the configuration of registries, and what waits, is remembered."""
NEVER = float("-inf")
TOLD_EVERY = 60.0
"""Seconds between two lines in the log about what a registry refused."""


class UnprovedError(UnauthenticatedError):
    """The same words for a forged request, an unknown registry and one that takes no notifications."""

    code = "unproved-notification"

    def __init__(self) -> None:
        super().__init__(
            "this does not prove that it comes from a backend whose notifications are taken here"
        )


class HooksBusyError(UnavailableError):
    """Too many at once: the sender tries again."""

    retry_after: ClassVar[int | None] = 1


class HooksFullError(TooManyError):
    """So much waits to be read that the registry's next run is sooner."""


@dataclass(frozen=True, slots=True)
class HookState:
    """What came of a registry's notifications since the first one."""

    registry: str
    since: datetime
    last_at: datetime
    """When the newest one came."""
    taken: int
    missed: int
    """Records that runs found changed since then: not announced, or lost."""
    missed_since: int
    """Of those, since the newest notification."""
    waiting: int
    """Records that are still to be read."""


class Hooks:
    """Safe to share between threads. `announced` is called after each that named something, for the worker to look."""

    def __init__(
        self, engine: Engine, connections: "Callable[[], Connections]", announced: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._connections = connections
        self._tell = announced
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._known = _Lookups(engine)
        self._told: dict[str, float] = {}

    def receive(self, name: str, notification: Notification) -> int:
        """Take a notification in for a registry. Returns how many records are read because of it.

        Errors: `UnprovedError`, `InvalidRequestError`, `UnavailableError`, `TooManyError`.
        """
        if not self._room.acquire(blocking=False):
            raise HooksBusyError("too many notifications at once: send it again")
        try:
            registry = self._known.registry(name)
            if registry is None:
                raise UnprovedError
            keys = self._named(registry, notification)
            if keys:
                self._announce(registry, keys)
            return len(keys)
        finally:
            self._room.release()

    def list(self, view: View) -> "list[HookState]":
        """What came of the notifications of each registry of a view that sent some, by name."""
        known = tables.registry.c
        query = (
            select(known.name, hook)
            .join(tables.registry, known.id == hook.c.registry_id)
            .where(view.clause(known.id))
            .order_by(known.name)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
            waiting = {row.registry_id: mentions.count(connection, row.registry_id) for row in rows}
        return [
            HookState(
                row.name, row.since, row.last_at, row.taken, row.missed, row.missed_since, waiting[row.registry_id]
            )
            for row in rows
        ]  # fmt: skip

    def _named(self, registry: Row[Any], notification: Notification) -> Sequence[Key]:
        """What a notification is about, as the adapter says."""
        try:
            with self._connections().to(registry) as connection:
                keys = connection.call(
                    "changed", lambda adapter: adapter.changed(notification), within=PATIENCE
                )
        except (AuthError, UnsupportedError, RegistryError) as error:
            self._refused(registry.name, str(error))
            raise UnprovedError from None
        except TransientError as error:
            self._refused(registry.name, str(error))
            raise UnavailableError("the notification cannot be checked now: send it again") from None
        except AdapterError as error:
            raise InvalidRequestError(str(error)) from None
        sound = [key for key in keys if key.kind in tables.RECORDS and codec.is_native_id(key.native_id)]
        if len(sound) > MOST_KEYS:
            raise InvalidRequestError(f"a notification names at most {MOST_KEYS:,} records")
        return sound

    def _announce(self, registry: Row[Any], keys: Sequence[Key]) -> None:
        if self._known.waiting(registry.id) >= MOST_WAITING:
            raise HooksFullError(
                f"{MOST_WAITING:,} records wait to be read: the next run of the registry is sooner"
            )
        with writing(self._engine) as connection:
            mentions.announce(connection, registry.id, keys, now())
        self._tell()

    def _refused(self, name: str, reason: str) -> None:
        """Operators read why, now and then: a flood of forged requests fills no disk."""
        at = time.monotonic()
        if at - self._told.get(name, NEVER) >= TOLD_EVERY:
            self._told[name] = at
            log.warning("a notification was refused", registry=name, reason=reason)


class _Lookups:
    """What is looked up once for many requests, so that a flood of them costs no transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._registries: dict[str, Row[Any]] = {}
        self._looked = NEVER
        self._waiting: dict[int, tuple[float, int]] = {}

    def registry(self, name: str) -> Row[Any] | None:
        """A configured registry, by its name or a former one."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY:
                self._registries = self._read()
                self._looked = time.monotonic()
            return self._registries.get(name)

    def waiting(self, registry_id: int) -> int:
        """How many records of a registry wait to be read."""
        with self._lock:
            looked, found = self._waiting.get(registry_id, (NEVER, 0))
            if time.monotonic() - looked < LOOK_EVERY:
                return found
            with reading(self._engine) as connection:
                found = mentions.count(connection, registry_id)
            self._waiting[registry_id] = (time.monotonic(), found)
            return found

    def _read(self) -> dict[str, Row[Any]]:
        query = select(tables.registry).where(tables.registry.c.detached_at.is_(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        former = {name: row for row in rows for name in row.former_names}
        return {**former, **{row.name: row for row in rows}}
