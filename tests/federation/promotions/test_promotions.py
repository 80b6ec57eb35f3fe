"""Proposing, agreeing, carrying out, and the way back."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from federation.access import LOCAL
from federation.database import now, writing
from federation.errors import DeniedError, PreconditionError, StateError
from federation.operations.asking import Become, RequestedChange
from federation.operations.wanted import Delete, Register, SetAlias, SetTags, Wanted
from federation.policies.policies import Policy, PromotionRequiredError, Quorum
from federation.policies.policy import DAYS
from federation.promotions.promotions import ShownPromotion, reported
from federation.promotions.tables import promotion
from tests.federation.promotions.world import MODEL, PromotionsWorld, version

GUARD = Policy("guard", "*", approvals=(Quorum(1),))


def propose(world: PromotionsWorld, name: str = "2", who: str = "ann") -> ShownPromotion:
    return world.promotions.propose(
        world.person(who, "contributor"), version(name), "production", "it is better"
    )


def test_what_everybody_agreed_to_is_carried_out_and_read_back(world: PromotionsWorld) -> None:
    policy = Policy(
        "risk", "team:risk", from_stage="staging", require=("artifact_digest",), metrics=("auc >= production.auc",),
        approvals=(Quorum(1), Quorum(1, ("group:legal",))), archive_previous=True,
    )  # fmt: skip
    world.apply(policy)
    bo, cy = world.person("bo", "approver"), world.person("cy", "viewer", groups=["legal"])
    seen = propose(world)
    world.settle()
    assert world.state(seen) == "waiting"
    assert {one.verdict for one in seen.judgement.checks} == {"yes"}  # type: ignore[union-attr]
    evidence = seen.judgement.digest  # type: ignore[union-attr]
    world.promotions.say(bo, seen.promotion.id, "approve", "", evidence)
    world.settle()
    assert (world.state(seen), world.stage("1")) == ("waiting", "production")
    world.promotions.say(cy, seen.promotion.id, "approve", "fine with legal", evidence)
    world.settle()
    assert (world.state(seen), world.stage("2"), world.stage("1")) == ("done", "production", "archived")
    told = [one for one in world.operations.sync.actions() if one.startswith(("promotion.", "operation."))]
    assert told == [
        "promotion.proposed", "promotion.agreed", "promotion.agreed", "promotion.approved", "operation.requested",
        "operation.requested", "promotion.started", "operation.succeeded", "operation.succeeded", "promotion.done",
    ]  # fmt: skip
    assert world.operations.problems() == []


WAYS: list[tuple[str, RequestedChange]] = [
    ("the stage", RequestedChange(version("2"), Become("production"))),
    ("an alias", RequestedChange(MODEL, SetAlias("champion", "2"))),
    ("an alias that goes", RequestedChange(MODEL, SetAlias("champion", None))),
    ("a tag that a rule reads", RequestedChange(version("3"), SetTags({"live": "yes"}))),
    ("a new version with that tag", RequestedChange(MODEL, Register("m", "s3://x", tags={"live": "yes"}))),
    ("a delete of what holds it", RequestedChange(version("1"), Delete(), of="version")),
    ("a delete of the model", RequestedChange(MODEL, Delete(), of="model")),
    ("another stage for what holds it", RequestedChange(version("1"), SetTags({"env": "staging"}))),
]


@pytest.mark.parametrize("change", [change for _, change in WAYS], ids=[name for name, _ in WAYS])
def test_a_guarded_stage_has_one_door(world: PromotionsWorld, change: RequestedChange) -> None:
    rules = {
        "production": ["alias:champion", "stage:Production", "tag:live=yes"],
        "staging": ["tag:env=staging"],
    }
    with writing(world.engine) as connection:
        from federation import tables

        connection.execute(update(tables.registry).values(stages=rules))
    harmless: Wanted = SetTags({"color": "blue"})
    if change.wanted == SetTags({"env": "staging"}):  # production is asked before staging: nothing changes
        world.apply(GUARD)
        world.operations.ask(change)
        return
    world.operations.plan(change)
    world.apply(GUARD)
    with pytest.raises(PromotionRequiredError) as refused:
        world.operations.ask(change)
    assert refused.value.plan == f"/promote/{refused.value.plan[9:].split('?')[0]}?to=production"
    world.operations.ask(RequestedChange(version("2"), harmless))
    world.apply(Policy("other", "registry:elsewhere", approvals=(Quorum(1),)))
    world.operations.ask(change)


def test_nothing_leaves_a_policy_by_the_tag_that_it_is_on(world: PromotionsWorld) -> None:
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), tags={"tier": "high"})
    sync.sync()
    world.apply(Policy("high", "tag:tier=high", approvals=(Quorum(1),)))
    for tags in ({"tier": None}, {"tier": "low", "color": "blue"}):
        with pytest.raises(StateError, match="policy high is on a tag that this takes away"):
            world.operations.ask(RequestedChange(version("2"), SetTags(tags)))
    world.operations.ask(RequestedChange(version("2"), SetTags({"color": "blue", "tier": "high"})))
    world.operations.ask(RequestedChange(version("3"), SetTags({"tier": "high"})))


def test_what_changes_nothing_by_the_catalogue_changes_nothing_on_the_backend(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    sync = world.operations.sync
    model = sync.backend.named("m")
    assert model is not None
    sync.change(model, aliases={"champion": "2"})  # nobody has looked since
    asked = world.operations.ask(RequestedChange(MODEL, SetAlias("champion", "1")))
    world.operations.settle()
    assert world.operations.operation(asked).state == "failed"
    model = sync.backend.named("m")
    assert model is not None
    assert model.aliases == {"champion": "2"}


def test_a_person_counts_once_whatever_they_sign_in_with(world: PromotionsWorld) -> None:
    world.apply(Policy("two", "*", approvals=(Quorum(2),)))
    bo = world.person("bo", "approver")
    seen = propose(world)
    world.promotions.say(bo, seen.promotion.id, "approve", "")
    for again in (bo, world.token("bos", bo, "approver")):
        with pytest.raises(StateError, match="a person counts once"):
            world.promotions.say(again, seen.promotion.id, "approve", "")
    anns = world.token("anns", world.as_is("ann"), "approver")
    with pytest.raises(DeniedError, match="not the proposer"):
        world.promotions.say(anns, seen.promotion.id, "approve", "")
    with pytest.raises(DeniedError):
        world.promotions.say(world.person("viewer", "viewer"), seen.promotion.id, "approve", "")
    world.settle()
    assert world.state(seen) == "waiting"


def test_who_made_it_does_not_count_by_whatever_says_who_that_is(world: PromotionsWorld) -> None:
    world.apply(Policy("guard", "*", approvals=(Quorum(1),), separate=("creator",)))
    seen = propose(world)
    judged = seen.judgement
    assert judged is not None
    assert [(one.name, one.verdict) for one in judged.checks] == [("creator", "unknown")]
    tess = world.person("t.ess", "approver", names=["tess", "tess@example.com"])
    with pytest.raises(DeniedError, match="not the creator"):
        world.promotions.say(tess, seen.promotion.id, "approve", "")
    world.person("another", names=["tess"])  # then it is nobody's
    with pytest.raises(StateError, match="creator says unknown"):
        world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "approve", "")
    world.apply(GUARD, tess="subject:t.ess")
    world.promotions.say(world.as_is("bo"), seen.promotion.id, "approve", "")


def test_what_changes_after_it_was_approved_makes_it_void(world: PromotionsWorld) -> None:
    world.apply(Policy("two", "*", metrics=("auc >= 0.5",), approvals=(Quorum(2),)))
    seen = propose(world)
    world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "approve", "")
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), tags={"color": "blue"})
    sync.sync()
    world.settle()
    assert world.state(seen) == "waiting"  # no check reads the tag
    sync.change(sync.version("m", "2"), metrics={"auc": 0.6})
    sync.sync()
    with pytest.raises(StateError, match=r"no longer so: two metric\.auc >= 0\.5"):
        world.promotions.say(world.person("cy", "approver"), seen.promotion.id, "approve", "")
    assert world.state(seen) == "void"


def test_who_has_lost_the_role_does_not_count_any_more(world: PromotionsWorld) -> None:
    another_day = DAYS[(now().weekday() + 3) % 7]
    world.apply(Policy("late", "*", approvals=(Quorum(1),), windows=(f"{another_day} 00:00-00:01 UTC",)))
    seen = propose(world)
    world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "approve", "")
    world.settle()
    assert world.state(seen) == "approved"
    world.take_role("bo", "approver")
    world.settle()
    assert world.state(seen) == "waiting"


def test_a_promotion_that_nobody_approves_expires(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    seen = propose(world)
    with writing(world.engine) as connection:
        connection.execute(update(promotion).values(expires_at=now() - timedelta(seconds=1)))
    world.settle()
    assert world.state(seen) == "expired"
    with pytest.raises(StateError):
        world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "approve", "")


def test_nobody_can_approve_what_a_check_refuses(world: PromotionsWorld) -> None:
    world.apply(Policy("checked", "*", require_checks=("ci/validation",), approvals=(Quorum(1),)))
    bo, seen = world.person("bo", "approver"), propose(world)
    with pytest.raises(StateError, match=r"check\.ci/validation says no: nobody has reported it yet"):
        world.promotions.say(bo, seen.promotion.id, "approve", "")
    ci = world.person("ci", "attester")
    with pytest.raises(DeniedError):
        world.promotions.report(bo, seen.promotion.id, reported("ci/validation", "yes", "", {}, ""))
    with pytest.raises(StateError, match="has the artifact sha256:2"):
        world.promotions.report(ci, seen.promotion.id, reported("ci/validation", "yes", "", {}, "sha256:9"))
    world.promotions.report(
        ci, seen.promotion.id, reported("ci/validation", "yes", "https://ci.example/1", {}, "")
    )
    world.promotions.say(bo, seen.promotion.id, "approve", "")
    world.promotions.report(ci, seen.promotion.id, reported("ci/validation", "no", "", {}, ""))
    world.settle()
    assert (world.state(seen), world.stage("2")) == ("void", "staging")


def test_of_two_that_are_approved_one_runs_and_the_other_is_told(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    bo = world.person("bo", "approver")
    first, second = propose(world, "2"), propose(world, "3")
    for seen in (first, second):
        world.promotions.say(bo, seen.promotion.id, "approve", "")
    world.settle()
    states = {world.state(first): "2", world.state(second): "3"}
    assert states.keys() == {"done", "void"}
    assert world.stage(states["done"]) == "production"


def test_evidence_that_was_not_looked_at_is_not_approved(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    seen = propose(world)
    with pytest.raises(PreconditionError):
        world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "approve", "", "another")


def test_rolling_back_brings_back_who_was_there_before(world: PromotionsWorld) -> None:
    world.apply(Policy("guard", "*", approvals=(Quorum(1),), archive_previous=True))
    bo = world.person("bo", "approver")
    for name in ("2", "3"):
        seen = propose(world, name)
        world.promotions.say(bo, seen.promotion.id, "approve", "")
        world.settle()
    with pytest.raises(DeniedError, match="rollback"):
        world.promotions.roll_back(world.person("ann"), MODEL, "it fails", stage="production")
    for expected in ("2", "1"):
        plan = world.promotions.plan_back(bo.view, MODEL, stage="production")
        assert (str(plan.proposal.version.reference), plan.says_no) == (f"memory/m:{expected}", False)
        seen = world.promotions.roll_back(bo, MODEL, "it fails", stage="production")
        world.settle()
        assert (world.state(seen), seen.promotion.ref) == ("done", f"memory/m:{expected}")
        assert [name for name in "123" if world.stage(name) == "production"] == [expected]
    with pytest.raises(StateError, match="3 was rolled away from"):
        world.promotions.roll_back(bo, MODEL, "it fails", stage="production")
    seen = world.promotions.roll_back(bo, MODEL, "it was better", to="3", stage="production")
    world.settle()
    assert world.stage("3") == "production"


def test_rolling_back_passes_over_what_was_deleted(world: PromotionsWorld) -> None:
    for name in ("2", "3"):
        world.promotions.propose(LOCAL, version(name), "production", "it is better")
        world.settle()
    sync = world.operations.sync
    sync.backend.drop(sync.version("m", "2").key)
    sync.sync(full=True)
    seen = world.promotions.roll_back(LOCAL, MODEL, "it fails", stage="production")
    world.settle()
    assert (world.state(seen), world.stage("1")) == ("done", "production")


def test_an_emergency_is_carried_out_at_once_and_reviewed_by_somebody_else(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    eve = world.person("eve", "emergency", "approver")
    with pytest.raises(DeniedError):
        world.promotions.propose(
            world.person("ann", "contributor"), version("2"), "production", "fire", emergency=True
        )
    seen = world.promotions.propose(eve, version("2"), "production", "fire", emergency=True)
    world.settle()
    assert (world.state(seen), world.stage("2")) == ("done", "production")
    assert world.promotions.show(eve.view, seen.promotion.id).promotion.review == "open"
    with pytest.raises(DeniedError, match="somebody else"):
        world.promotions.say(eve, seen.promotion.id, "review", "all well")
    world.promotions.say(world.person("bo", "approver"), seen.promotion.id, "review", "all well")
    assert world.promotions.show(eve.view, seen.promotion.id).promotion.review == "closed"
