"""Who holds a registry's lease, and for how long: a restarted worker, a slow backend, another worker."""

import threading
from datetime import timedelta

from sqlalchemy import update

from federation import tables
from federation.database import now, reading, writing
from federation.sync import lease, schedule
from federation.sync.schedule import Scheduler
from tests.federation.sync.world import World
from tests.patience import until


def test_a_restarted_worker_goes_on_at_once_with_what_it_held(world: World) -> None:
    world.model("m", "1")
    with writing(world.engine) as connection:
        schedule.request(connection, world.registry_id, full=False)
        assert lease.take(connection, world.registry_id, world.context.owner, now()) is not None
    scheduler = Scheduler(world.context, by_schedule=False)
    scheduler.tick()
    until(lambda: world.registry().last_success_at is not None)
    scheduler.close()
    assert world.living() == world.truth()


def test_a_worker_leaves_alone_what_another_one_holds(world: World) -> None:
    with writing(world.engine) as connection:
        schedule.request(connection, world.registry_id, full=False)
        assert lease.take(connection, world.registry_id, "another", now()) is not None
    scheduler = Scheduler(world.context, by_schedule=False)
    scheduler.tick()
    assert scheduler.running == {}
    scheduler.close()
    assert world.registry().lease_owner == "another"


def test_a_slow_backend_loses_its_lease_to_nobody(world: World) -> None:
    world.model("m", "1")
    called, over = threading.Event(), threading.Event()

    def think(call: str) -> None:
        if call == "scan":
            called.set()
            assert over.wait(30)

    world.backend.before = think
    scheduler = Scheduler(world.context)
    scheduler.tick()
    assert called.wait(30)
    with writing(world.engine) as connection:
        connection.execute(update(tables.registry).values(lease_until=now() - timedelta(seconds=1)))
    scheduler.tick()
    with reading(world.engine) as connection:
        assert lease.holder(connection, world.registry_id, now()) == world.context.owner
    over.set()
    until(lambda: world.registry().last_success_at is not None)
    scheduler.close()
    assert world.living() == world.truth()
