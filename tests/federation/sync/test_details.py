"""What a version's files say is read apart from the listing, and what cannot be read keeps nobody else waiting."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters import (
    AdapterError,
    BadRecordError,
    Column,
    Details,
    Schema,
    TransientError,
    Unread,
    VersionRecord,
)
from adapters.memory import MemoryAdapter
from federation import tables
from federation.access import EVERYTHING
from federation.catalogue.reader import read_version
from federation.database import reading, writing
from federation.references import parse
from federation.registries.calls import call_each
from federation.sync.details import MOST_IN_A_ROW, ask_again, read_details
from tests.federation.sync.world import World

DETAILS = Details(Schema(inputs=(Column("amount", "double"),)))


class Files:
    """What the adapter says of each version's files."""

    def __init__(self) -> None:
        self.failing: dict[str, AdapterError] = {}
        self.deadly: set[str] = set()
        self.asked: list[str] = []

    def details(self, adapter: MemoryAdapter, version: VersionRecord) -> Details:
        self.asked.append(version.version)
        if version.version in self.failing:
            raise self.failing[version.version]
        return DETAILS


class WorkerDiedError(BaseException):
    """What ends a worker, as far as a test can."""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    made = Files()
    monkeypatch.setattr(MemoryAdapter, "details", lambda adapter, version: made.details(adapter, version))
    return made


