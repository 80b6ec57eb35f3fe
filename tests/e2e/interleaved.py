"""A history of the simulated MLflow under one registry, and what must hold of everything that is said of it.

Every statement of the server's and every commit of ours is a point, at which a plan may place a write or the death
of the worker. All is in one thread, so the same plan gives the same history.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, select

from adapters import Discovered, discover, scanning
from adapters.memory import MemoryBackend
from adapters.mlflow import MlflowAdapter, MlflowConfig
from federation import schema, tables
from federation.catalogue import codec
from federation.database import now, open_engine, reading, writing
from federation.leases import Leases
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections, OpenAdapter
from federation.sync.context import SyncContext
from federation.sync.run import run
from tests.adapters.mlflow.emulated import EmulatedMlflow
from tests.federation.sync.world import PowerCutError, World, expire_leases

Plan = Mapping[int, Callable[[], object]]
"""What happens at which point of a run, counted from 0."""
State = dict[str, Any]
RULES = {"production": ["alias:champion", "stage:Production"], "staging": ["stage:Staging"]}


@dataclass
class Lazy:
    """Reads ahead when asked for what it read, or (`eager`) at once: a thread's time is one of these."""

    eager: bool

    def submit(self, work: Callable[..., Any], *given: Any) -> "Later":
        later = Later(lambda: work(*given))
        if self.eager:
            later.settle()
        return later

    def shutdown(self, **given: Any) -> None:
        """Nothing runs."""


@dataclass
class Later:
    """What was submitted."""

    work: Callable[[], Any]
    found: list[Any] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)

    def settle(self) -> None:
        try:
            self.found.append(self.work())
        except Exception as error:
            self.failed.append(error)

    def done(self) -> bool:
        return bool(self.found or self.failed)

    def exception(self, timeout: float | None = None) -> Exception | None:
        if not self.done():
            self.settle()
        return self.failed[0] if self.failed else None

    def result(self) -> Any:
        if error := self.exception():
            raise error
        return self.found[0]


@dataclass
class Oracle:
    """Everything that was ever true: by native id, the times and states since, None where it was gone."""

    server: EmulatedMlflow
    past: dict[str, list[tuple[datetime, State | None]]] = field(default_factory=lambda: defaultdict(list))
    reached: dict[tuple[str, str], int] = field(default_factory=dict)
    """How far along its past the catalogue has come, by record and field."""

    def note(self) -> None:
        """Called after each write."""
        there, at = truth(self.server), now()
        for key in {*self.past, *there}:
            if not self.past[key] or self.past[key][-1][1] != there.get(key):
                self.past[key].append((at, there.get(key)))

    def wrong_states(self, catalogue: Mapping[str, State]) -> list[str]:
        """What the catalogue says and never was, or was no longer when it last said better."""
        found = []
        for key, state in catalogue.items():
            past = self.past.get(key)
            if past is None:
                found.append(f"{key} never was")
                continue
            for name, value in state.items():
                if not value and past[-1][1] is None and (key, name) not in self.reached:
                    continue  # it went while it was read for the first time
                begin = self.reached.get((key, name), 0)
                places = [i for i in range(begin, len(past)) if (past[i][1] or {}).get(name) == value]
                if not places:
                    found.append(f"{name} of {key} never was {value} since it was {past[begin][1]}: {past}")
                else:
                    self.reached[key, name] = places[0]
        return found

    def wrong_entries(self, entries: list[Any]) -> list[str]:
        """Entries that tell what did not happen, or not then."""
        found = []
        for entry in entries:
            noun, _, verb = entry.action.partition(".")
            if noun not in ("model", "version", "alias") or verb == "changed":
                continue
            past = self.past.get(entry.details["key"], [])
            if not any(self._is_so(noun, verb, entry, state) for state in self._within(entry, past)):
                found.append(
                    f"{entry.action} of {entry.ref} in {entry.not_before} to {entry.not_after}: {past}"
                )
        return found

    @staticmethod
    def _within(entry: Any, past: list[tuple[datetime, State | None]]) -> list[State | None]:
        """The states that began in an entry's interval."""
        since = entry.not_before
        return [state for at, state in past if (since is None or since <= at) and at <= entry.not_after]

    @staticmethod
    def _is_so(noun: str, verb: str, entry: Any, state: State | None) -> bool:
        if noun == "alias":
            alias = str(entry.ref).rpartition("@")[2]
            return state is not None and state["aliases"].get(alias) == entry.after["version"]
        return (state is None) == (verb == "deleted")


