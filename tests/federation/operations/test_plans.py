"""A plan says what a write will change: exactly that differs afterwards, or nothing is written and it is said why."""

import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters import EndpointRecord, Key, Traffic
from federation import tables
from federation.database import reading, writing
from federation.errors import WaypostError
from federation.operations.asking import Become, RequestedChange
from federation.operations.intent import Asker, digest_of
from federation.operations.plans import Plan, PlanChangedError
from federation.operations.tables import operation
from federation.operations.wanted import Delete, Register, SetAlias, SetTags, Wanted, reverse
from federation.references import Reference
from tests.federation.operations.effects import facts, mistakes
from tests.federation.operations.victims import write
from tests.federation.operations.world import OperationsWorld
from tests.soak import soak

MODEL = Reference("memory", "m")
FIRST, SECOND = Reference("memory", "m", "1"), Reference("memory", "m", "2")
RULES = (
    "alias:champion", "alias:blue", "stage:Production", "stage:Staging", "stage:Archived", "approval:Approved",
    "lifecycle:Live/On", "tag:env=prod", "tag:env=old", "tag:gate=open", "deployed",
)  # fmt: skip
NATIVE = {
    "stage": (None, "Production", "Staging", "Archived"),
    "approval": (None, "Approved", "Rejected"),
    "lifecycle": (None, "Live/On", "Live/Off"),
}
TAGS = {"env": ("prod", "old", "test"), "gate": ("open", "shut"), "other": ("x", "y")}


def given(world: OperationsWorld, **stages: list[str]) -> None:
    """The registry has these rules, and what is there is read by them."""
    with writing(world.sync.engine) as connection:
        connection.execute(update(tables.registry).values(stages=stages))
    world.sync.sync(full=True)


def both_in_production(world: OperationsWorld, **of_second: Any) -> None:
    """Version 2 is the champion, and in production by what is said of it as well."""
    world.sync.change(world.sync.version("m", "2"), **of_second)
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"champion": "2"})
    world.sync.sync()


def made(world: OperationsWorld, change: RequestedChange, of: Reference = MODEL) -> tuple[Plan, list[str]]:
    """Plan a change, ask for exactly that, carry it out: the plan, and where it was not what came of it."""
    plan, before = world.plan(change), facts(world.sync.engine, of)
    asked = world.ask(RequestedChange(change.reference, change.wanted, of=change.of, plan=plan.token))
    world.settle()
    world.sync.sync(full=True)
    states = [(one.kind, one.state, one.error) for one in world.operations() if one.id >= asked]
    wrong = [f"{states}: a step was not made"] if any(state != "ok" for _, state, _ in states) else []
    new = world.operation(asked).made or ""
    found = mistakes(plan, before, facts(world.sync.engine, of), new)
    return plan, wrong + [f"{key}: told {said}, was {did}" for key, (said, did) in found.items()]


def test_who_loses_the_alias_of_a_stage_loses_the_stage_where_the_rules_say_how(
    world: OperationsWorld,
) -> None:
    given(
        world, production=["alias:champion", "stage:Production", "tag:env=prod"], archived=["stage:Archived"]
    )
    both_in_production(world, stage="Production", tags={"env": "prod"})
    plan, wrong = made(world, RequestedChange(FIRST, Become("production")))
    assert wrong == []
    assert [(step.kind, str(step.intent.ref)) for step in plan.steps] == [
        ("set_alias", "memory/m:1"), ("set_stage", "memory/m:2"), ("set_tags", "memory/m:2"),
    ]  # fmt: skip
    assert [(one.ref, one.before, one.after, one.after_reason) for one in plan.stages] == [
        ("memory/m:1", "none", "production", "alias:champion"),
        ("memory/m:2", "production", "archived", "stage:Archived"),
    ]
    assert ("memory/m@stage:production", "memory/m:2", "memory/m:1") in [
        (one.ref, one.before, one.after) for one in plan.meanings
    ]


def test_other_aliases_of_the_stage_move_along(world: OperationsWorld) -> None:
    given(world, production=["alias:champion", "alias:blue"])
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"champion": "2", "blue": "2", "other": "2"})
    world.sync.sync()
    plan, wrong = made(world, RequestedChange(FIRST, Become("production")))
    assert wrong == []
    model = world.sync.backend.named("m")
    assert model is not None
    assert model.aliases == {"champion": "1", "blue": "1", "other": "2"}
    assert len(plan.steps) == 2


@pytest.mark.parametrize("rule", ["stage:Production", "deployed"])
def test_who_stays_by_another_rule_is_told_and_left_alone(world: OperationsWorld, rule: str) -> None:
    """Nothing says what its stage would be instead, or nobody can write it: half of it would make nothing true."""
    given(world, production=["alias:champion", rule, "tag:env=prod"], archived=["tag:env=old"])
    both_in_production(world, stage="Production", tags={"env": "prod"})
    version = world.sync.version("m", "2")
    world.sync.backend.put(
        EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=(Traffic(version.key, 100.0),))
    )
    world.sync.sync()
    plan, wrong = made(world, RequestedChange(FIRST, Become("production")))
    assert wrong == []
    assert len(plan.steps) == 1
    assert [(one.ref, one.after, one.after_reason) for one in plan.stages] == [
        ("memory/m:1", "production", "alias:champion"), ("memory/m:2", "production", rule),
    ]  # fmt: skip
    assert "memory/m@stage:production" not in [one.ref for one in plan.meanings], (
        "2 is still the newest in it"
    )


