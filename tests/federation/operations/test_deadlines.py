"""A deadline is no outcome: what was given up stops, what is told of it is true, and what is ours is told as ours."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from adapters import InvalidError, Key, Record, UnderWayError
from adapters.calls import proceed
from adapters.discovery import Discovered, Plugin
from adapters.memory import MemoryAdapter, MemoryConfig
from federation.leases import Leases
from federation.operations import run
from federation.operations.asking import RequestedChange
from federation.operations.run import OperationContext, work
from federation.operations.wanted import Delete, SetTags
from federation.references import Reference
from federation.registries.connections import Connections
from tests.federation.operations.world import OperationsWorld
from tests.patience import until

TAGS = {"a": "1", "b": "2", "c": "3", "d": "4"}
VERSION = Reference("memory", "m", "1")


@dataclass
class HeldRequests:
    """What happens to requests: the one for `hangs_at` waits until `goes_on`, the one for `refuses` is refused."""

    hangs_at: str = ""
    goes_on: threading.Event = field(default_factory=threading.Event)
    refuses: str = ""
    deletes_later: bool = False


class HastyConfig(MemoryConfig):
    """A call may take a moment."""

    @property
    def call_timeout(self) -> float:
        return 0.3


class ByOneAdapter(MemoryAdapter):
    """The in-memory backend, which takes tags one request each, over a line that hangs where it is told."""

    line: ClassVar[HeldRequests]
    config_type = HastyConfig

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        record = self.get(key)
        for name in sorted(tags):
            proceed()
            if name == self.line.refuses:
                raise InvalidError(f"the tag {name} is not allowed here")
            if name == self.line.hangs_at:
                assert self.line.goes_on.wait(60)
            record = super().set_tags(key, {name: tags[name]})
        return record

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if self.line.deletes_later:
            raise UnderWayError("the backend is still deleting it")
        super().delete(key, etag=etag)


@pytest.fixture
def line(world: OperationsWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldRequests]:
    """The line to the world's backend; an operation of which nothing is known may be settled at once."""
    monkeypatch.setattr(run, "SETTLED_IN", timedelta(0))
    monkeypatch.setattr(run, "UNDER_WAY_EVERY", timedelta(seconds=0.05))
    made = HeldRequests()
    adapter = type("ByOne", (ByOneAdapter,), {"line": made})
    plugins = {**world.sync.adapters.plugins, "memory": Plugin("memory", "this test", lambda: adapter)}
    world.sync.adapters = Discovered(plugins)
    world.sync.context.connections = Connections(world.sync.adapters)
    yield made
    made.goes_on.set()


def worker(world: OperationsWorld) -> Callable[[], None]:
    """One worker that lives on: each call is a round of it."""
    context = OperationContext(world.sync.engine, Connections(world.sync.adapters), Leases("worker"))

    def go_round() -> None:
        work(context, world.sync.registry_id)

    return go_round


def tags_of(world: OperationsWorld) -> dict[str, str]:
    """What stands on the backend."""
    model = world.sync.backend.named("m")
    assert model is not None
    (version,) = [one for one in world.sync.backend.versions(model.key) if one.version == "1"]
    return dict(version.tags)


def tellers(world: OperationsWorld) -> set[str]:
    """Who changed versions, by the log."""
    return {entry.actor for entry in world.sync.entries() if entry.action == "version.changed"}


def told(world: OperationsWorld) -> list[str]:
    """What the log says of operations."""
    actions: list[Any] = [str(entry.action) for entry in world.sync.entries()]
    return [one for one in actions if one.startswith("operation.")]


def test_while_a_call_may_still_write_nothing_is_concluded_and_then_it_is_finished(
    world: OperationsWorld, line: HeldRequests
) -> None:
    asked = world.ask(RequestedChange(VERSION, SetTags(TAGS)))
    line.hangs_at, go_round = "c", worker(world)
    for _ in range(5):
        go_round()
        time.sleep(0.03)
        assert world.operation(asked).state == "unknown"
    assert tags_of(world) == {"a": "1", "b": "2"}
    line.hangs_at = ""
    line.goes_on.set()
    until(lambda: len(tags_of(world)) >= 3)

    def ended() -> bool:
        go_round()
        return bool(world.operation(asked).state == "ok")

    until(ended)
    assert tags_of(world) == TAGS
    assert tellers(world) == {"local"}
    assert world.problems() == []


def test_a_call_that_was_given_up_sends_nothing_more(world: OperationsWorld, line: HeldRequests) -> None:
    world.ask(RequestedChange(VERSION, SetTags(TAGS)))
    line.hangs_at, go_round = "b", worker(world)
    go_round()
    line.goes_on.set()
    until(lambda: not [one for one in threading.enumerate() if "set_tags" in one.name])
    assert tags_of(world) == {"a": "1", "b": "2"}


def test_what_was_made_before_a_part_was_refused_is_said_and_told_as_ours(
    world: OperationsWorld, line: HeldRequests
) -> None:
    asked = world.ask(RequestedChange(VERSION, SetTags(TAGS)))
    line.refuses = "c"
    worker(world)()
    found = world.operation(asked)
    assert (found.state, found.error) == (
        "partial", "the tag c is not allowed here; made: a, b; not made: c, d"
    )  # fmt: skip
    assert tags_of(world) == {"a": "1", "b": "2"}
    assert (tellers(world), told(world)) == ({"local"}, ["operation.requested", "operation.partial"])
    assert world.sync.living() == world.sync.truth()


def test_what_was_refused_before_anything_was_made_has_failed(
    world: OperationsWorld, line: HeldRequests
) -> None:
    asked = world.ask(RequestedChange(VERSION, SetTags(TAGS)))
    line.refuses = "a"
    worker(world)()
    found = world.operation(asked)
    assert (found.state, found.error) == ("failed", "the tag a is not allowed here")
    assert tellers(world) == set()


def test_what_a_backend_is_still_doing_is_neither_done_nor_failed(
    world: OperationsWorld, line: HeldRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HastyConfig, "call_timeout", 3600.0)
    asked = world.ask(RequestedChange(VERSION, Delete(), of="version"))
    line.deletes_later, go_round = True, worker(world)
    for _ in range(3):
        go_round()
        assert world.operation(asked).state == "unknown"


def test_a_backend_that_did_not_do_what_it_was_at_is_believed_after_the_time_of_a_call(
    world: OperationsWorld, line: HeldRequests
) -> None:
    asked = world.ask(RequestedChange(VERSION, Delete(), of="version"))
    line.deletes_later, go_round = True, worker(world)

    def ended() -> bool:
        go_round()
        return bool(world.operation(asked).state == "failed")

    until(ended)
    assert world.operation(asked).error == "the backend was asked, and did not make the change"