@dataclass
class Play:
    """One history."""

    world: World
    server: EmulatedMlflow
    oracle: Oracle
    pages: int
    eager: bool = False
    plan: Plan = field(default_factory=dict)
    points: int = 0
    is_dead: bool = False
    told: int = 0
    runs: list[str | None] = field(default_factory=list)

    def point(self) -> None:
        """A statement of the server's is about to be made."""
        number, self.points = self.points, self.points + 1
        if number in self.plan:
            self.plan[number]()

    def commit(self, connection: object) -> None:
        """A transaction of ours is about to be kept."""
        self.point()
        if self.is_dead:
            raise PowerCutError

    def kill(self) -> None:
        """Nothing that the worker does from here on is kept."""
        self.is_dead = True

    def restart(self) -> None:
        """Another worker, which remembers nothing."""
        world, config = self.world, MlflowConfig(**world_config(self.pages))
        adapter = MlflowAdapter(config)
        adapter._api.http._pool = self.server  # type: ignore[assignment]
        adapter._api.http._sleep = world.waits.append
        connections = Connections(world.adapters)
        connections._open[world.registry_id] = OpenAdapter(
            "memory", world.registry().generation, adapter, config.call_timeout, connections.abandoned
        )
        world.context = SyncContext(world.engine, connections, Leases(f"worker-{len(self.runs)}"))
        world.context.sleep = world.waits.append

    def sync(self, *, full: bool = False, plan: Plan | None = None) -> list[str]:
        """A run, or what death leaves of it, with what happens at its points; then what is wrong."""
        cut = unfinished(self.world)
        self.plan, self.points, self.is_dead = {} if plan is None else plan, 0, False
        try:
            if cut is None:
                self.runs.append(self.world.sync(full=full))
            else:
                self.runs.append(run(self.world.context, cut))
        except PowerCutError:
            self.runs.append("cut")
        self.plan, self.is_dead = {}, False
        if self.runs[-1] == "cut":
            self.restart()
            expire_leases(self.world.engine)
        return self.wrong()

    def wrong(self) -> list[str]:
        """What does not hold now although it always must."""
        entries = self.world.entries()
        found = self.oracle.wrong_entries(entries[self.told :])
        self.told = len(entries)
        found += self.oracle.wrong_states(catalogue(self.world)) + self.world.problems()
        return [*found, *(["a run failed: " + self.last_error()] if self.runs[-1] == "failed" else [])]

    def close(self) -> None:
        """The engine is for others from here on, and threads are threads again."""
        vars(scanning)["ThreadPoolExecutor"] = ThreadPoolExecutor
        event.remove(self.world.engine, "commit", self.commit)
        self.world.close()

    def last_error(self) -> str:
        return str(self.world.registry().last_error)

    def settle(self) -> list[str]:
        """Everything is quiet; what does not hold then."""
        found = []
        while unfinished(self.world) is not None:
            found += self.sync()
        found += self.sync()
        while unfinished(self.world) is not None:
            found += self.sync()
        found += [f"after one run {line}" for line in self._differences(quiet=True)]
        found += self.sync(full=True)
        found += [f"after a full run {line}" for line in self._differences(quiet=False)]
        before = self.world.rows(tables.head)[0]
        found += self.sync(full=True)
        if self.world.rows(tables.head)[0] != before:
            found.append("a run that found nothing wrote something")
        return found

    def _differences(self, *, quiet: bool) -> list[str]:
        """Between the server and the catalogue; without `quiet` fields that an incremental run may miss."""
        there, known = truth(self.server), catalogue(self.world)
        if quiet:
            for states in (there, known):
                for key, state in states.items():
                    if "stage" in state:
                        states[key] = {name: value for name, value in state.items() if name != "tags"}
        return [
            f"{key} is {known.get(key)}, not {there.get(key)}"
            for key in sorted({*there, *known})
            if there.get(key) != known.get(key)
        ]


