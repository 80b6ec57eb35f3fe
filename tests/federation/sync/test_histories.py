"""Random histories of a backend, synchronised by workers that lose their power anywhere: nothing is lost, doubled or
taken for deleted.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event, select

from adapters import EndpointRecord, Key, ModelRecord, Traffic, TransientError, VersionRecord
from federation import tables
from federation.database import reading, writing
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync import absence
from federation.sync.context import SyncContext
from federation.sync.run import run
from tests.federation.sync.world import PowerCutError, World, expire_leases, make_world
from tests.servers.postgres import Postgres
from tests.soak import soak

NAMES = tuple(f"m{number}" for number in range(8))
STAGES = ("None", "Staging", "Production", "Archived")
CHECK_EVERY = 20


@dataclass
class Past:
    """What has happened to a world so far."""

    world: World
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    """Native ids of what was really deleted."""
    cuts: int = 0

    def live(self, kind: type) -> list[Any]:
        return [record for record in self.world.backend.records.values() if isinstance(record, kind)]

    def happen(self) -> None:
        """One thing that people do."""
        rng, backend = self.rng, self.world.backend
        models, versions = self.live(ModelRecord), self.live(VersionRecord)
        doings: list[Callable[[], object]] = [self.create]
        if models:
            model = rng.choice(models)
            doings += [lambda: backend.add_version(model, str(backend.last), stage="None")] * 3
            doings += [lambda: self.point(model)] * 3 + [lambda: self.drop(model.key)]
        if versions:
            version = rng.choice(versions)
            doings += [lambda: self.world.change(version, stage=rng.choice(STAGES))] * 3
            doings += [lambda: self.world.change(version, tags={"k": str(rng.random())})] * 2
            doings += [lambda: self.drop(version.key), lambda: self.serve(version), self.spoil]
        rng.choice(doings)()

    def create(self) -> None:
        name = self.rng.choice(NAMES)
        if self.world.backend.named(name) is None:
            self.world.backend.model(name)

    def point(self, model: ModelRecord) -> None:
        found = self.world.backend.versions(model.key)
        aliases = {"champion": self.rng.choice(found).version} if found and self.rng.random() < 0.8 else {}
        self.world.change(model, aliases=aliases)

    def serve(self, version: VersionRecord) -> None:
        key = Key("endpoint", f"e{self.rng.randrange(3)}")
        share = Traffic(version.key, self.rng.choice((0.0, 50.0, 100.0)))
        self.world.backend.put(EndpointRecord(key=key, name=key.native_id, traffic=(share,)))

    def spoil(self) -> None:
        """A record that cannot be read, or one that can be again."""
        lost = Key("version", "spoilt")
        if lost in self.world.backend.records:
            self.drop(lost)
        elif models := self.live(ModelRecord):
            record = VersionRecord(key=lost, model=self.rng.choice(models).key, version="")
            self.world.backend.put(record)

    def drop(self, key: Key) -> None:
        before = set(self.world.backend.records)
        self.world.backend.drop(key)
        if self.rng.random() < 0.3:
            self.world.backend.deleted.clear()  # nothing tells of it, only its absence does
        self.gone |= {each.native_id for each in before - set(self.world.backend.records)}

    def synchronise(self) -> None:
        """A run, or what a power cut leaves of it; the worker may be another one every time."""
        world, rng = self.world, self.rng
        context = SyncContext(world.engine, Connections(world.adapters), Leases(f"worker-{rng.randrange(3)}"))
        context.sleep = world.waits.append
        if rng.random() < 0.2:
            stumble(world, rng)
        try:
            with power(world, rng.randrange(1, 9) if rng.random() < 0.4 else 0, context):
                cut = unfinished(world)
                if cut is None:
                    world.sync(full=rng.random() < 0.3, context=context)
                else:
                    expire_leases(world.engine)
                    run(context, cut)
        except PowerCutError:
            self.cuts += 1
        world.backend.before = lambda call: None

    def settle(self) -> list[str]:
        """Everything is quiet; what does not hold then."""
        world = self.world
        self.world.backend.drop(Key("version", "spoilt"))
        while (cut := unfinished(world)) is not None:
            expire_leases(world.engine)
            run(world.context, cut)
        for _ in range(2):
            with writing(world.engine) as connection:
                absence.confirm(connection, world.registry_id)
            world.sync(full=True)
        before = world.rows(tables.head)[0]
        world.sync(full=True)
        wrong = [] if world.rows(tables.head)[0] == before else ["a run that found nothing wrote something"]
        if (there := world.living()) != world.truth():
            wrong.append(f"catalogue and backend differ: {sorted(there.items() ^ world.truth().items())[:3]}")
        told = {e.details["key"] for e in world.entries() if e.action.endswith(".deleted")}
        wrong += [f"phantom delete of {native}" for native in sorted(told - self.gone)]
        return wrong + world.problems()


def unfinished(world: World) -> int | None:
    """The run that a power cut has left."""
    runs = tables.sync.c
    with reading(world.engine) as connection:
        found: int | None = connection.execute(
            select(runs.id).where(runs.state.in_(("queued", "running"))).order_by(runs.id)
        ).scalar()
    return found


@contextmanager
def power(world: World, commits: int, context: SyncContext) -> Iterator[None]:
    """Cut the power at the commit of this number: just before it takes effect or just after. 0: never."""
    left = commits

    def before(connection: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCutError

    def after() -> None:
        if left == 1:
            raise PowerCutError

    context.wrote = after
    event.listen(world.engine, "commit", before)
    try:
        yield
    finally:
        event.remove(world.engine, "commit", before)


def stumble(world: World, rng: random.Random) -> None:
    """Let the backend fail now and then in a way that passes."""

    def before(call: str) -> None:
        if rng.random() < 0.3:
            raise TransientError("busy")

    world.backend.before = before


@soak(sample=20, full=2_000, batch=100)
def test_histories_survive_workers_that_lose_their_power(
    cases: int, seed: int, database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setattr("federation.sync.pages.CHUNK", 3)
    if database.startswith("sqlite"):
        fresh = f"{database}-{seed}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        fresh = server.url(server.create())
    world = make_world(fresh)
    past = Past(world, random.Random(seed))
    wrong: list[str] = []
    try:
        for case in range(1, cases + 1):
            for _ in range(past.rng.randrange(4)):
                past.happen()
            past.synchronise()
            if case % CHECK_EVERY == 0 or case == cases:
                wrong += [f"after {case} runs: {line}" for line in past.settle()]
    finally:
        world.close()
    return wrong if past.cuts or cases < 10 else [*wrong, "no power cut hit anything"]
