"""Everything that the journal tells of policies and promotions, once."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters import EndpointRecord, Key, Traffic
from federation.database import now, writing
from federation.operations.operations import Operations
from federation.policies.policies import Policy, Quorum, RolloutTerms
from federation.promotions.promotions import reported
from federation.promotions.tables import promotion
from federation.retention.retention import Retention, RetentionRule
from federation.statements.statements import Statements
from tests.federation.promotions.test_execution import held_twice, refuse
from tests.federation.promotions.world import PromotionsWorld, no_graph, version


def happen(world: PromotionsWorld, patch: pytest.MonkeyPatch) -> None:
    """Policies come, change and go; promotions end in every way."""
    world.apply(Policy("guard", "*", approvals=(Quorum(1),), require_checks=("ci",)))
    ann, bo = world.person("ann", "contributor"), world.person("bo", "approver", "attester", "emergency")
    cy, face = world.person("cy", "approver"), world.promotions

    def proposed(name: str) -> int:
        return face.propose(ann, version(name), "production", "better").promotion.id

    one = proposed("2")
    face.say(bo, one, "comment", "let us see")
    face.report(bo, one, reported("ci", "yes", "", {}, ""))
    checked = b'{"maker": "ci", "name": "validation", "verdict": "yes"}'
    Statements(world.engine).state(bo, version("2"), "check", checked)
    Statements(world.engine).comment(ann, version("2"), "it drifts on Sundays")
    face.say(bo, one, "approve", "yes")
    world.settle()
    face.say(bo, proposed("3"), "reject", "no")
    face.say(ann, proposed("3"), "cancel", "a mistake")
    proposed("3")
    with writing(world.engine) as connection:
        connection.execute(update(promotion).values(expires_at=now() - timedelta(seconds=1)))
    world.settle()
    two = proposed("3")
    face.report(bo, two, reported("ci", "yes", "", {}, ""))
    face.say(bo, two, "approve", "yes")
    world.apply(Policy("guard", "*", approvals=(Quorum(2),)))
    world.settle()
    three = face.propose(bo, version("1"), "production", "fire", emergency=True).promotion.id
    world.settle()
    face.say(cy, three, "review", "fine")
    world.apply()
    held_twice(world)
    with patch.context() as broken:
        refuse(broken, "set_stage")
        face.propose(bo, version("3"), "production", "better")
        world.step()
        world.operations.settle()
        refuse(broken, "set_alias")
        for _ in range(3):
            world.hurry()
            world.step()
            world.operations.settle()
    world.settle()
    asking = Operations(world.engine, world.operations.sync.adapters, no_graph)
    rules = [RetentionRule("*", archive="created > 0m")]
    (tidied,) = Retention(world.engine, rules, face, asking).apply(bo, [(version("2"), "archive")])
    assert not tidied.refused
    asking.close()
    world.settle()
    world.apply(Policy("guard", "*", approvals=(Quorum(1),)))
    sync = world.operations.sync
    model = sync.backend.named("m")
    assert model is not None
    sync.change(model, aliases={"champion": "2"})
    sync.sync()
    traffic = (Traffic(sync.version("m", "2").key, 100.0), Traffic(sync.version("m", "1").key, 0.0))
    sync.backend.put(EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=traffic))
    sync.sync()
    world.apply(Policy("guard", "*", rollout=RolloutTerms((100,), "0m")))
    face.propose(bo, version("1"), "production", "better")
    world.settle()
