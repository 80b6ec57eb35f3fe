"""What rules would archive and delete, why all else is kept, and that only what was shown is done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import EndpointRecord, Key, Traffic
from federation.access import EVERYTHING, LOCAL, NOTHING, View
from federation.followers import Followers
from federation.graph.follower import GraphFollower
from federation.operations.operations import Operations
from federation.policies.policies import Policy, Quorum
from federation.retention.retention import Due, Retention, RetentionRule
from tests.federation.operations.world import hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, no_graph, version

TIDY = RetentionRule(
    "*",
    archive="stage:staging and age > 0m and not promoted",
    delete="stage:archived and age > 0m",
    hold=("tag:legal_hold=true", "replaced < 30d"),
)


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromotionsWorld]:
    """Version 1 is in production, 2 in staging; 3 was archived, and 4 to 6 as well: 4 serves, 5 is needed by another
    model, 6 is held.
    """
    hurry(monkeypatch)
    made = make_promotions_world(database)
    sync = made.operations.sync
    model = sync.backend.named("m")
    assert model is not None
    for name in "456":
        sync.backend.add_version(model, name, stage="None")
    for name in "3456":
        sync.change(sync.version("m", name), stage="Archived")
    sync.change(sync.version("m", "2"), stage="Staging")
    sync.change(sync.version("m", "6"), tags={"legal_hold": "true"})
    sync.model("n", "1")
    sync.change(sync.version("n", "1"), tags={"depends_on": "m:5"})
    sync.backend.put(
        EndpointRecord(
            key=Key("endpoint", "e"), name="e", traffic=(Traffic(sync.version("m", "4").key, 100.0),)
        )
    )
    sync.sync()
    yield made
    made.operations.close()


@pytest.fixture
def asking(world: PromotionsWorld) -> Iterator[Operations]:
    face = Operations(world.engine, world.operations.sync.adapters, no_graph)
    yield face
    face.close()


@pytest.fixture
def retention(world: PromotionsWorld, asking: Operations, tmp_path: Path) -> Retention:
    Followers({"graph": GraphFollower(world.engine, tmp_path / "graph")}).catch_up()
    return Retention(world.engine, [TIDY], world.promotions, asking)


def planned(face: Retention, view: View = EVERYTHING, under: str = "") -> dict[str, Due]:
    found, onward = face.plan(view, under, None, 100)
    assert onward is None
    return {one.ref: one for one in found}


def why(face: Retention, name: str, view: View = EVERYTHING) -> list[str]:
    return list(planned(face, view)[f"memory/m:{name}"].why)


def test_each_version_says_what_becomes_of_it(retention: Retention) -> None:
    found = planned(retention)
    assert {ref: (one.does, one.rule) for ref, one in found.items() if one.does != "keep"} == {
        "memory/m:2": ("archive", TIDY.archive),
        "memory/m:3": ("delete", TIDY.delete),
    }
    assert why(retention, "1") == [
        "production: by alias:champion",
        "no rule: none archives or deletes it as it is",
    ]
    assert why(retention, "4") == ["endpoint: it serves"]
    assert why(retention, "5") == ["dependants: memory/n:1"]
    assert why(retention, "6") == ["hold: tag:legal_hold=true"]
    assert planned(retention, under="memory/n").keys() == {"memory/n:1"}
    assert planned(retention, NOTHING) == {}


def test_rules_are_told_to_who_may_see_something_that_they_may_be_on(
    world: PromotionsWorld, asking: Operations
) -> None:
    own = ["*", "team:risk", "registry:memory", "memory/m", "tag:tier=gold"]
    others = ["team:other", "registry:other", "other/m"]
    rules = [RetentionRule(on, hold=("promoted",)) for on in own + others]
    face = Retention(world.engine, rules, world.promotions, asking)
    assert [one.on for one in face.rules(EVERYTHING)] == own + others
    assert [one.on for one in face.rules(View.of([world.operations.sync.registry().id]))] == own
    assert face.rules(NOTHING) == []


def test_what_is_too_young_or_unknown_is_kept(world: PromotionsWorld, asking: Operations) -> None:
    young = Retention(
        world.engine,
        [RetentionRule("memory/m", archive="stage:staging and age > 30d")],
        world.promotions,
        asking,
    )
    assert why(young, "2") == ["unknown: archive wants age > 30d"]  # it was so at the first look
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), stage="None")
    sync.sync()
    sync.change(sync.version("m", "2"), stage="Staging")
    sync.sync()
    assert why(young, "2") == ["too young: archive wants age > 30d"]
    held = Retention(world.engine, [TIDY], world.promotions, asking)
    sync.change(sync.version("m", "2"), stage="Archived")
    model = sync.backend.named("m")
    assert model is not None
    sync.change(model, aliases={"champion": "2"})
    sync.sync()
    sync.change(sync.version("m", "1"), stage="Archived")
    sync.sync()
    assert why(held, "1") == ["hold: replaced < 30d"]


def test_what_was_shown_is_done_under_the_policies(world: PromotionsWorld, retention: Retention) -> None:
    world.apply(Policy("careful", "*", stage="archived", approvals=(Quorum(1),)))
    deleted = version("3")
    refused = retention.apply(LOCAL, [(deleted, "delete")])[0].refused
    assert "guarded by policy careful" in refused
    world.apply(Policy("careful", "memory/m", stage="archived", approvals=(Quorum(1),)))
    ann = world.person("ann", "approver")
    (asked,) = retention.apply(ann, [(version("2"), "archive")])
    world.settle()
    shown = world.promotions.show(EVERYTHING, asked.promotion or 0)
    assert (shown.promotion.state, shown.promotion.reason) == ("waiting", f"retention: {TIDY.archive}")
    assert why(retention, "2") == [f"promotion: {asked.promotion} of it has not ended"]
    world.apply()
    world.settle()
    assert world.stage("2") == "archived"
    (done,) = retention.apply(ann, [(deleted, "delete")])
    world.operations.settle()
    assert (done.operation is not None, world.operations.sync.backend.named("m") is not None) == (True, True)
    assert "memory/m:3" not in planned(retention)
    assert world.operations.sync.actions().count("retention.applied") == 2


def test_what_is_no_longer_due_is_left(world: PromotionsWorld, retention: Retention) -> None:
    sync = world.operations.sync
    sync.change(sync.version("m", "3"), tags={"legal_hold": "true"})
    sync.sync()
    reader = world.person("ron", "viewer")
    chosen = [
        (version("3"), "delete"),
        (version("2"), "delete"),
        (version("9"), "delete"),
        (version("2"), "archive"),
    ]
    found = [one.refused for one in retention.apply(reader, chosen)]  # type: ignore[arg-type]
    assert "hold: tag:legal_hold=true" in found[0]
    assert "archive is due" in found[1]
    assert all(found)
    assert world.moving() == []
    assert world.operations.operations() == []
