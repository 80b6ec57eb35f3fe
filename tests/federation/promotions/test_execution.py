"""What fails half-way is undone; what cannot be undone now is stuck, and settles once the backend answers."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import InvalidError
from federation.access import EVERYTHING, LOCAL
from federation.database import now, reading, writing
from federation.operations import run
from federation.operations.tables import operation
from federation.policies.policies import Policy
from federation.promotions import execution
from tests.federation.operations.world import CutOffAdapter
from tests.federation.promotions.world import PromotionsWorld, version


def held_twice(world: PromotionsWorld) -> None:
    """Version 1 is in production by its native stage too: whoever takes its alias has to end that as well."""
    sync = world.operations.sync
    sync.change(sync.version("m", "1"), stage="Production")
    sync.sync()


def refuse(patch: pytest.MonkeyPatch, name: str) -> None:
    def refused(*_: object, **__: object) -> None:
        raise InvalidError("not today")

    patch.setattr(CutOffAdapter, name, refused)


def aliases(world: PromotionsWorld) -> Any:
    model = world.operations.sync.backend.named("m")
    assert model is not None
    return model.aliases


def test_what_was_made_is_undone_when_a_later_step_fails(
    world: PromotionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_twice(world)
    refuse(monkeypatch, "set_stage")
    seen = world.promotions.propose(LOCAL, version("3"), "production", "better")
    world.settle()
    assert (world.state(seen), aliases(world)) == ("failed", {"champion": "1"})
    assert "not today: what was made of it was undone" in world.rows()[0].message
    kinds = [row.kind for row in world.operations.operations()]
    assert kinds == ["set_alias", "set_stage", "set_alias"]


def test_what_cannot_be_undone_is_stuck_and_settles_once_the_backend_lets_it(
    world: PromotionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_twice(world)
    with monkeypatch.context() as patch:
        refuse(patch, "set_stage")
        seen = world.promotions.propose(LOCAL, version("3"), "production", "better")
        world.step()
        world.operations.settle()
        refuse(patch, "set_alias")
        for _ in range(3):
            world.hurry()
            world.step()
            world.operations.settle()
        assert (world.state(seen), aliases(world)) == ("stuck", {"champion": "3"})
        told = world.promotions.show(EVERYTHING, seen.promotion.id).promotion.message
        assert (
            "memory/m:3 still has champion '3', which could not be taken back yet; it goes on by itself"
            in told
        )
    world.settle()
    assert (world.state(seen), aliases(world)) == ("failed", {"champion": "1"})
    assert world.operations.sync.actions().count("promotion.stuck") == 1


def test_what_nobody_knows_of_is_stuck_and_goes_on_once_the_backend_answers(
    world: PromotionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "STUCK_AFTER", timedelta(0))
    seen = world.promotions.propose(LOCAL, version("2"), "production", "better")
    world.step()
    world.operations.work(die_at="answered")  # it was written, and whoever knows is dead
    world.operations.faults.is_away = True
    with monkeypatch.context() as patch:
        patch.setattr(run, "PAUSES", (60.0,))
        world.operations.work()
    waits = world.promotions.propose(LOCAL, version("3"), "production", "better still")
    for _ in range(2):
        world.hurry()
        world.step()
    told = world.promotions.show(EVERYTHING, seen.promotion.id).promotion
    assert told.state == "stuck"
    assert told.message.startswith(
        "whether memory/m:2 has champion '2' is not known: the backend is away; it goes"
    )
    first = world.promotions.show(EVERYTHING, waits.promotion.id).promotion.message
    assert first == f"promotion {told.id} brings memory/m:2 to production first"
    with writing(world.engine) as connection:
        connection.execute(update(operation).values(due_at=now()))
    world.settle()
    assert (world.state(seen), world.state(waits)) == ("done", "done")
    assert world.operations.sync.actions().count("promotion.stuck") == 1


def test_what_others_have_changed_meanwhile_is_left(
    world: PromotionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_twice(world)
    refuse(monkeypatch, "set_stage")
    seen = world.promotions.propose(LOCAL, version("3"), "production", "better")
    world.step()
    world.operations.settle()
    sync = world.operations.sync
    model = sync.backend.named("m")
    assert model is not None
    sync.change(model, aliases={"champion": "2"})
    world.settle()
    assert (world.state(seen), aliases(world)) == ("failed", {"champion": "2"})


@pytest.mark.parametrize("point", ["deciding", "decided", "begun", "finished"])
def test_a_worker_that_dies_anywhere_leaves_one_execution(world: PromotionsWorld, point: str) -> None:
    seen = world.promotions.propose(LOCAL, version("2"), "production", "better")
    world.step(die_at=point)
    world.operations.work(die_at=point)
    world.settle()
    assert (world.state(seen), world.stage("2")) == ("done", "production")
    with reading(world.engine) as connection:
        assert connection.execute(select(operation.c.kind)).scalars().all() == ["set_alias"]
    assert world.operations.problems() == []


def test_the_backend_is_read_once_more_before_anything_is_carried_out(world: PromotionsWorld) -> None:
    world.apply(Policy("guard", "*", metrics=("auc >= 0.8",)))
    seen = world.promotions.propose(LOCAL, version("2"), "production", "better")
    world.operations.faults.is_away = True
    for _ in range(3):
        world.hurry()
        world.step()
    assert (world.state(seen), "the backend is away" in world.rows()[0].message) == ("approved", True)
    world.operations.faults.is_away = False
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), metrics={"auc": 0.5})  # nobody has looked since
    world.settle()
    assert (world.state(seen), world.stage("2")) == ("waiting", "staging")
    sync.change(sync.version("m", "2"), metrics={"auc": 0.9})
    sync.sync()
    world.settle()
    assert (world.state(seen), world.stage("2"), world.rows()[0].message) == ("done", "production", "")
