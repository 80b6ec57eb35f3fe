"""Workers killed by SIGKILL while they carry promotions out, over the real adapters and their backends: each is wholly
made or wholly undone; while the backend is away, what nobody knows of is stuck, and says so.
"""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select

from adapters import Discovered, Key
from federation import tables
from federation.access import EVERYTHING, LOCAL
from federation.database import now, open_engine, reading
from federation.graph.graph import Graph
from federation.leases import Leases
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.policies.policies import Policies, Policy
from federation.promotions import execution
from federation.promotions.execution import PromotionRunner
from federation.promotions.outside import OutsideAnswers
from federation.promotions.promotions import Promotions
from federation.promotions.tables import promotion
from federation.references import Reference, encode_part
from federation.registries.connections import Connections
from federation.sync.announced import read_now
from federation.sync.context import SyncContext
from tests.e2e.test_kills import (
    PATIENCE,
    SETTLED_WITHIN,
    Bench,
    journalled,
    mlflow,
    rest,
    sagemaker,
    secrets,
    vertex,
)
from tests.federation.operations.victims import IN_THE_CALL, IN_THE_WORKER, Death, die, killed, mortal
from tests.soak import soak

__all__ = ["mlflow", "rest", "sagemaker", "secrets", "vertex"]
POINTS = ("looking", "deciding", "decided", *IN_THE_CALL, *IN_THE_WORKER)


def no_graph() -> Graph:
    """No policy here asks for it."""
    raise AssertionError


def promote(death: Death) -> None:
    """Carry promotions and their operations out until they have ended, or until death."""
    os.environ.update(death.environment)

    def at(point: str) -> None:
        if point == death.point:
            die()

    carry_on(death.url, death.registry_id, mortal(death), at)


def carry_on(
    url: str,
    registry_id: int,
    adapters: Discovered,
    at: Callable[[str], None] = lambda point: None,
    is_over: Callable[[Engine], bool] | None = None,
) -> None:
    """Carry promotions and their operations out until they have ended, or until `is_over`. Errors: `AssertionError`
    where they hang.
    """
    engine = open_engine(url)
    connections, leases = Connections(adapters), Leases("worker")
    with ThreadPoolExecutor(1) as pool:
        read = partial(read_now, SyncContext(engine, connections, leases))
        outside = OutsideAnswers(read, lambda gate, ref: None, pool)
        runner = PromotionRunner(engine, adapters, leases, no_graph, outside, at=at)
        context = OperationContext(engine, connections, leases, at=at)
        end = time.monotonic() + PATIENCE
        while not (is_over or have_ended)(engine):
            assert time.monotonic() < end, "a promotion did not settle"
            runner.tick()
            work(context, registry_id)
            time.sleep(0.02)
    connections.close()
    engine.dispose()


def have_ended(engine: Engine) -> bool:
    """Whether every promotion and operation has."""
    with reading(engine) as connection:
        return all(
            connection.execute(select(table.c.id).where(table.c.finished_at.is_(None))).first() is None
            for table in (promotion, operation)
        )


def is_said(engine: Engine) -> bool:
    """Whether nothing is under way but what waits for the backend, and what nobody knows of is said."""
    with reading(engine) as connection:
        states = set(connection.execute(select(promotion.c.state)).scalars())
        sent = operation.c.state.in_(("running", "unknown")) & operation.c.finished_at.is_(None)
        lasting = connection.execute(select(operation.c.state).where(sent)).scalars().all()
    return "stuck" in states if lasting else True


def stages(on: Bench, model: str) -> dict[str, str]:
    """The versions of a model with their stages, as the catalogue has them."""
    known, models = tables.version.c, tables.model.c
    query = (
        select(known.version, known.stage)
        .join(tables.model, models.id == known.model_id)
        .where(models.name == encode_part(model), known.deleted_at.is_(None))
    )
    with reading(on.world.engine) as connection:
        return {row.version: row.stage for row in connection.execute(query)}


