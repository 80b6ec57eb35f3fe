"""What is said of a registry without looking at its runs."""

from sqlalchemy import update

from federation import tables
from federation.access import EVERYTHING
from federation.database import reading, writing
from federation.registries.states import RegistryState, read_registries
from federation.sync import schedule
from tests.federation.sync.world import World


def state(world: World) -> RegistryState:
    with reading(world.engine) as connection:
        return read_registries(connection, EVERYTHING)[0]


def test_calls_and_throttles_are_those_of_the_last_run_that_ended(world: World) -> None:
    assert (state(world).calls, state(world).throttled) == (0, 0)
    world.model("m", "1")
    world.sync()
    last = world.rows(tables.sync)[-1].counts
    assert state(world).calls == last["calls"]
    with writing(world.engine) as connection:
        connection.execute(update(tables.sync).values(counts={"calls": 7, "throttled": 2}))
        schedule.request(connection, world.registry_id, full=False)
    assert (state(world).calls, state(world).throttled) == (7, 2)
