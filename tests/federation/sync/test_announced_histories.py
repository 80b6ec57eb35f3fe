"""Random histories of a backend that announces what happens badly: twice, late, out of order, not at all, and what
never was. Each is read at random moments, in the middle of runs too, and runs begin in the middle of reads.
"""

import random
from typing import Any

import pytest

from adapters import Key, Record
from adapters.memory import MemoryAdapter
from federation.database import now, writing
from federation.hooks import mentions
from federation.sync.announced import read_announced
from tests.federation.sync.test_histories import Past
from tests.federation.sync.world import World, make_world
from tests.soak import soak

STEPS = 40


class Announced:
    """A backend whose changes are announced."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.past = Past(world, rng)
        self.told: list[Key] = []
        self.inside = False

    def happen(self) -> None:
        """Something happens; most of it is going to be announced, some of it twice."""
        before = dict(self.world.backend.changed)
        self.past.happen()
        changed = [key for key, at in self.world.backend.changed.items() if before.get(key) != at]
        gone = [key for key in before if key not in self.world.backend.changed]
        self.told += [key for key in (*changed, *gone) for _ in range(self.rng.choice((0, 1, 1, 1, 2)))]

    def announce(self) -> None:
        """Some of what is to be announced, in whatever order, beside what nobody did."""
        self.rng.shuffle(self.told)
        some, self.told = self.told[:3], self.told[3:]
        known = list(self.world.backend.records)
        forged = [Key("version", f"never {self.rng.random()}"), *self.rng.sample(known, min(1, len(known)))]
        with writing(self.world.engine) as connection:
            mentions.announce(connection, self.world.registry_id, [*some, *forged], now())

    def read(self) -> None:
        read_announced(self.world.context, self.world.registry_id, 100)

    def meanwhile(self, *doings: Any) -> None:
        """In the middle of a call of the adapter, now and then."""
        if not self.inside and self.rng.random() < 0.3:
            self.inside = True
            try:
                for doing in doings:
                    doing()
            finally:
                self.inside = False


def one_history(rng: random.Random, url: str, patched: pytest.MonkeyPatch) -> list[str]:
    world = make_world(url)
    on = Announced(world, rng)
    is_reading = False
    scan, get = MemoryAdapter.scan, MemoryAdapter.get

    def scanned(self: MemoryAdapter, **given: Any) -> Any:
        for page in scan(self, **given):
            on.meanwhile(on.happen, on.announce, on.read)
            yield page

    def got(self: MemoryAdapter, key: Key) -> Record:
        record = get(self, key)
        if is_reading:
            on.meanwhile(on.happen, world.sync)
        return record

    patched.setattr(MemoryAdapter, "scan", scanned)
    patched.setattr(MemoryAdapter, "get", got)
    try:
        world.sync()
        for _ in range(STEPS):
            on.happen()
            if rng.random() < 0.5:
                on.announce()
            if rng.random() < 0.3:
                is_reading = True
                on.read()
                is_reading = False
            if rng.random() < 0.1:
                world.sync(full=rng.random() < 0.5)
        on.inside = True
        return on.past.settle()
    finally:
        world.close()


@soak(sample=2, full=2_000)
def test_however_it_is_announced_the_catalogue_is_what_the_backend_is(
    cases: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    rng, failed = random.Random(seed), []
    for number in range(cases):
        url = f"sqlite:///{tmp_path_factory.mktemp('announced') / 'waypost.db'}"
        with pytest.MonkeyPatch.context() as patched:
            failed += [f"history {number} of {seed}: {line}" for line in one_history(rng, url, patched)]
    return failed