def truth(server: EmulatedMlflow) -> dict[str, State]:
    """What lives on the server, by native id."""
    found: dict[str, State] = {}
    for model in server.models.values():
        aliases = {alias: str(number) for alias, number in model.aliases.items()}
        said = {"description": model.description, "tags": model.tags, "aliases": aliases}
        found[f"{model.created}/{model.name}"] = said
        for version in model.living():
            key = f"{version.number}/{version.created}/{model.created}/{model.name}"
            said = {"description": version.description, "tags": version.tags, "stage": version.stage}
            found[key] = said
    return found


def catalogue(world: World) -> dict[str, State]:
    """What lives in the catalogue, in the same form."""
    found: dict[str, State] = {}
    for row in world.rows(tables.model):
        if row.deleted_at is None:
            model = codec.decode_model(row.body)
            said = {"tags": dict(model.tags), "aliases": dict(model.aliases)}
            found[row.native_id] = {"description": model.description or "", **said}
    for row in world.rows(tables.version):
        if row.deleted_at is None:
            version = codec.decode_version(row.body)
            what: State = {"tags": dict(version.tags), "stage": version.stage}
            found[row.native_id] = {"description": version.description or "", **what}
    return found


def unfinished(world: World) -> int | None:
    """The first run that is queued or was cut off."""
    runs = tables.sync.c
    with reading(world.engine) as connection:
        query = select(runs.id).where(runs.state.in_(("queued", "running"))).order_by(runs.id)
        found: int | None = connection.execute(query).scalar()
    return found


def world_config(pages: int) -> dict[str, Any]:
    """What the registry is configured with: pages as small as they can be useful."""
    return {"url": "http://emulated", "model_page": pages, "version_page": pages, "overlap": 0.005}


@lru_cache(1)
def database(folder: Path) -> tuple[Engine, Discovered]:
    """An engine whose file each history begins with anew; what it compiled it keeps."""
    engine = open_engine(f"sqlite:///{folder / 'history.db'}")
    event.listen(engine, "connect", lambda raw, record: raw.execute("PRAGMA synchronous=OFF"))
    schema.migrate(engine)
    spec = RegistrySpec(
        name="ml", kind="mlflow", team="t", sync_every=0, stages=RULES, config=world_config(2)
    )
    with writing(engine) as connection:
        configured.apply(connection, [spec])
    engine.dispose()  # the last connection moves everything into the file
    shutil.copy(folder / "history.db", folder / "template.db")
    return engine, discover()


def play(folder: Path, *, pages: int = 2, eager: bool = False) -> Play:
    """A history that has not begun: an empty server, an empty catalogue."""
    if not (folder / "template.db").exists():
        database.cache_clear()  # a folder of that name was another test's
    engine, adapters = database(folder)
    engine.dispose()
    for left in folder.glob("history.db*"):
        left.unlink()
    shutil.copy(folder / "template.db", folder / "history.db")
    with reading(engine) as connection:
        registry_id = connection.execute(select(tables.registry.c.id)).scalar_one()
    context = SyncContext(engine, Connections(adapters), Leases("worker"))
    world = World(engine, MemoryBackend(), adapters, context, registry_id)
    server = EmulatedMlflow()
    made = Play(world, server, Oracle(server), pages, eager)
    vars(scanning)["ThreadPoolExecutor"] = lambda *given, **more: Lazy(eager)
    server.point, server.wrote = made.point, made.oracle.note
    event.listen(engine, "commit", made.commit)
    made.restart()
    return made
