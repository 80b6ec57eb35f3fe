"""What an adapter of a later release reads better is no change of the backend, and is not told as one."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from adapters import Unread, VersionRecord
from adapters.memory import MemoryAdapter
from federation import tables
from federation.catalogue import codec
from federation.database import writing
from tests.federation.sync.world import World

SAID = {"name": "m", "run": {"id": "r1"}, "environment": {"TOKEN": "abc"}}


@pytest.fixture
def upgraded(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A registry with one version that an earlier release of the adapter has read."""
    world.model("m", "1")
    world.change(world.version("m", "1"), native=SAID, framework="xgboost 1.7", metrics={"rmse": 1.0})
    assert world.sync() == "ok"
    monkeypatch.setattr(MemoryAdapter, "reading", 1)
    yield world
    assert world.problems() == []


def known(world: World) -> VersionRecord:
    return codec.decode_version(world.rows(tables.version)[0].body)


def told(world: World) -> list[Any]:
    """The entries of changes."""
    return [entry for entry in world.entries() if entry.action == "version.changed"]


def finished(world: World) -> Any:
    """What the last entry of a run counts."""
    return [entry for entry in world.entries() if entry.action == "sync.finished"][-1].details


def test_what_is_read_better_is_taken_in_and_counted(upgraded: World) -> None:
    position = upgraded.rows(tables.head)[0].position
    upgraded.change(upgraded.version("m", "1"), framework="xgboost", license="mit")
    assert upgraded.sync() == "ok"
    assert (known(upgraded).framework, known(upgraded).license) == ("xgboost", "mit")
    assert told(upgraded) == []
    assert finished(upgraded) == {"reread": 1}
    assert upgraded.rows(tables.head)[0].position > position, "followers must hear of it"


def test_a_payload_may_say_more_than_before_and_hide_values(upgraded: World) -> None:
    more = {**SAID, "environment": {"TOKEN": "(hidden)"}, "model": {"id": "m-1"}}
    upgraded.change(upgraded.version("m", "1"), native=more, license="mit")
    assert upgraded.sync() == "ok"
    assert told(upgraded) == []


def test_what_a_better_reading_leaves_out_is_not_asked_for(upgraded: World) -> None:
    calls: list[str] = []
    upgraded.backend.before = calls.append
    upgraded.change(upgraded.version("m", "1"), metrics={})
    assert upgraded.sync() == "ok"
    assert (known(upgraded).metrics, told(upgraded)) == ({}, [])
    assert "get" not in calls


@pytest.mark.parametrize(
    "native", [{**SAID, "run": {"id": "r2"}}, {"name": "m"}, {**SAID, "run": ["r1"]}], ids=str
)
def test_what_the_backend_says_otherwise_is_told(upgraded: World, native: dict[str, Any]) -> None:
    upgraded.change(upgraded.version("m", "1"), native=native, license="mit")
    assert upgraded.sync() == "ok"
    (entry,) = told(upgraded)
    assert (entry.details["fields"], entry.details["reread"]) == (["license"], True)
    assert finished(upgraded) == {"changed": 1}


def test_the_next_change_is_one(upgraded: World) -> None:
    for terms, said in (("mit", []), ("bsd", [["license"]])):
        upgraded.change(upgraded.version("m", "1"), license=terms)
        assert upgraded.sync() == "ok"
        assert [entry.details["fields"] for entry in told(upgraded)] == said
        assert all("reread" not in entry.details for entry in told(upgraded))


def test_a_run_that_finds_nothing_better_ends_the_doubt(upgraded: World) -> None:
    assert upgraded.sync() == "ok"
    upgraded.change(upgraded.version("m", "1"), license="mit")
    assert upgraded.sync() == "ok"
    assert [entry.details["fields"] for entry in told(upgraded)] == [["license"]]


def test_what_cannot_be_read_at_once_is_read_better_later(upgraded: World) -> None:
    version = upgraded.version("m", "1")
    upgraded.change(version, metrics={}, unread=Unread(("metrics",), "run r1 is too large"))
    assert upgraded.sync() == "partial"
    upgraded.change(version, metrics={"rmse": 1.0, "auc": 0.9})
    assert upgraded.sync() == "ok"
    assert (known(upgraded).metrics, told(upgraded)) == ({"rmse": 1.0, "auc": 0.9}, [])


def test_an_adapter_that_hands_on_no_payload_is_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("m", "1")
    assert world.sync() == "ok"
    monkeypatch.setattr(MemoryAdapter, "reading", 1)
    world.change(world.version("m", "1"), license="mit")
    assert world.sync() == "ok"
    assert [entry.details["fields"] for entry in told(world)] == [["license"]]


def test_a_record_that_is_only_written_otherwise_is_no_change(world: World) -> None:
    world.model("m", "1")
    assert world.sync() == "ok"
    short = world.rows(tables.version)[0].body.replace(',"addresses":[]', "")
    with writing(world.engine) as connection:
        connection.execute(update(tables.version).values(body=short, digest=b"another"))
    assert world.sync() == "ok"
    assert (told(world), finished(world)) == ([], {"reread": 1})
    assert '"addresses":[]' in world.rows(tables.version)[0].body
