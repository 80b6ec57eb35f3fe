"""What a plan says is what differs afterwards, on every kind of backend and by every kind of stage rule:
in `make test` by those of a kind that look at most fields, in `make soak` by all of them.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from federation import tables
from federation.access import LOCAL
from federation.database import reading, writing
from federation.errors import WaypostError
from federation.leases import Leases
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.intent import Asker
from federation.operations.plans import Plan
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.operations.wanted import Delete, Register, SetAlias, SetTags
from federation.references import Reference
from tests.e2e.test_kills import Bench, mlflow, rest, sagemaker, secrets, vertex
from tests.federation.operations.effects import differing, facts, mistakes
from tests.federation.operations.victims import write
from tests.soak import soak

__all__ = ["mlflow", "rest", "sagemaker", "secrets", "vertex"]  # fixtures
BY_TAG = {"production": ["tag:env=prod"], "staging": ["tag:env=test"], "archived": ["tag:env=old"]}
BY_ALIAS = {
    "production": ["alias:champion", "alias:live"],
    "staging": ["alias:challenger"],
    "archived": ["alias:old"],
}
BY_STAGE = {"production": ["stage:Production"], "staging": ["stage:Staging", "stage:None"]}
BY_APPROVAL = {"production": ["approval:Approved"], "staging": ["approval:PendingManualApproval"]}
BY_LIFECYCLE = {"production": ["lifecycle:Live/On", "deployed"], "staging": ["lifecycle:Test/On"]}
RULES: dict[str, list[dict[str, list[str]]]] = {
    "mlflow": [
        {}, BY_TAG, BY_ALIAS, {**BY_STAGE, "archived": ["stage:Archived"]},
        {"production": ["alias:champion", "stage:Production", "tag:env=prod"], "archived": ["stage:Archived"]},
    ],
    "rest": [
        {}, BY_TAG, BY_ALIAS,
        {"production": ["alias:champion", "stage:production", "tag:env=prod"], "archived": ["stage:archived"]},
    ],
    "sagemaker": [
        {}, BY_TAG, {**BY_APPROVAL, "archived": ["approval:Rejected"]},
        {**BY_LIFECYCLE, "archived": ["lifecycle:Live/Off"]},
    ],
    "vertex": [
        {}, BY_TAG, BY_ALIAS,
        {"production": ["alias:default", "deployed"], "staging": ["alias:challenger"], "archived": ["tag:env=old"]},
        {"production": ["alias:champion", "tag:env=prod"], "archived": ["tag:env=old"]},
    ],
}  # fmt: skip
SOURCES = {"vertex": "gs://bucket/model"}


def changes(kind: str, name: str) -> Iterator[RequestedChange]:
    """The life of a model: two versions, each in every stage, aliases and tags, and its end."""
    model, one, two = (Reference("memory", name, version) for version in (None, "1", "2"))
    source = SOURCES.get(kind, "s3://bucket/model")
    yield RequestedChange(model, Register(name, source))
    yield RequestedChange(model, Register(name, source, tags={"env": "prod", "colour": "green"}))
    yield RequestedChange(one, SetTags({"env": "prod", "shape": "round"}))
    yield RequestedChange(model, SetTags({"squad": "blue"}))
    for stage in ("production", "staging", "production", "archived"):
        yield RequestedChange(two, Become(stage))
        yield RequestedChange(one, Become(stage))
    yield RequestedChange(model, SetAlias("champion", "2"))
    yield RequestedChange(model, SetAlias("champion", "1"))
    yield RequestedChange(one, Become("production"))
    yield RequestedChange(two, Become("production"))
    yield RequestedChange(model, SetAlias("champion", None))
    yield RequestedChange(one, SetTags({"shape": None, "absent": None}))
    yield RequestedChange(one, Delete(), of="version")
    yield RequestedChange(two, Delete(), of="version")
    yield RequestedChange(model, Delete(), of="model")


def planned(on: Bench, cases: int) -> list[str]:
    """What differs from its plan by the last so many of a kind's rules."""
    several = RULES[on.kind]
    context = OperationContext(on.world.engine, on.world.context.connections, Leases("worker"))
    return [
        line for place in range(len(several) - cases, len(several)) for line in by_rules(on, context, place)
    ]


def by_rules(on: Bench, context: OperationContext, place: int) -> list[str]:
    with writing(on.world.engine) as connection:
        connection.execute(update(tables.registry).values(stages=RULES[on.kind][place]))
    name, wrong, made, synced = f"planned-{place}", list[str](), 0, False
    for change in changes(on.kind, name):
        if isinstance(change.wanted, Delete) and not synced:
            seen, synced = facts(on.world.engine, Reference("memory", name)), True
            on.world.sync(full=True)
            wrong += [
                f"{at} differs, though no operation did it"
                for at in differing(seen, facts(on.world.engine, Reference("memory", name)))
            ]
        before = facts(on.world.engine, Reference("memory", name))
        try:
            plan, rows = carried_out(on, context, change)
        except WaypostError:
            continue  # refused before anything was asked of the backend
        after = facts(on.world.engine, Reference("memory", name))
        if all(row.state == "ok" for row in rows):
            made += 1
            found = mistakes(plan, before, after, rows[0].made or "")
            wrong += [f"{change}: {at}: told {said}, was {did}" for at, (said, did) in found.items()]
        elif before != after:
            wrong.append(
                f"{change}: {[(row.state, row.error) for row in rows]}, but {differing(before, after)}"
            )
    return wrong if made >= 10 else [*wrong, f"only {made} changes were made: every kind can do ten of these"]


def carried_out(on: Bench, context: OperationContext, change: RequestedChange) -> tuple[Plan, list[Any]]:
    """The plan of a change, and the operations that it came to. Errors: `WaypostError` where it is refused."""
    with reading(on.world.engine) as connection:
        plan = Asking(connection, LOCAL, WriteTargets(on.world.adapters)).plan(change)
        steps = Asking(connection, LOCAL, WriteTargets(on.world.adapters)).intents(
            replace(change, plan=plan.token)
        )
    with writing(on.world.engine) as connection:
        asked = write(connection, steps, Asker("local", None, change.digest))
    while any(row.finished_at is None for row in on.world.rows(operation)):
        if not work(context, on.world.registry_id):
            time.sleep(0.02)  # a registration, or a write that is told later, is under way
    if on.kind != "mlflow":  # whose server takes a second for it, and which is looked at once in the end
        on.world.sync(full=True)
    return plan, [row for row in on.world.rows(operation) if row.id >= asked]


@soak(sample=1, full=len(RULES["mlflow"]), batch=len(RULES["mlflow"]))
def test_plans_over_mlflow(cases: int, seed: int, mlflow: Bench) -> list[str]:
    return planned(mlflow, cases)


@soak(sample=1, full=len(RULES["rest"]), batch=len(RULES["rest"]))
def test_plans_over_rest(cases: int, seed: int, rest: Bench) -> list[str]:
    return planned(rest, cases)


@soak(sample=2, full=len(RULES["sagemaker"]), batch=len(RULES["sagemaker"]))
def test_plans_over_sagemaker(cases: int, seed: int, sagemaker: Bench) -> list[str]:
    return planned(sagemaker, cases)


@soak(sample=2, full=len(RULES["vertex"]), batch=len(RULES["vertex"]))
def test_plans_over_vertex(cases: int, seed: int, vertex: Bench) -> list[str]:
    return planned(vertex, cases)