def test_an_alias_alone_takes_nothing_else_along_and_says_who_stays(world: OperationsWorld) -> None:
    given(world, production=["alias:champion", "stage:Production"], archived=["stage:Archived"])
    both_in_production(world, stage="Production")
    plan, wrong = made(world, RequestedChange(MODEL, SetAlias("champion", "1")))
    assert wrong == []
    assert [(one.ref, one.after, one.after_reason) for one in plan.stages] == [
        ("memory/m:1", "production", "alias:champion"), ("memory/m:2", "production", "stage:Production"),
    ]  # fmt: skip


def test_a_stage_that_several_may_hold_is_taken_from_nobody_and_says_who_keeps_it(
    world: OperationsWorld,
) -> None:
    given(world, production=["stage:Production"])
    world.sync.change(world.sync.version("m", "2"), stage="Production")
    world.sync.sync()
    plan, wrong = made(world, RequestedChange(FIRST, Become("production")))
    assert wrong == []
    assert [(one.ref, one.stage, one.reason) for one in plan.keeps] == [
        ("memory/m:2", "production", "stage:Production")
    ]
    assert plan.kept == 1


def test_a_staging_alias_that_is_taken_away_is_told(world: OperationsWorld) -> None:
    given(world, staging=["alias:challenger"])
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"challenger": "2"})
    world.sync.sync()
    plan, wrong = made(world, RequestedChange(FIRST, Become("staging")))
    assert wrong == []
    assert ("memory/m", "alias:challenger", "2", "1") in [
        (one.ref, one.field, one.before, one.after) for step in plan.steps for one in step.difference.fields
    ]
    assert ("memory/m:2", "staging", "none") in [(one.ref, one.before, one.after) for one in plan.stages]


def test_what_has_changed_since_it_was_shown_is_refused_and_said(world: OperationsWorld) -> None:
    change = RequestedChange(FIRST, Become("production"))
    plan = world.plan(change)
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"champion": "2"})
    world.sync.sync()
    with pytest.raises(PlanChangedError, match="alias:champion of memory/m: '2' becomes '1'") as refused:
        world.ask(RequestedChange(FIRST, Become("production"), plan=plan.token))
    assert "memory/m:2: production by alias:champion becomes none" in str(refused.value)
    assert world.operations() == []


def test_the_token_of_another_plan_is_refused(world: OperationsWorld) -> None:
    token = world.plan(RequestedChange(FIRST, Become("staging"))).token
    with pytest.raises(PlanChangedError):
        world.ask(RequestedChange(FIRST, Become("production"), plan=token))


@pytest.mark.parametrize("bound", [True, False])
def test_what_changes_before_it_is_sent_is_not_written_over_where_it_was_shown(
    world: OperationsWorld, bound: bool
) -> None:
    """The catalogue knows nothing of it yet: only the backend does, which is asked before anything is sent."""
    change = RequestedChange(FIRST, Become("production"))
    token = world.plan(change).token if bound else None
    asked = world.ask(RequestedChange(FIRST, Become("production"), plan=token))
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"champion": "2"})
    world.settle()
    row = world.operation(asked)
    assert row.state == ("failed" if bound else "ok")
    if bound:
        assert "champion is '2', not None" in row.error
    assert world.problems() == []


def test_a_step_is_not_made_where_the_one_before_it_was_not(world: OperationsWorld) -> None:
    given(world, production=["alias:champion", "stage:Production"], archived=["stage:Archived"])
    both_in_production(world, stage="Production")
    change = RequestedChange(FIRST, Become("production"))
    asked = world.ask(RequestedChange(FIRST, Become("production"), plan=world.plan(change).token))
    model = world.sync.backend.named("m")
    assert model is not None
    world.sync.change(model, aliases={"champion": "2", "other": "1"})  # the version that it names stays
    world.sync.change(model, aliases={"champion": "1"})
    world.sync.change(model, aliases={"champion": "2"})
    world.sync.backend.drop(world.sync.version("m", "1").key)
    world.settle()
    first, second = [one for one in world.operations() if one.id >= asked]
    assert (first.state, second.state, second.follows) == ("failed", "failed", first.id)
    assert f"the step before it (operation {first.id}) was not made" in second.error
    assert world.sync.version("m", "2").stage == "Production"


def test_what_is_under_way_is_said_with_the_plan(world: OperationsWorld) -> None:
    asked = world.ask(RequestedChange(MODEL, SetAlias("blue", "1")))
    assert any(
        f"operation {asked} of this model has not ended" in note
        for note in world.plan(RequestedChange(FIRST, Become("production"))).notes
    )


