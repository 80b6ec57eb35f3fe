"""Fidelity, for any kind of backend: a user changes it with the vendor's own client while Waypost synchronises it.
Once all is quiet, the catalogue is what the backend has, the journal told what differs and nothing else, and nothing
was told to be gone that was not::

    with watching(database, "git", {"url": url}) as watch:
        wrong = follow(watch, user, told, cases, random.Random(seed))
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Engine, select

from adapters import Discovered, ModelRecord, VersionRecord, discover
from federation import tables
from federation.catalogue import codec
from federation.database import reading, writing
from federation.journal.entry import Entry, decode
from federation.leases import Leases
from federation.references import Reference, decode_part
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.sync import absence, schedule
from federation.sync.context import SyncContext
from federation.sync.run import run
from tests.gateway.paper import problems
from tests.servers import blank

NAME = "watched"
"""What the registry is called, in each watch's own database."""
BURST = 12
"""Things that are done between two quiet moments, at most."""
Told = Callable[[ModelRecord | VersionRecord], object]
"""What of a record is compared, in the form in which the user reads it from the backend."""


def ref(model: str, version: str | None = None) -> str:
    """The reference of a model or version of the watched registry."""
    return str(Reference(NAME, model, version))


class User(Protocol):
    """Works on a backend with the vendor's own client."""

    @property
    def gone(self) -> Set[str]:
        """References (`ref`) of what was ever deleted, or renamed away; a model's stands for its versions too."""

    def act(self) -> None:
        """One random thing."""

    def truth(self) -> Mapping[str, object]:
        """What the backend has, as the vendor's own client reads it, by reference."""


@dataclass(frozen=True)
class Known:
    """What the catalogue has of a model or version: all of it as stored, and what is compared."""

    stored: object
    told: object


@dataclass
class Watch:
    """One registry over a database of its own, synchronised when told."""

    engine: Engine
    context: SyncContext
    registry_id: int
    wrong: list[str] = field(default_factory=list)

    def sync(self, *, full: bool = False) -> None:
        """One run."""
        with writing(self.engine) as connection:
            sync_id = schedule.request(connection, self.registry_id, full=full)
        state = run(self.context, sync_id)
        if state not in ("ok", "partial"):
            with reading(self.engine) as connection:
                row = connection.execute(select(tables.sync).where(tables.sync.c.id == sync_id)).one()
            self.wrong.append(f"a run ended {state}: {row.errors}")

    def settle(self, *, full: bool) -> None:
        """A run while nothing changes, and one that believes what many are missing in."""
        self.sync(full=full)
        with writing(self.engine) as connection:
            confirmed = absence.confirm(connection, self.registry_id)
        if confirmed:
            self.sync(full=True)

    def known(self, told: Told) -> dict[str, Known]:
        """What the catalogue has, by reference."""
        found: dict[str, Known] = {}
        versions, models = tables.version.c, tables.model.c
        with reading(self.engine) as connection:
            for row in connection.execute(select(tables.model).where(models.deleted_at.is_(None))):
                model = codec.decode_model(row.body)
                found[ref(model.name)] = Known(row.body, told(model))
            query = select(tables.version, models.name.label("of")).join(
                tables.model, models.id == versions.model_id
            )
            for row in connection.execute(query.where(versions.deleted_at.is_(None))):
                version = codec.decode_version(row.body)
                known = Known((row.native_id, row.body, row.stage), told(version))
                found[ref(decode_part(row.of), version.version)] = known
        return found

    def entries(self, after: int = -1) -> list[Entry]:
        """The journal behind a number."""
        query = select(tables.journal.c.entry).where(tables.journal.c.seq > after)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(tables.journal.c.seq)).scalars().all()
        return [decode(row).entry for row in rows]

    def size(self) -> int:
        """How many entries the journal has."""
        with reading(self.engine) as connection:
            return int(connection.execute(select(tables.head.c.size)).scalar_one())


@contextmanager
def watching(
    database: str, kind: str, config: Mapping[str, Any], adapters: Discovered | None = None, **spec: Any
) -> Iterator[Watch]:
    """A watch over an empty database. `spec`: further settings of the registry, such as `stages`."""
    engine = blank.opened(database)
    context = SyncContext(engine, Connections(adapters or discover()), Leases("fidelity"))
    context.sleep = lambda seconds: None
    try:
        given = RegistrySpec(name=NAME, kind=kind, team="t", config=dict(config), **spec)
        with writing(engine) as connection:
            configured.apply(connection, [given])
            registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
        yield Watch(engine, context, registry_id)
    finally:
        context.connections.close()
        engine.dispose()


def follow(watch: Watch, user: User, told: Told, cases: int, rng: random.Random) -> list[str]:
    """So many things are done, some of them while a run is under way; what does not hold in the quiet after each burst,
    one line each.
    """
    watch.sync()
    wrong = _different(watch.known(told), user.truth())
    done = 0
    while done < cases and not wrong:
        before, entry = watch.known(told), watch.size() - 1
        burst = min(rng.randint(1, BURST), cases - done)
        done += burst
        beside = rng.random() < 0.4
        thread = threading.Thread(target=watch.sync)
        if beside:
            thread.start()
        for _ in range(burst):
            user.act()
        if beside:
            thread.join()
        watch.settle(full=rng.random() < 0.3)
        after, entries = watch.known(told), watch.entries(entry)
        wrong = _different(after, user.truth()) + _untold(before, after, entries)
        wrong += _phantoms(entries, user.gone)
        if not beside:  # else what changed and changed back may rightly be told
            wrong += _made_up(before, after, entries)
        wrong = [f"after {done} things: {line}" for line in wrong]
    return watch.wrong + wrong + problems(watch.engine)


def _different(known: Mapping[str, Known], truth: Mapping[str, object]) -> list[str]:
    """Where the catalogue is not what the backend has."""
    return [
        f"{one} is {known[one].told if one in known else 'not known'}, not {truth.get(one, 'there')}"
        for one in sorted({*known, *truth})
        if one not in known or one not in truth or known[one].told != truth[one]
    ]


def _subject(entry: Entry) -> str:
    """The model or version that an entry is about: an alias is its model's."""
    return str(entry.ref).partition("@")[0]


def _untold(before: Mapping[str, Known], after: Mapping[str, Known], entries: list[Entry]) -> list[str]:
    """What differs and is told by no entry."""
    told = {_subject(entry) for entry in entries}
    renamed = {str(entry.ref) for entry in entries if entry.action == "versions.renamed"}
    moved = {one for one in {*before, *after} if _told_of(before, one) != _told_of(after, one)}
    silent = {one for one in moved - told if one.rpartition(":")[0] not in renamed}
    return [f"{one} differs and is not told" for one in sorted(silent)]


def _told_of(known: Mapping[str, Known], one: str) -> object:
    return known[one].told if one in known else None


def _made_up(before: Mapping[str, Known], after: Mapping[str, Known], entries: list[Entry]) -> list[str]:
    """Entries about what is as it was."""
    same = {one for one in before if one in after and before[one].stored == after[one].stored}
    return [f"{e.action} of {e.ref}, which is as it was" for e in entries if e.ref and _subject(e) in same]


def _phantoms(entries: list[Entry], gone: Set[str]) -> list[str]:
    """Deletes that nobody made."""
    deletes = [str(e.ref) for e in entries if e.action in ("model.deleted", "version.deleted")]
    return [f"phantom delete of {one}" for one in deletes if not {one, one.rpartition(":")[0]} & gone]
