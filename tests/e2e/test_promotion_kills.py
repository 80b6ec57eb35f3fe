"""Workers killed by SIGKILL while they carry promotions out, over the real adapters and their backends: each is wholly
made or wholly undone.
"""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import select

from adapters import Discovered, Key
from federation import tables
from federation.access import LOCAL
from federation.database import now, open_engine, reading
from federation.graph.graph import Graph
from federation.leases import Leases
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.policies.policies import Policies, Policy
from federation.promotions.execution import PromotionRunner
from federation.promotions.outside import OutsideAnswers
from federation.promotions.promotions import Promotions
from federation.promotions.tables import promotion
from federation.references import Reference, encode_part
from federation.registries.connections import Connections
from federation.sync.announced import read_now
from federation.sync.context import SyncContext
from tests.e2e.test_kills import SETTLED_WITHIN, Bench, journalled, mlflow, rest, sagemaker, secrets, vertex
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


def carry_on(url: str, registry_id: int, adapters: Discovered, at: Callable[[str], None]) -> None:
    """Carry promotions and their operations out until they have ended. Errors: `AssertionError` after a minute."""
    engine = open_engine(url)
    connections, leases = Connections(adapters), Leases("worker")
    with ThreadPoolExecutor(1) as pool:
        read = partial(read_now, SyncContext(engine, connections, leases))
        outside = OutsideAnswers(read, lambda gate, ref: None, pool)
        runner = PromotionRunner(engine, adapters, leases, no_graph, outside, at=at)
        context = OperationContext(engine, connections, leases, at=at)
        end = time.monotonic() + SETTLED_WITHIN
        while _is_open(engine):
            assert time.monotonic() < end, "a promotion did not settle"
            runner.tick()
            work(context, registry_id)
            time.sleep(0.02)
    connections.close()
    engine.dispose()


def _is_open(engine: object) -> bool:
    with reading(engine) as connection:  # type: ignore[arg-type]
        return any(
            connection.execute(select(table.c.id).where(table.c.finished_at.is_(None))).first() is not None
            for table in (promotion, operation)
        )


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


def kill(on: Bench, cases: int, seed: int) -> list[str]:
    """Version 1 is brought to production, and then 2, by a worker that dies; of some cases 2 is gone by then."""
    rng = random.Random(seed)
    Policies(on.world.engine).apply([Policy("guard", "*", archive_previous=False)], {})
    face = Promotions(on.world.engine, on.world.adapters, no_graph)
    failures: list[str] = []
    for number in range(cases):
        name, point, vanishes = f"p-{seed % 100_000}-{number}", rng.choice(POINTS), rng.random() < 0.25
        on.make(name)
        newest, other = sorted(stages(on, name), reverse=True)
        settled = partial(carry_on, on.url, on.world.registry_id, on.world.adapters, lambda point: None)
        face.propose(LOCAL, Reference("memory", name, other), "production", "the first")
        settled()
        seen = face.propose(LOCAL, Reference("memory", name, newest), "production", "better")
        if vanishes:
            on.adapter.delete(Key("version", native(on, seen.promotion.id)))
        killed(promote, on.death(point))
        begun = now()
        settled()
        took = (now() - begun).total_seconds()
        on.world.sync(full=True)
        found, row = stages(on, name), next(r for r in on.world.rows(promotion) if r.id == seen.promotion.id)
        made = (row.state, found.get(newest)) == ("done", "production")
        kept = found.get(newest) in (None, "none") and found[other] == "production"
        wrong = not (row.state in ("failed", "void") and kept) if vanishes else not made
        if wrong or took > SETTLED_WITHIN:
            what = f"{on.kind}: killed at {point}{', gone' if vanishes else ''}: {row.state} {row.message}"
            failures.append(f"{what}: {found} after {took:.0f} s")
    return failures + journalled(on)


def native(on: Bench, promotion_id: int) -> str:
    """What the backend calls the version of a promotion."""
    known = tables.version.c
    query = select(known.native_id).join(promotion, promotion.c.version_id == known.id)
    with reading(on.world.engine) as connection:
        return str(connection.execute(query.where(promotion.c.id == promotion_id)).scalar_one())


@soak(sample=1, full=75)
def test_promotion_kills_over_mlflow(cases: int, seed: int, mlflow: Bench) -> list[str]:
    return kill(mlflow, cases, seed)


@soak(sample=1, full=75)
def test_promotion_kills_over_sagemaker(cases: int, seed: int, sagemaker: Bench) -> list[str]:
    return kill(sagemaker, cases, seed)


@soak(sample=1, full=75)
def test_promotion_kills_over_vertex(cases: int, seed: int, vertex: Bench) -> list[str]:
    return kill(vertex, cases, seed)


@soak(sample=1, full=75)
def test_promotion_kills_over_rest(cases: int, seed: int, rest: Bench) -> list[str]:
    return kill(rest, cases, seed)