def test_the_steps_of_a_plan_can_be_taken_back(world: OperationsWorld) -> None:
    given(
        world, production=["alias:champion", "stage:Production", "tag:env=prod"], archived=["stage:Archived"]
    )
    both_in_production(world, stage="Production", tags={"env": "prod"})
    before = facts(world.sync.engine, MODEL)
    plan, _ = made(world, RequestedChange(FIRST, Become("production")))
    for step in reversed(plan.steps):
        wanted = reverse(step.intent.wanted, step.before)
        assert wanted is not None
        with writing(world.sync.engine) as connection:
            intent = replace(step.intent, wanted=wanted)
            write(connection, [intent], Asker("local", None, digest_of(str(wanted))))
        world.settle()
    world.sync.sync(full=True)
    assert facts(world.sync.engine, MODEL) == before


@soak(sample=25, full=3_000)
def test_a_plan_is_what_it_does(cases: int, seed: int, world: OperationsWorld) -> list[str]:
    """Random catalogues, rules and changes: what the plan says is exactly what differs afterwards."""
    rng = random.Random(seed)
    failures = []
    for number in range(cases):
        name = f"p-{seed}-{number}"
        rules = _some(rng, world, name)
        change = _change(rng, name)
        try:
            _, wrong = made(world, change, Reference("memory", change.reference.model))
        except PlanChangedError as error:
            failures.append(f"case {number}: {change} by {rules}: {error}")
        except WaypostError:
            continue  # refused before anything was written down
        else:
            failures += [f"case {number}: {change} by {rules}: {one}" for one in wrong]
    return failures + world.problems()


def _some(rng: random.Random, world: OperationsWorld, name: str) -> dict[str, list[str]]:
    """A model with some versions, in a registry with some rules."""
    rules = {stage: rng.sample(RULES, rng.randint(0, 4)) for stage in ("production", "staging", "archived")}
    if rng.random() < 0.5:  # one whose stage an alias takes along, with what else may hold it
        others = rng.sample(("stage:Production", "tag:env=prod", "alias:blue", "deployed"), rng.randint(1, 3))
        rules |= {"production": ["alias:champion", *others], "archived": ["stage:Archived"]}
    with writing(world.sync.engine) as connection:
        connection.execute(update(tables.registry).values(stages=rules))
    backend = world.sync.backend
    model = backend.model(name)
    versions = []
    likely = "Production" if rules["production"][:1] == ["alias:champion"] else "Staging"
    for number in range(1, rng.randint(2, 5)):
        native = (
            {"stage": likely}
            if rng.random() < 0.3
            else {field: rng.choice(values) for field, values in NATIVE.items() if rng.random() < 0.5}
        )
        tags = {tag: rng.choice(values) for tag, values in TAGS.items() if rng.random() < 0.4}
        versions.append(backend.add_version(model, str(number), tags=tags, **native))
    aliases = {
        alias: rng.choice(versions).version for alias in ("champion", "blue", "x") if rng.random() < 0.6
    }
    world.sync.change(model, aliases=aliases)
    for version in versions:
        if rng.random() < 0.2:
            traffic = (Traffic(version.key, rng.choice((0.0, 100.0))),)
            backend.put(
                EndpointRecord(key=Key("endpoint", f"{name}-{version.version}"), name="e", traffic=traffic)
            )
    world.sync.sync(full=True)
    return rules


def _change(rng: random.Random, name: str) -> RequestedChange:
    model, version = Reference("memory", name), Reference("memory", name, str(rng.randint(1, 4)))
    wanted: Wanted
    match rng.choice(
        (
            "stage",
            "stage",
            "stage",
            "stage",
            "stage",
            "stage",
            "alias",
            "unalias",
            "tags",
            "model tags",
            "register",
            "delete",
            "all",
        )
    ):
        case "stage":
            return RequestedChange(
                version, Become(rng.choice(("production", "production", "staging", "archived")))
            )
        case "alias":
            return RequestedChange(
                model, SetAlias(rng.choice(("champion", "blue", "x", "new")), version.version)
            )
        case "unalias":
            return RequestedChange(model, SetAlias(rng.choice(("champion", "blue", "x")), None))
        case "tags" | "model tags" as of:
            tag = rng.choice(list(TAGS))
            wanted = SetTags({tag: rng.choice((*TAGS[tag], None))})
            return RequestedChange(version if of == "tags" else model, wanted)
        case "register":
            tag = rng.choice(list(TAGS))
            target = rng.choice((name, f"{name}-new"))
            return RequestedChange(
                Reference("memory", target), Register(target, "s3://b/1", tags={tag: TAGS[tag][0]})
            )
        case "delete":
            return RequestedChange(version, Delete(), of="version")
    return RequestedChange(model, Delete(), of="model")


def test_operations_of_before_are_read_without_steps(world: OperationsWorld) -> None:
    asked = world.ask(RequestedChange(MODEL, SetAlias("blue", "1")))
    with reading(world.sync.engine) as connection:
        row = connection.execute(select(operation).where(operation.c.id == asked)).one()
    assert (row.follows, row.before) == (None, None)
