"""Connections: one open adapter for each registry, shared by all that call it, closed when its last call is back."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from sqlalchemy import Row, select, update

from adapters import AdapterConfig, BackendInfo, Key, NotFoundError, Page, TransientError
from adapters.discovery import Discovered, Plugin, discover
from adapters.memory import MemoryAdapter, MemoryConfig
from federation import tables
from federation.database import reading, writing
from federation.leases import Leases
from federation.operations.asking import RequestedChange
from federation.operations.run import OperationContext, work
from federation.operations.wanted import SetAlias
from federation.references import Reference
from federation.registries.connections import Connections, ReplacedError
from federation.sync.details import read_details
from tests.federation.operations.world import OperationsWorld, make_operations_world
from tests.patience import until

PATIENCE = 30.0


@dataclass
class Life:
    """What became of the adapters of one registry."""

    opened: int = 0
    closed: int = 0
    calls: list[str] = field(default_factory=list)


class CountedAdapter(MemoryAdapter):
    """The in-memory adapter, which tells of its life."""

    life: ClassVar[Life]

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        self.life.opened += 1

    def probe(self) -> BackendInfo:
        self.life.calls.append("probe")
        return super().probe()

    def get(self, key: Key) -> Any:
        self.life.calls.append("get")
        return super().get(key)

    def close(self) -> None:
        self.life.closed += 1


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def world(database: str, life: Life) -> Iterator[OperationsWorld]:
    made = make_operations_world(database)
    counted = type("Counted", (CountedAdapter,), {"life": life})
    plugins = {**discover().plugins, "memory": Plugin("memory", "this test", lambda: counted)}
    made.sync.adapters = Discovered(plugins)
    made.sync.context.connections = Connections(made.sync.adapters)
    made.sync.model("m", "1", "2")
    yield made
    made.close()


@pytest.fixture
def connections(world: OperationsWorld) -> Connections:
    return world.sync.context.connections


def row(world: OperationsWorld) -> Row[Any]:
    with reading(world.sync.engine) as connection:
        return connection.execute(select(tables.registry)).one()


def changed(world: OperationsWorld) -> Row[Any]:
    """The registry's row under a newer generation."""
    with writing(world.sync.engine) as connection:
        connection.execute(update(tables.registry).values(generation=tables.registry.c.generation + 1))
    return row(world)


def absent(name: str) -> Callable[[Any], Any]:
    return lambda adapter: adapter.get(Key("model", name))


def test_runs_details_operations_and_snippets_use_one_adapter(
    world: OperationsWorld, connections: Connections, life: Life
) -> None:
    assert world.sync.sync() == "ok"
    read_details(world.sync.context, world.sync.registry_id, 10)
    world.ask(RequestedChange(Reference("memory", "m"), SetAlias("blue", "2")))
    context = OperationContext(world.sync.engine, connections, Leases("worker"))
    assert work(context, world.sync.registry_id) == 1
    assert [one.state for one in world.operations()] == ["ok"]
    with connections.to(row(world)) as connection:
        connection.adapter.snippets("m", world.sync.version("m", "1"))
    assert (life.opened, life.closed, life.calls.count("probe")) == (1, 0, 1)
    connections.close()
    assert life.closed == 1


def test_one_whose_configuration_changed_is_closed_when_its_last_call_is_back(
    world: OperationsWorld, connections: Connections, life: Life
) -> None:
    before, after = row(world), changed(world)
    with connections.to(before) as one:
        with connections.to(after) as other:
            assert one is not other
            assert (life.opened, life.closed) == (2, 0)
        with connections.to(before) as again:  # who has read an older row gets the newer one too
            assert again is other
        with pytest.raises(NotFoundError):
            one.call("get", absent("x"))
    assert (life.opened, life.closed) == (2, 1)


def test_one_with_a_call_that_hangs_is_closed_when_that_comes_back(
    world: OperationsWorld, connections: Connections, life: Life
) -> None:
    over = threading.Event()
    before, after = row(world), changed(world)
    with connections.to(before) as connection:
        connection.deadline = 0.05
        with pytest.raises(TransientError, match="did not come back"):
            connection.call("scan", lambda adapter: over.wait(PATIENCE))
    with connections.to(after):
        pass
    assert life.closed == 0
    over.set()
    until(lambda: life.closed == 1)
    until(lambda: connections.abandoned.count == 0)


def test_threads_that_come_at_once_get_one_adapter(
    world: OperationsWorld, connections: Connections, life: Life
) -> None:
    registry, gate, got = row(world), threading.Barrier(8), list[object]()

    def come() -> None:
        gate.wait(PATIENCE)
        with connections.to(registry) as connection:
            got.append(connection)
            gate.wait(PATIENCE)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert life.opened - life.closed == 1


def test_who_answers_is_asked_once_until_something_fails(
    world: OperationsWorld, connections: Connections, life: Life
) -> None:
    def away(adapter: Any) -> None:
        raise TransientError("away")

    with connections.to(row(world)) as connection:
        for _ in range(3):
            assert connection.identify(row(world)).identity is not None
        with pytest.raises(NotFoundError):
            connection.call("get", absent("x"))
        connection.identify(row(world))
        assert life.calls.count("probe") == 1
        with pytest.raises(TransientError):
            connection.call("get", away)
        connection.identify(row(world))
        assert life.calls.count("probe") == 2
        connection.identify(row(world), anew=True)
        assert life.calls.count("probe") == 3


def test_another_backend_is_refused(world: OperationsWorld, connections: Connections) -> None:
    assert world.sync.sync() == "ok"
    world.sync.backend.identity = "somebody else's"
    with connections.to(row(world)) as connection:
        connection.forget()
        with pytest.raises(ReplacedError, match="another one than before"):
            connection.identify(row(world))


@pytest.mark.parametrize(("timeout", "deadline"), [(None, 120.0), (1.0, 60.0), (90.0, 360.0)])
def test_the_deadline_of_a_call_follows_from_the_configuration(
    world: OperationsWorld, connections: Connections, timeout: float | None, deadline: float
) -> None:
    given = {} if timeout is None else {"timeout": timeout}
    with writing(world.sync.engine) as connection:
        config = {**row(world).config, **given}
        connection.execute(update(tables.registry).values(config=config))
    with connections.to(row(world)) as found:
        assert found.deadline == deadline
    assert AdapterConfig(**given).call_timeout == deadline


def test_a_page_of_a_scan_keeps_no_operation_waiting(
    world: OperationsWorld, connections: Connections
) -> None:
    assert world.sync.sync() == "ok"
    begun, over = threading.Event(), threading.Event()

    def scan(adapter: Any) -> Page:
        begun.set()
        assert over.wait(PATIENCE)
        return Page(())

    def run() -> None:
        with connections.to(row(world)) as connection:
            connection.call("scan", scan)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(PATIENCE)
    world.ask(RequestedChange(Reference("memory", "m"), SetAlias("blue", "2")))
    work(OperationContext(world.sync.engine, connections, Leases("worker")), world.sync.registry_id)
    assert [one.state for one in world.operations()] == ["ok"]
    over.set()
    thread.join()
