"""Work at which the worker dies: the process is really killed, by what it reads and by what it sends."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import Key, Page, discover
from adapters.memory import BACKENDS, MemoryAdapter, MemoryBackend
from federation import poison, tables
from federation.database import now, open_engine, reading, writing
from federation.leases import Leases
from federation.operations.intent import Asker, Intent, digest_of
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.operations.wanted import SetTags
from federation.poison import InHand
from federation.references import Reference
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.sync import schedule
from federation.sync.context import SyncContext
from federation.sync.run import run
from tests.federation.operations.victims import die, killed, write
from tests.servers import blank

PAGES = 3


def hold_and_die(folder: str, *names: str) -> None:
    in_hand = InHand(Path(folder))
    in_hand.recover()
    with in_hand.holding(*names):
        die()


def hold_and_end(folder: str, name: str) -> None:
    in_hand = InHand(Path(folder))
    in_hand.recover()
    with in_hand.holding(name):
        pass


def test_deaths_are_counted_where_they_happened(tmp_path: Path) -> None:
    assert killed(hold_and_die, str(tmp_path), "a", "b")
    assert not killed(hold_and_end, str(tmp_path), "c")
    assert killed(hold_and_die, str(tmp_path), "a")
    last = InHand(tmp_path)
    assert last.recover() == ["a"]
    assert [last.deaths(name) for name in "abc"] == [2, 1, 0]
    assert last.left_alone() == ["a"]
    assert [InHand(tmp_path).deaths(name) for name in "abc"] == [2, 1, 0], "no death is counted twice"
    last.forget("a")
    assert InHand(tmp_path).left_alone() == []


def test_an_error_is_no_death(tmp_path: Path) -> None:
    in_hand = InHand(tmp_path)
    with pytest.raises(KeyError), in_hand.holding("a"):
        raise KeyError
    assert InHand(tmp_path).recover() == []


def test_whoever_has_to_be_killed_when_it_is_stopped_died_of_nothing(tmp_path: Path) -> None:
    in_hand = InHand(tmp_path)
    with in_hand.holding("a"):
        in_hand.let_go()
        with in_hand.holding("b"):
            assert InHand(tmp_path).recover() == []


def test_it_is_left_alone_for_longer_after_each_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_hand, at = InHand(tmp_path), now()
    monkeypatch.setattr(poison, "now", lambda: at)
    pauses = []
    for deaths in range(1, 12):
        in_hand._deaths["a"] = (deaths, at)
        until = in_hand.left_alone_until("a")
        pauses.append(None if until is None else until - at)
    quarter = timedelta(minutes=15)
    assert pauses[:4] == [None, quarter, 2 * quarter, 4 * quarter]
    assert pauses[-1] == timedelta(days=1)
    in_hand._deaths["a"] = (2, at - quarter)
    assert in_hand.left_alone_until("a") is None
    in_hand._deaths["a"] = (2, at + timedelta(hours=1))
    assert in_hand.left_alone_until("a") is None, "the clock was set back since"


def test_a_folder_that_takes_nothing_stops_no_work(tmp_path: Path) -> None:
    (tmp_path / "in-hand").write_text("a file")
    in_hand = InHand(tmp_path)
    assert in_hand.recover() == []
    with in_hand.holding("a"):
        in_hand.forget("a")


# A worker that reads a registry of three pages, and carries out what is due there.


def open_world(url: str, folder: str) -> tuple[SyncContext, OperationContext, MemoryBackend]:
    """What a worker that starts has: its own copy of a backend that is the same each time."""
    backend = BACKENDS["poisoned"] = MemoryBackend(identity="poisoned")
    for number in range(PAGES):
        backend.model(f"m{number}")
    engine, adapters, in_hand = open_engine(url), discover(), InHand(Path(folder))
    in_hand.recover()
    Leases("worker").reclaim(engine)
    sync = SyncContext(engine, Connections(adapters), Leases("worker"), in_hand=in_hand)
    return sync, OperationContext(engine, Connections(adapters), Leases("worker"), in_hand=in_hand), backend


def scanning(deadly: Callable[[str | None], bool]) -> Callable[..., Iterator[Page]]:
    """A scan in small pages that dies when it is asked for what comes behind a mark."""
    scan = MemoryAdapter.scan

    def pages(self: MemoryAdapter, *, since: Any, limit: int, resume: Any) -> Iterator[Page]:
        if deadly(resume):
            die()
        for page in scan(self, since=since, limit=1, resume=resume):
            yield replace(page, watermark=None)
            if deadly(page.mark):
                die()

    return pages


def synchronise(url: str, folder: str, deadly: str) -> None:
    """Go on with the run that is open, or make one; die where `deadly` says."""
    context, _, _ = open_world(url, folder)
    second = {"page": lambda mark: mark is not None and "1" in mark, "": lambda mark: False}[deadly]
    MemoryAdapter.scan = scanning(second)  # type: ignore[method-assign]
    with writing(context.engine) as connection:
        sync_id = schedule.request(connection, 1, full=False)
    run(context, sync_id)
    context.engine.dispose()


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = blank.sqlite(tmp_path / "waypost.db")
    engine = open_engine(made)
    spec = RegistrySpec(name="r", kind="memory", team="t", config={"backend": "poisoned"}, writable=True)
    with writing(engine) as connection:
        configured.apply(connection, [spec])
    engine.dispose()
    return made


def one(url: str, table: Any) -> Any:
    engine = open_engine(url)
    with reading(engine) as connection:
        row = connection.execute(select(table).order_by(table.c.id.desc()).limit(1)).one()
    engine.dispose()
    return row


def test_a_run_at_whose_page_the_worker_died_twice_ends_and_says_so(url: str, tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert killed(synchronise, url, folder, "page")
    assert killed(synchronise, url, folder, "page"), "it is tried a second time"
    assert not killed(synchronise, url, folder, "page")
    ended, registry = one(url, tables.sync), one(url, tables.registry)
    assert (ended.state, registry.failures) == ("failed", 1)
    assert "the worker died 2 times at this (page" in registry.last_error
    assert "waypost sync r --full" in registry.last_error
    assert schedule.next_attempt(registry, now()) is not None
    assert not killed(synchronise, url, folder, "page"), "the next run does not ask for it"
    assert one(url, tables.sync).state == "failed"
    assert InHand(tmp_path).left_alone() == [f"sync of r: {InHand(tmp_path).left_alone()[0][11:]}"]

    engine = open_engine(url)
    with writing(engine) as connection:
        schedule.request(connection, 1, full=True)
        connection.execute(update(tables.sync).where(tables.sync.c.state == "queued").values(asked_full=True))
    engine.dispose()
    assert not killed(synchronise, url, folder, "")
    assert one(url, tables.sync).state == "ok", "who asks for a full run has it asked for again"
    assert InHand(tmp_path).left_alone() == []


def carry_out(url: str, folder: str, deadly: str) -> None:
    """Carry out what is due; die in the call of the adapter that `deadly` names, for version 1 alone."""
    _, context, _ = open_world(url, folder)
    set_tags, get = MemoryAdapter.set_tags, MemoryAdapter.get

    def deadly_set(self: MemoryAdapter, key: Any, tags: Any, **more: Any) -> Any:
        if deadly and key.native_id.startswith("m0"):
            if deadly == "applied":
                (Path(folder) / "made").touch()
            die()
        return set_tags(self, key, tags, **more)

    def deadly_get(self: MemoryAdapter, key: Any) -> Any:
        if deadly == "asking" and key.native_id.startswith("m0"):
            die()
        found = get(self, key)
        if (Path(folder) / "made").exists() and key.native_id.startswith("m0"):
            return replace(found, tags={"a": "1"})  # type: ignore[arg-type]
        return found

    MemoryAdapter.set_tags, MemoryAdapter.get = deadly_set, deadly_get  # type: ignore[method-assign]
    engine, asked = context.engine, operation.c
    for _ in range(3):
        with writing(engine) as connection:
            connection.execute(update(operation).where(asked.finished_at.is_(None)).values(due_at=now()))
        work(context, 1)
    engine.dispose()


def ask_for_tags(url: str, folder: str) -> list[int]:
    """Two operations on one model, and one on another; their ids."""
    assert not killed(synchronise, url, folder, "")
    engine = open_engine(url)
    made = []
    with reading(engine) as connection:
        keys = dict(connection.execute(select(tables.model.c.name, tables.model.c.native_id)).all())
        ids = dict(connection.execute(select(tables.model.c.name, tables.model.c.id)).all())
    for name, value in (("m0", "1"), ("m0", "2"), ("m1", "1")):
        wanted = SetTags({"a": value})
        intent = Intent(
            registry_id=1,
            registry="r",
            ref=Reference("r", name),
            wanted=wanted,
            target=Key("model", keys[name]),
            target_id=ids[name],
        )
        with writing(engine) as connection:
            made.append(write(connection, [intent], Asker("local", None, digest_of(name, value))))
    engine.dispose()
    return made


def outcomes(url: str) -> dict[int, tuple[str, str]]:
    engine = open_engine(url)
    with reading(engine) as connection:
        rows = connection.execute(select(operation).where(operation.c.finished_at.is_not(None))).all()
    engine.dispose()
    return {row.id: (row.state, row.error or "") for row in rows}


@pytest.mark.parametrize(("deadly", "state", "says"), [("sending", "failed", "died"), ("applied", "ok", "")])
def test_an_operation_at_which_the_worker_died_twice_is_concluded_by_asking(
    url: str, tmp_path: Path, deadly: str, state: str, says: str
) -> None:
    first, second, other = ask_for_tags(url, str(tmp_path))
    assert killed(carry_out, url, str(tmp_path), deadly)
    assert killed(carry_out, url, str(tmp_path), deadly), "it is sent a second time"
    assert outcomes(url).get(other, ("ok", ""))[0] == "ok"
    assert not killed(carry_out, url, str(tmp_path), ""), "it is not sent again"
    found = outcomes(url)
    assert found[first][0] == state
    assert says in found[first][1]
    assert {found[second][0], found[other][0]} == {"ok"}, "what waited behind it, and beside it, goes on"
    assert InHand(tmp_path).left_alone() == []


def test_an_operation_of_which_not_even_asking_is_survived_stays_unknown_and_lets_others_pass(
    url: str, tmp_path: Path
) -> None:
    first, second, other = ask_for_tags(url, str(tmp_path))
    assert killed(carry_out, url, str(tmp_path), "sending")
    assert killed(carry_out, url, str(tmp_path), "sending")
    assert killed(carry_out, url, str(tmp_path), "asking")
    assert not killed(carry_out, url, str(tmp_path), "")
    found = outcomes(url)
    assert found[first][0] == "unknown"
    assert "look at the backend" in found[first][1]
    assert {found[second][0], found[other][0]} == {"ok"}


def test_an_operation_that_was_never_sent_has_failed(url: str, tmp_path: Path) -> None:
    first, second, _ = ask_for_tags(url, str(tmp_path))
    assert killed(carry_out, url, str(tmp_path), "asking")
    assert killed(carry_out, url, str(tmp_path), "asking")
    assert not killed(carry_out, url, str(tmp_path), "")
    found = outcomes(url)
    assert found[first] == ("failed", "the worker died 2 times before this was sent: it is not tried again")
    assert found[second][0] == "ok"
