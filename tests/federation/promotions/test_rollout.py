"""Traffic comes to a version by steps, goes on after a crash, and goes back when a gate fails or somebody says so."""

import pytest
from sqlalchemy import update

from adapters import EndpointRecord, Key, Traffic
from federation import tables
from federation.access import EVERYTHING, LOCAL
from federation.database import writing
from federation.errors import StateError
from federation.policies.policies import Policy, PolicyError, RolloutTerms, check
from federation.promotions.rollout import shared
from tests.federation.promotions.world import MODEL, PromotionsWorld, version

GATE = "command:./probe"
ROLLING = Policy("roll", "*", rollout=RolloutTerms((10, 100), "0m", (GATE,)))
ENDPOINT = Key("endpoint", "e")


@pytest.fixture
def serving(world: PromotionsWorld) -> PromotionsWorld:
    """Version 1 serves at an endpoint that holds version 2 as well."""
    sync = world.operations.sync
    traffic = (Traffic(sync.version("m", "1").key, 100.0), Traffic(sync.version("m", "2").key, 0.0))
    sync.backend.put(EndpointRecord(key=ENDPOINT, name="e", traffic=traffic))
    sync.sync()
    world.apply(ROLLING)
    return world


def shares(world: PromotionsWorld) -> list[float]:
    """What versions 1 and 2 get of the traffic, as the backend has it."""
    record = world.operations.sync.backend.records[ENDPOINT]
    assert isinstance(record, EndpointRecord)
    return [one.percent for one in record.traffic]


def test_traffic_comes_by_steps(serving: PromotionsWorld) -> None:
    plan = serving.promotions.plan(LOCAL, version("3"), "production")
    assert [(one.name, one.verdict) for one in plan.checks] == [("rollout", "no")]
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    serving.settle()
    assert (serving.state(seen), serving.stage("2"), shares(serving)) == ("done", "production", [0.0, 100.0])
    assert [row.kind for row in serving.operations.operations()] == [
        "set_alias",
        "set_traffic",
        "set_traffic",
    ]
    assert serving.operations.sync.actions().count("promotion.rolled") == 2
    assert serving.operations.problems() == []


def test_a_way_back_gives_the_traffic_back_at_once(serving: PromotionsWorld) -> None:
    serving.promotions.propose(LOCAL, version("2"), "production", "better")
    serving.settle()
    assert shares(serving) == [0.0, 100.0]
    back = serving.promotions.roll_back(LOCAL, MODEL, "it fails", stage="production")
    serving.settle()
    assert (serving.state(back), serving.stage("1"), shares(serving)) == ("done", "production", [100.0, 0.0])
    assert serving.operations.problems() == []


def test_traffic_comes_also_to_what_is_in_production_by_a_part_of_it(serving: PromotionsWorld) -> None:
    with writing(serving.engine) as connection:
        rules = {"production": ["alias:champion", "deployed"]}
        connection.execute(update(tables.registry).values(stages=rules))
    sync = serving.operations.sync
    traffic = (Traffic(sync.version("m", "1").key, 90.0), Traffic(sync.version("m", "2").key, 10.0))
    sync.backend.put(EndpointRecord(key=ENDPOINT, name="e", traffic=traffic))
    sync.sync()
    assert (serving.stage("1"), serving.stage("2")) == ("production", "production")
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    serving.settle()
    assert (serving.state(seen), serving.stage("1"), shares(serving)) == ("done", "none", [0.0, 100.0])
    with pytest.raises(StateError, match="is production already"):
        serving.promotions.propose(LOCAL, version("2"), "production", "better")
    back = serving.promotions.roll_back(LOCAL, MODEL, "it fails", stage="production")
    serving.settle()
    assert (serving.state(back), serving.stage("1"), shares(serving)) == ("done", "production", [90.0, 10.0])
    told = serving.promotions.show(EVERYTHING, back.promotion.id).promotion.message
    assert told == "requests still go to 2, which stays production as long as they do"


def test_a_gate_that_fails_puts_the_former_shares_back(serving: PromotionsWorld) -> None:
    serving.gates[GATE] = "it ended with 1"
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    serving.settle()
    assert (serving.state(seen), serving.stage("1"), shares(serving)) == (
        "failed",
        "production",
        [100.0, 0.0],
    )
    message = serving.rows()[0].message
    assert message == f"at 10 %: the gate {GATE} fails: it ended with 1: what was made of it was undone"
    assert serving.promotions.show(EVERYTHING, seen.promotion.id).shares == {"e": 0.0}


def test_what_cannot_be_put_back_is_named_apart_from_the_shares_that_were(serving: PromotionsWorld) -> None:
    with writing(serving.engine) as connection:
        connection.execute(update(tables.registry).values(stages={"production": ["lifecycle:Live"]}))
    serving.gates[GATE] = "it ended with 1"
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    serving.settle()
    assert (serving.state(seen), shares(serving)) == ("failed", [100.0, 0.0])
    assert serving.rows()[0].message == (
        f"at 10 %: the gate {GATE} fails: it ended with 1: what could be undone was; "
        "memory/m:2 keeps lifecycle 'Live': put it back by hand"
    )


def test_somebody_stops_it(serving: PromotionsWorld) -> None:
    serving.apply(Policy("roll", "*", rollout=RolloutTerms((10, 100), "1h")))
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    with pytest.raises(StateError, match="moves no traffic"):
        serving.promotions.say(LOCAL, seen.promotion.id, "stop", "too slow")
    for _ in range(6):
        serving.hurry()
        serving.step()
        serving.operations.settle()
    assert (serving.state(seen), shares(serving)) == ("executing", [90.0, 10.0])
    assert serving.promotions.show(EVERYTHING, seen.promotion.id).shares == {"e": 10.0}
    shown = serving.promotions.say(LOCAL, seen.promotion.id, "stop", "too slow")
    assert shown.promotion.rollout is not None
    serving.settle()
    assert (serving.state(seen), shares(serving), serving.stage("2")) == ("failed", [100.0, 0.0], "staging")


@pytest.mark.parametrize("point", ["deciding", "decided", "begun", "answered", "finished"])
def test_it_goes_on_after_a_crash(serving: PromotionsWorld, point: str) -> None:
    seen = serving.promotions.propose(LOCAL, version("2"), "production", "better")
    for _ in range(6):
        serving.hurry()
        serving.step(die_at=point)
        serving.start_again()
        serving.operations.work(die_at=point)
        serving.step()
    serving.settle()
    assert (serving.state(seen), shares(serving)) == ("done", [0.0, 100.0])


def test_shares_are_whole_and_add_up() -> None:
    former = {"a": 50.0, "b": 25.0, "c": 25.0, "new": 0.0}
    assert shared(former, "new", 5) == {"a": 47.0, "b": 24.0, "c": 24.0, "new": 5.0}
    assert shared({"a": 33.4, "b": 33.3, "new": 33.3}, "new", 1)["new"] >= 33.0
    assert shared({"a": 0.0, "new": 0.0}, "new", 5) == {"a": 0.0, "new": 100.0}
    for percent in range(1, 101):
        assert sum(shared(former, "new", percent).values()) == 100


@pytest.mark.parametrize(
    "terms",
    [
        RolloutTerms((5, 50)),
        RolloutTerms((5, 5, 100)),
        RolloutTerms((100,), "soon"),
        RolloutTerms((100,), gates=("ls",)),
    ],
    ids=str,
)
def test_a_rollout_that_cannot_be_is_refused(terms: RolloutTerms) -> None:
    with pytest.raises(PolicyError):
        check(Policy("roll", "*", rollout=terms))
