"""What depends on a version, and who else has its artifact."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import Column, Schema
from federation.access import LOCAL, NOTHING
from federation.errors import DeniedError
from federation.followers import Followers
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph
from federation.policies.policies import Policy
from federation.promotions.case import CheckResult
from tests.federation.operations.world import hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, version

OLD = Schema(inputs=(Column("x", "double"),), outputs=(Column("y", "double"),))
NEW = Schema(inputs=(Column("x", "double"),), outputs=())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromotionsWorld]:
    """The model with somebody who needs it by its alias: version 3 no longer gives what that one reads."""
    hurry(monkeypatch)
    graphs: list[Graph] = []
    made = make_promotions_world(f"sqlite:///{tmp_path / 'waypost.db'}", lambda: graphs[0])
    sync = made.operations.sync
    for name, schema in (("1", OLD), ("2", OLD), ("3", NEW)):
        sync.change(sync.version("m", name), schema=schema)
    other = sync.model("n", "1", aliases={"champion": "1"})
    sync.change(other, aliases={"champion": "1"})
    sync.change(
        sync.version("n", "1"), tags={"depends_on": "m@champion"}, owner="ona", artifact_digest="sha256:3"
    )
    sync.sync()
    Followers({"graph": GraphFollower(made.engine, tmp_path / "graph")}).catch_up()
    graphs.append(Graph(made.engine, tmp_path / "graph"))
    yield made
    made.operations.close()


def said(world: PromotionsWorld, policy: Policy, name: str) -> dict[str, CheckResult]:
    world.apply(policy, **{"memory:ona": "subject:ona"})
    judged = world.promotions.plan(LOCAL, version(name), "production")
    return {one.name: one for one in judged.checks}


def test_what_breaks_is_told_and_its_owners_must_agree(world: PromotionsWorld) -> None:
    assert said(world, Policy("p", "*", impact="no-breaking"), "2")["impact"].verdict == "yes"
    found = said(world, Policy("p", "*", impact="no-breaking"), "3")["impact"]
    assert (found.verdict, found.seen.endswith("; memory/n:1 breaks")) == ("no", True)
    assert said(world, Policy("p", "*", impact="none"), "3")["impact"].verdict == "no"
    assert said(world, Policy("p", "*", impact="acknowledged"), "3")["impact"].verdict == "yes"
    seen = world.promotions.propose(world.person("ann", "contributor"), version("3"), "production", "better")
    world.settle()
    assert world.state(seen) == "waiting"
    world.promotions.say(world.person("ona", "viewer"), seen.promotion.id, "approve", "we are ready")
    world.settle()
    assert (world.state(seen), world.stage_of("m", "3")) == ("done", "production")


def test_an_owner_whom_nobody_knows_cannot_agree(world: PromotionsWorld) -> None:
    world.apply(Policy("p", "*", impact="acknowledged"))
    [found] = world.promotions.plan(LOCAL, version("3"), "production").checks
    assert (found.verdict, "nobody is known who owns memory/n:1" in found.seen) == ("unknown", True)
    assert world.promotions.plan(LOCAL, version("3"), "production").within(NOTHING).checks[0].seen == (
        "decided over all registries"
    )
    seen = world.promotions.propose(world.person("ann", "contributor"), version("3"), "production", "better")
    with pytest.raises(DeniedError):
        world.promotions.say(world.person("ona", "viewer"), seen.promotion.id, "approve", "")


def test_another_model_with_the_same_artifact_is_found(world: PromotionsWorld) -> None:
    assert said(world, Policy("p", "*", duplicates="deny"), "2")["duplicates"].verdict == "yes"
    found = said(world, Policy("p", "*", duplicates="deny"), "3")["duplicates"]
    assert (found.verdict, found.seen) == ("no", "memory/n:1 has it")
