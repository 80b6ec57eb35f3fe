"""What one stranger can make large: a model of thousands of versions, and a card that is written to be slow."""

import gc
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import select

from adapters import Dataset, Key, Lineage, ModelRecord, Record, VersionRecord
from federation import tables
from federation.database import reading
from gateway.pages.markdown import card
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, Spread, benchmark, spread
from tests.benchmarks.estate import START, registry_name
from tests.benchmarks.pages import CHUNK, GOAL, config, rendered, take_in
from tests.gateway.pages.cards import SHAPES
from tests.gateway.served import served

NAME = "nightly"
METRICS = ("auc", "loss", "f1", "latency_ms")
MOST_FOR_A_CARD = 50.0
"""Milliseconds."""


def versions(count: int) -> Iterator[Record]:
    """One model, made anew every hour, the newest in production."""
    model = Key("model", NAME)
    yield ModelRecord(
        key=model,
        name=NAME,
        description="# Nightly\n\nMade **anew** every hour.\n" * 40,
        aliases={"champion": str(count)},
    )
    for number in range(1, count + 1):
        yield VersionRecord(
            key=Key("version", f"{NAME}:{number}"), model=model, version=str(number),
            stage="production" if number == count else None, tags={"commit": f"{number:040x}", "by": "ci"},
            metrics={name: (number * 7 + place) % 1000 / 1000 for place, name in enumerate(METRICS)},
            params={"depth": str(number % 12)}, framework="sklearn", artifact_uri=f"s3://models/{NAME}/{number}",
            lineage=Lineage(run_id=f"run-{number}", datasets=(Dataset("events", f"{number}"),)),
            created_at=START + timedelta(hours=number), updated_at=START + timedelta(hours=number),
        )  # fmt: skip


@benchmark(sample=60, full=8_000, servers=True)
def model_of_many_versions(size: int, folder: Path) -> Iterator[Figure]:
    """The pages of one model with `size` versions, in a gateway of one API process."""
    (folder / "waypost.toml").write_text(config())
    waypost = Waypost(load_settings(folder / "waypost.toml", {}))
    waypost.prepare()
    with reading(waypost.engine) as connection:
        ids = {str(row.name): int(row.id) for row in connection.execute(select(tables.registry))}
    records = list(versions(size))
    for begin in range(0, len(records), CHUNK):
        take_in(waypost.engine, ids, 1, records[begin : begin + CHUNK])
    for follower in waypost.followers().values():
        follower.rebuild()
    waypost.close()
    ref = f"{registry_name(1)}/{NAME}"
    pages = {"model": f"/models/{ref}", "version": f"/versions/{ref}:{size}"}
    with (
        served(folder, config=config()) as gateway,
        httpx.Client(
            base_url=gateway.url, timeout=60.0, trust_env=False, headers={"Accept": "text/html"}
        ) as client,
    ):
        for name, address in pages.items():
            taken = [rendered(client, address) for _ in range(30 if size > CHUNK else 2)]
            yield Figure(f"page of the {name}, p95", spread(taken).p95 * 1e3, "ms", goal=GOAL)


@benchmark(sample=2_000, full=100_000)
def hostile_cards(size: int, folder: Path) -> Iterator[Figure]:
    """How long a card of `size` characters takes that was written to be slow."""
    gc.freeze()  # as a gateway does that has started
    slowest = 0.0
    try:
        for name, shape in SHAPES.items():
            text = (shape * (size // len(shape) + 1))[:size]
            wall, busy = _taken(text, 20 if size > CHUNK else 2)
            slowest = max(slowest, busy.p95)
            yield Figure(f"{name}, wall, p95", wall.p95 * 1e3, "ms", goal=MOST_FOR_A_CARD)
        yield Figure("the slowest, processor time, p95", slowest * 1e3, "ms", goal=MOST_FOR_A_CARD)
    finally:
        gc.unfreeze()


def _taken(text: str, times: int) -> tuple[Spread, Spread]:
    """How long a card takes by the clock, and by what the processor does for it, whatever else the machine does."""
    card(text)
    wall, busy = [], []
    for _ in range(times):
        began, worked = time.perf_counter(), time.process_time()
        card(text)
        wall.append(time.perf_counter() - began)
        busy.append(time.process_time() - worked)
    return spread(wall), spread(busy)
