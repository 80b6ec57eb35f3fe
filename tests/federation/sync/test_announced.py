"""What a backend announces is read at once, beside its runs: what was read later stays, whoever read it."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters import AuthError, Key, Page, Record, TransientError
from adapters.memory import MemoryAdapter
from federation.database import now, writing
from federation.hooks import mentions
from federation.hooks.tables import apart, hook, mention
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync.announced import AnnouncedReader, read_announced, read_now
from federation.sync.context import SyncContext
from tests.federation.sync.world import World, relist


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each record was asked for."""
    counts: Counter[str] = Counter()
    get = MemoryAdapter.get

    def counted(self: MemoryAdapter, key: Key) -> Record:
        counts[key.native_id] += 1
        return get(self, key)

    monkeypatch.setattr(MemoryAdapter, "get", counted)
    return counts


def announce(world: World, *keys: Key) -> None:
    with writing(world.engine) as connection:
        mentions.announce(connection, world.registry_id, keys, now())


def read(world: World, limit: int = 100) -> int:
    return read_announced(world.context, world.registry_id, limit)


def now_due(world: World) -> None:
    with writing(world.engine) as connection:
        connection.execute(update(mention).values(due_at=now() - timedelta(seconds=1)))


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Key, Record], Record]) -> None:
    get = MemoryAdapter.get
    monkeypatch.setattr(MemoryAdapter, "get", lambda self, key: answer(key, get(self, key)))


def test_what_is_announced_is_read(world: World, asked: Counter[str]) -> None:
    model = world.model("scorer", "1")
    assert world.sync() == "ok"
    world.backend.add_version(model, "2", stage="None")
    world.change(model, aliases={"champion": "2"})
    second = world.version("scorer", "2")
    announce(world, second.key, model.key)
    assert read(world) == 2
    assert world.living() == world.truth()
    assert asked == {model.key.native_id: 1, second.key.native_id: 1}
    assert world.rows(mention) == []
    assert world.problems() == []


def test_a_version_whose_model_was_not_announced_brings_it_along(world: World) -> None:
    world.model("other")
    world.sync()
    world.model("scorer", "1")
    announce(world, world.version("scorer", "1").key)
    read(world)
    assert world.living() == world.truth()


def test_a_burst_of_the_same_is_one_read(world: World, asked: Counter[str]) -> None:
    model = world.model("scorer", "1")
    world.sync()
    world.change(model, description="new")
    for _ in range(20):
        announce(world, model.key)
    assert read(world) == 1
    assert asked == {model.key.native_id: 1}
    assert world.rows(hook)[0].taken == 20


def test_what_is_named_while_it_is_read_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = world.model("scorer", "1")
    world.sync()
    announce(world, model.key)
    once = iter([True])

    def answer(_: Key, record: Record) -> Record:
        if next(once, False):
            announce(world, model.key)
        return record

    answering(monkeypatch, answer)
    assert [read(world), read(world), read(world)] == [1, 1, 0]


def test_a_run_that_began_before_does_not_undo_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = world.model("scorer", "1", "2", aliases={"champion": "1"})
    world.sync()

    def late(page: Page) -> Page:
        monkeypatch.undo()  # once
        world.change(model, aliases={"champion": "2"})
        announce(world, model.key)
        assert read(world) == 1
        return page  # as it was fetched before

    relist(monkeypatch, late)
    assert world.sync(full=True) == "ok"
    assert world.living() == world.truth()
    assert world.actions().count("alias.moved") == 1
    assert len(world.rows(apart)) == 1
    world.sync(full=True)
    assert world.rows(apart) == []
    assert world.problems() == []


def test_it_does_not_undo_what_a_run_wrote_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = world.model("scorer", "1")
    world.sync()
    announce(world, model.key)
    once = iter([True])

    def answer(_: Key, record: Record) -> Record:
        if next(once, False):
            world.change(model, aliases={"champion": "1"})
            world.sync()
        return record

    answering(monkeypatch, answer)
    read(world)
    assert world.living() == world.truth()
    assert len(world.rows(mention)) == 1  # it is read again
    read(world)
    assert world.rows(mention) == []
    assert world.living() == world.truth()
    assert world.problems() == []


def test_the_proof_of_absence_buries_what_was_named_whole(world: World) -> None:
    world.model("scorer", "1", "2")
    world.sync()
    second = world.version("scorer", "2")
    world.backend.drop(second.key)
    announce(world, second.key, Key("version", "never was"))
    read(world)
    assert world.living() == world.truth()
    assert world.problems() == []


def test_one_that_fails_keeps_no_other_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model, broken = world.model("scorer", "1"), world.model("broken")
    world.sync()
    world.change(model, description="new")

    def answer(key: Key, record: Record) -> Record:
        if key == broken.key:
            raise AuthError("not for you")
        return record

    answering(monkeypatch, answer)
    announce(world, model.key, broken.key)
    for _ in range(mentions.TRIES):
        assert [row.native_id for row in world.rows(mention) if row.native_id == broken.key.native_id]
        read(world)
        now_due(world)
    assert world.rows(mention) == []  # the next run finds out
    assert world.living() == world.truth()


def test_a_backend_that_wants_to_be_left_alone_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [world.model("one"), world.model("two")]
    world.sync()

    def answer(_: Key, record: Record) -> Record:
        raise TransientError("busy", retry_after=60)

    answering(monkeypatch, answer)
    announce(world, *(model.key for model in models))
    assert read(world) == 2
    assert all(row.due_at > now() + timedelta(seconds=50) for row in world.rows(mention))
    assert sorted(row.tries for row in world.rows(mention)) == [0, 1]  # the second was not asked for


def test_who_could_not_read_now_keeps_nobody_else_from_it(world: World) -> None:
    world.model("m", "1")
    world.sync()
    key = world.version("m", "1").key

    def away(call: str) -> None:
        raise TransientError("the backend is away")

    first, second = (
        SyncContext(world.engine, Connections(world.adapters), Leases(name)) for name in ("one", "another")
    )
    world.backend.before = away
    assert read_now(first, world.registry_id, [key]) == "memory cannot be read now: the backend is away"
    world.backend.before = lambda call: None
    assert read_now(second, world.registry_id, [key]) is None


def test_before_the_first_run_nothing_is_read(world: World, asked: Counter[str]) -> None:
    announce(world, world.model("scorer", "1").key)
    assert read(world) == 0
    assert not asked
    assert world.rows(mention) == []


def test_a_run_counts_what_was_not_announced(world: World) -> None:
    model = world.model("scorer", "1")
    world.sync()
    world.change(model, description="nobody told")
    world.sync()
    announce(world, model.key)
    read(world)
    world.change(model, description="nobody told again")
    world.sync()
    told = world.rows(hook)[0]
    assert (told.missed, told.missed_since) == (1, 1)


def test_a_flood_is_spread(world: World, asked: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.sync.announced.A_MINUTE", 3)
    models = [world.model(f"m{number}") for number in range(5)]
    world.sync()
    announce(world, *(model.key for model in models))
    reader = AnnouncedReader(world.context)
    for _ in range(3):
        reader.tick()
        for future in reader.running.values():
            future.result()
    reader.close()
    assert asked.total() == 3
    assert len(world.rows(mention)) == 2
