"""Which worker carries out what is asked for, and which ones stand aside meanwhile."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from federation.database import now, writing
from federation.leases import Leases
from federation.operations import dispatch
from federation.operations.asking import RequestedChange
from federation.operations.dispatch import Dispatcher
from federation.operations.run import OPERATIONS, OperationContext
from federation.operations.tables import operation
from federation.operations.wanted import SetAlias
from federation.references import Reference
from federation.registries.connections import Connections
from tests.federation.operations.world import OperationsWorld
from tests.federation.sync.world import expire_leases
from tests.patience import until


@pytest.fixture
def dispatcher(world: OperationsWorld) -> Iterator[Dispatcher]:
    """A worker's, whose gateway was asked for something."""
    world.ask(RequestedChange(Reference("memory", "m"), SetAlias("blue", "2")))
    dispatcher = Dispatcher(
        OperationContext(world.sync.engine, Connections(world.sync.adapters), Leases("this worker"))
    )
    yield dispatcher
    dispatcher.close()


def taken(world: OperationsWorld) -> None:
    """Another worker is at them."""
    with writing(world.sync.engine) as connection:
        assert Leases("another worker").take(connection, OPERATIONS, world.sync.registry_id)


def looks(world: OperationsWorld) -> list[object]:
    """Grows by one with every look at the database, for which a connection is taken."""
    found: list[object] = []

    @event.listens_for(world.sync.engine, "checkout")
    def _note(connection: Any, *_: Any) -> None:
        found.append(connection)

    return found


def test_what_nobody_is_at_is_carried_out(world: OperationsWorld, dispatcher: Dispatcher) -> None:
    dispatcher.tick()
    until(lambda: [row.state for row in world.operations()] == ["ok"])


def test_while_another_worker_carries_out_all_there_is_a_worker_stands_aside(
    world: OperationsWorld, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ASIDE", 1000.0)
    taken(world)
    asked = looks(world)
    for _ in range(5):
        dispatcher.tick()
    assert len(asked) == 1
    assert [row.state for row in world.operations()] == ["queued"]


def test_a_worker_that_stood_aside_takes_over_from_one_that_died(
    world: OperationsWorld, dispatcher: Dispatcher
) -> None:
    taken(world)
    dispatcher.tick()
    assert not dispatcher.running
    expire_leases(world.sync.engine)

    def done() -> bool:
        dispatcher.tick()
        return [row.state for row in world.operations()] == ["ok"]

    until(done)


def test_what_was_put_off_before_the_clock_was_set_back_is_carried_out(
    world: OperationsWorld, dispatcher: Dispatcher
) -> None:
    ahead = now() + timedelta(hours=1)
    with writing(world.sync.engine) as connection:
        connection.execute(update(operation).values(due_at=ahead, requested_at=ahead))
        assert Leases("one that died", lambda: ahead).take(connection, OPERATIONS, world.sync.registry_id)
    dispatcher.tick()
    until(lambda: [row.state for row in world.operations()] == ["ok"])