@pytest.fixture
def dying(files: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    """A call for one of `deadly` ends the worker: nothing after it is done."""

    def dying(calls: list[tuple[str, Callable[[], Any]]], **rest: Any) -> Any:
        found = call_each(calls, **rest)
        if calls[0][0].endswith("details") and files.asked[-1] in files.deadly:
            raise WorkerDiedError
        return found

    monkeypatch.setattr("federation.sync.details.AT_ONCE", 1)
    monkeypatch.setattr("federation.registries.connections.call_each", dying)
    return files


def read(world: World, *, again: bool = False) -> int:
    if again:
        ask_again(world.engine, world.registry_id)
    return read_details(world.context, world.registry_id, 100)


def known(world: World) -> dict[str, str | None]:
    """The reason of each version that is unknown, None for one that was read; the others are left out."""
    rows = [row for row in world.rows(tables.version) if row.details_read or row.details_unknown]
    return {row.version: row.details_unknown for row in rows}


def later(world: World, seconds: float) -> None:
    """Let time pass."""
    with writing(world.engine) as connection:
        rows = [row for row in world.rows(tables.version) if row.details_due]
        for row in rows:
            due = row.details_due - timedelta(seconds=seconds)
            connection.execute(
                update(tables.version).where(tables.version.c.id == row.id).values(details_due=due)
            )


def test_a_worker_that_stops_waits_for_no_file_and_suspects_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("m", "1", "2")
    assert world.sync() == "ok"
    asked, over = threading.Event(), threading.Event()

    def hang(adapter: MemoryAdapter, version: VersionRecord) -> Details:
        asked.set()
        over.wait(60)
        return DETAILS

    world.context.connections.close()  # what is open already keeps its methods
    monkeypatch.setattr(MemoryAdapter, "details", hang)
    world.context.stopping = asked.is_set
    assert read(world) == 0
    over.set()
    assert [(row.details_begun, row.details_due) for row in world.rows(tables.version)] == [(0, None)] * 2
    assert known(world) == {}


def test_one_that_fails_keeps_no_other_waiting_and_is_told(world: World, files: Files) -> None:
    world.model("m", "1", "2", "3")
    files.failing = {"2": TransientError("house answered 500"), "3": BadRecordError("nested too deeply")}
    assert world.sync() == "ok"
    assert read(world) == 3
    assert known(world) == {"1": None, "2": "house answered 500", "3": "nested too deeply"}
    registry = world.registry()
    assert (registry.unread, registry.partial) == (2, True)
    assert registry.last_error == "1 record is known in part: house answered 500"
    with reading(world.engine) as connection:
        shown = read_version(connection, EVERYTHING, parse("memory/m:3"))
    assert shown.record.unread is not None
    assert ("schema" in shown.record.unread.fields, shown.record.unread.reason) == (True, "nested too deeply")
    assert world.sync() == "partial"
    assert world.entries()[-1].after == {"state": "partial"}
    assert world.actions().count("registry.state_changed") == 2, "never to ok, ok to partial"


def test_what_could_be_read_of_the_files_is_kept_while_the_rest_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Details(artifact_uri="s3://b/m", unread=Unread(("schema",), "house answered 500"))
    whole = replace(DETAILS, artifact_uri="s3://b/m")
    monkeypatch.setattr(MemoryAdapter, "details", lambda adapter, version: some)
    world.model("m", "1")
    assert world.sync() == "ok"
    for details, reason in ((some, "house answered 500"), (whole, None), (some, None)):
        monkeypatch.setattr(MemoryAdapter, "details", lambda adapter, version, details=details: details)
        read(world, again=True)
        with reading(world.engine) as connection:
            shown = read_version(connection, EVERYTHING, parse("memory/m:1")).record
        assert shown.artifact_uri == "s3://b/m"
        assert (shown.unread and shown.unread.reason) == reason
        assert (shown.schema is None) == (reason is not None)
        assert known(world) == {"1": reason}


def test_it_is_asked_again_after_a_pause_that_doubles(world: World, files: Files) -> None:
    world.model("m", "1")
    files.failing = {"1": TransientError("house answered 500")}
    world.sync()
    for seconds in (60, 120, 240):
        assert read(world) == 1
        assert read(world) == 0, "not before its time"
        later(world, seconds / 2)
        assert read(world) == 0
        later(world, seconds / 2)
    files.failing = {}
    assert read(world) == 1
    assert known(world) == {"1": None}
    assert world.sync() == "ok"
    assert world.registry().unread == 0


def test_a_change_or_a_wish_asks_again_at_once(world: World, files: Files) -> None:
    world.model("m", "1", "2")
    files.failing = {"1": BadRecordError("no"), "2": BadRecordError("no")}
    world.sync()
    read(world)
    later(world, 86_400)
    assert read(world) == 0
    world.change(world.version("m", "1"), description="mended")
    world.sync()
    files.asked.clear()
    assert read(world) == 1
    assert files.asked == ["1"]
    assert read(world, again=True) == 2


def test_what_was_known_stays_while_the_files_cannot_be_read(world: World, files: Files) -> None:
    world.model("m", "1")
    world.sync()
    read(world)
    with writing(world.engine) as connection:
        connection.execute(update(tables.version).values(details_read=False))
    files.failing = {"1": TransientError("house answered 500")}
    read(world)
    with reading(world.engine) as connection:
        assert read_version(connection, EVERYTHING, parse("memory/m:1")).record.schema == DETAILS.schema


def test_a_backend_that_is_down_is_not_asked_for_everything(world: World, files: Files) -> None:
    names = [str(number) for number in range(MOST_IN_A_ROW + 5)]
    world.model("m", *names)
    files.failing = {name: TransientError("no answer") for name in names}
    world.sync()
    assert read(world) == MOST_IN_A_ROW
    files.failing = {name: TransientError("slow down", retry_after=9.0) for name in names}
    assert read(world) == 0
    files.failing = {}
    assert read(world) == 5, "those that were not reached wait for nothing"


def test_what_the_worker_dies_of_twice_is_set_aside(world: World, dying: Files) -> None:
    world.model("m", "1", "2", "3")
    dying.deadly = {"2"}
    world.sync()
    with pytest.raises(WorkerDiedError):
        read(world)
    assert read(world) == 0, "what another worker may be reading is left to it"
    later(world, 121)
    with pytest.raises(WorkerDiedError):
        read(world)
    later(world, 121)
    read(world)
    found = known(world)
    assert (found["1"], found["3"]) == (None, None)
    assert found["2"] is not None
    assert "the worker died twice" in found["2"]
    dying.asked.clear()
    later(world, 3600)
    assert read(world) == 0
    assert dying.asked == []
    dying.deadly = set()
    assert read(world, again=True) == 1
    assert known(world) == {"1": None, "2": None, "3": None}