@dataclass
class Case:
    """One promotion that is carried out by a worker that dies. `alone`: the version that it replaces is archived."""

    on: Bench
    face: Promotions
    name: str
    point: str
    alone: bool
    vanishes: bool
    is_away: bool

    def try_it(self) -> list[str]:
        """Version 1 is brought to production, and then 2; what is wrong then."""
        on, face = self.on, self.face
        on.make(self.name)
        newest, other = sorted(stages(on, self.name), reverse=True)
        settled = partial(carry_on, on.url, on.world.registry_id, on.world.adapters)
        face.propose(LOCAL, Reference("memory", self.name, other), "production", "the first")
        settled()
        seen = face.propose(LOCAL, Reference("memory", self.name, newest), "production", "better").promotion
        if self.vanishes:
            on.adapter.delete(Key("version", native(on, seen.id)))
        killed(promote, on.death(self.point))
        failures = self._cut_off(seen.id) if self.is_away else []
        begun = now()
        settled()
        took = (now() - begun).total_seconds()
        on.world.sync(full=True)
        found, ended = stages(on, self.name), face.show(EVERYTHING, seen.id).promotion
        left = "archived" if self.alone else found[other]
        made = (ended.state, found.get(newest), found[other]) == ("done", "production", left)
        kept = found.get(newest) in (None, "none") and found[other] == "production"
        wrong = not (ended.state in ("failed", "void") and kept) if self.vanishes else not made
        if wrong or took > SETTLED_WITHIN:
            failures.append(f"{self}: {ended.state} {ended.message}: {found} after {took:.0f} s")
        return failures

    def _cut_off(self, promotion_id: int) -> list[str]:
        """The backend is away until whatever can be said is said; what is wrong with that."""
        on = self.on
        on.line.set("refuse")
        carry_on(on.url, on.world.registry_id, on.world.adapters, is_over=is_said)
        told = self.face.show(EVERYTHING, promotion_id).promotion
        on.line.set("through")
        if told.state != "stuck" or (told.ref in told.message and "bring that back" in told.message):
            return []
        return [f"{self}: stuck, and does not say with what: {told.message}"]

    def __str__(self) -> str:
        words = [word for word in ("alone", "vanishes", "is_away") if getattr(self, word)]
        return f"{self.on.kind} {self.name}: killed at {self.point}, {', '.join(words)}"


def kill(on: Bench, cases: int, seed: int, patch: pytest.MonkeyPatch) -> list[str]:
    """So many promotions; of some 2 is gone by then, of some the backend is away until that is said."""
    rng = random.Random(seed)
    patch.setattr(execution, "STUCK_AFTER", timedelta(seconds=1))
    policies = Policies(on.world.engine)
    face = Promotions(on.world.engine, on.world.adapters, no_graph)
    failures: list[str] = []
    for number in range(cases):
        case = Case(
            on, face, f"p-{seed % 100_000}-{number}", rng.choice(POINTS),
            alone=rng.random() < 0.5, vanishes=rng.random() < 0.25, is_away=rng.random() < 0.5,
        )  # fmt: skip
        policies.apply([Policy("guard", "*", archive_previous=case.alone)], {})
        failures += case.try_it()
    return failures + journalled(on)


def native(on: Bench, promotion_id: int) -> str:
    """What the backend calls the version of a promotion."""
    known = tables.version.c
    query = select(known.native_id).join(promotion, promotion.c.version_id == known.id)
    with reading(on.world.engine) as connection:
        return str(connection.execute(query.where(promotion.c.id == promotion_id)).scalar_one())


@soak(sample=1, full=75)
def test_promotion_kills_over_mlflow(
    cases: int, seed: int, mlflow: Bench, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    return kill(mlflow, cases, seed, monkeypatch)


@soak(sample=1, full=75)
def test_promotion_kills_over_sagemaker(
    cases: int, seed: int, sagemaker: Bench, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    return kill(sagemaker, cases, seed, monkeypatch)


@soak(sample=1, full=75)
def test_promotion_kills_over_vertex(
    cases: int, seed: int, vertex: Bench, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    return kill(vertex, cases, seed, monkeypatch)


@soak(sample=1, full=75)
def test_promotion_kills_over_rest(
    cases: int, seed: int, rest: Bench, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    return kill(rest, cases, seed, monkeypatch)
