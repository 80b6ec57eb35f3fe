"""Whatever dies or breaks off, wherever: one net effect, one outcome, and the catalogue says what the backend has."""

import random
import time
from datetime import timedelta

import pytest

from federation.operations import run
from federation.operations.asking import Become, RequestedChange
from federation.operations.wanted import Delete, Register, SetAlias, SetTags
from federation.references import Reference
from tests.federation.operations.world import POINTS, OperationsWorld
from tests.soak import soak

KINDS = ("stage", "alias", "tags", "register", "delete", "delete-model")
LINES = ("fine", "lost-before", "lost-after")


def asked_for(kind: str, name: str) -> RequestedChange:
    """A change of a model that has versions 1 and 2."""
    model, first = Reference("memory", name), Reference("memory", name, "1")
    match kind:
        case "stage":
            return RequestedChange(first, Become("production"))
        case "alias":
            return RequestedChange(model, SetAlias("blue", "2"))
        case "tags":
            return RequestedChange(first, SetTags({"a": "1", "b": "2"}))
        case "register":
            return RequestedChange(Reference("memory", name), Register(name, "s3://bucket/3"))
        case "delete":
            return RequestedChange(first, Delete(), of="version")
        case _:
            return RequestedChange(model, Delete(), of="model")


def is_done(world: OperationsWorld, kind: str, name: str) -> bool:
    """Whether the backend shows what was asked for, once."""
    backend = world.sync.backend
    model = backend.named(name)
    if kind == "delete-model":
        return model is None
    assert model is not None
    versions = {one.version: one for one in backend.versions(model.key)}
    match kind:
        case "stage":
            return model.aliases.get("champion") == "1"
        case "alias":
            return model.aliases.get("blue") == "2"
        case "tags":
            return versions["1"].tags == {"a": "1", "b": "2"}
        case "register":
            return sorted(versions) == ["1", "2", "3"]
        case _:
            return sorted(versions) == ["2"]


@soak(sample=6, full=2_000)
def test_operations_survive_death(cases: int, seed: int, world: OperationsWorld) -> list[str]:
    """Workers that die at a named point, over a line that is cut before or after the backend did it."""
    rng = random.Random(seed)
    failures = []
    for number in range(cases):
        name, kind = f"m-{seed}-{number}", rng.choice(KINDS)
        deaths = [rng.choice(POINTS) for _ in range(rng.randint(1, 3))]
        lines = [rng.choice(LINES) for _ in range(rng.randint(0, 3))]
        world.sync.model(name, "1", "2")
        world.sync.sync()
        asked = world.ask(asked_for(kind, name))
        world.faults.sends = list(lines)
        for point in deaths:
            world.work(die_at=point)
        world.settle()
        row = world.operation(asked)
        if row.state != "ok" or not is_done(world, kind, name):
            failures.append(f"{kind} over {lines}, died at {deaths}: {row.state} {row.error}")
    return failures + world.problems()


def test_an_answer_that_was_lost_is_settled_without_doing_it_again(world: OperationsWorld) -> None:
    asked = world.ask(asked_for("register", "m"))
    world.faults.sends = ["lost-after"]
    world.work()
    world.settle()
    assert world.operation(asked).state == "ok"
    assert is_done(world, "register", "m")
    told = [action for action in world.sync.actions() if action.startswith("operation.")]
    assert told == ["operation.requested", "operation.unknown", "operation.settled"]
    assert world.problems() == []


@pytest.mark.parametrize("kind", ["register", "delete", "delete-model"])
def test_what_was_made_and_may_not_be_looked_at_has_not_failed(world: OperationsWorld, kind: str) -> None:
    asked = world.ask(asked_for(kind, "m"))
    world.faults.sends = ["refused-after"]
    world.work()
    world.settle()
    row = world.operation(asked)
    assert (row.state, row.error) == ("ok", None)
    assert is_done(world, kind, "m")
    told = [action for action in world.sync.actions() if action.startswith("operation.")]
    assert told == ["operation.requested", "operation.unknown", "operation.settled"]
    assert world.problems() == []


@pytest.mark.parametrize("point", ["begun", "answered", "finishing"])
def test_that_it_is_unknown_is_told_once_also_by_a_worker_that_dies(
    world: OperationsWorld, point: str
) -> None:
    world.ask(asked_for("register", "m"))
    for died_at in ("finished", point, "finished"):
        world.faults.sends = ["lost-before"]
        world.work(die_at=died_at)
    assert world.sync.actions().count("operation.unknown") == 1
    world.settle()
    assert world.problems() == []


def test_what_somebody_else_wrote_meanwhile_stays(world: OperationsWorld) -> None:
    asked = world.ask(asked_for("alias", "m"))
    world.faults.sends = ["lost-after"]
    world.work(die_at="finishing")
    model = world.sync.backend.named("m")
    assert model is not None
    assert model.aliases == {"blue": "2"}
    world.sync.change(model, aliases={"blue": "1"})
    world.settle()
    row = world.operation(asked)
    assert (row.state, "somebody else" in row.error) == ("failed", True)
    found = world.sync.backend.named("m")
    assert found is not None
    assert found.aliases == {"blue": "1"}
    assert world.problems() == []


def test_a_backend_that_is_away_is_waited_for(
    world: OperationsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PAUSES", (0.2,))
    asked = world.ask(asked_for("alias", "m"))
    world.faults.is_away = True
    world.work()
    assert world.operation(asked).state == "queued"
    monkeypatch.setattr(run, "UNSENT_FOR", timedelta(0))
    time.sleep(0.2)
    world.work()
    row = world.operation(asked)
    assert (row.state, row.started_at, "could not be sent" in row.error) == ("failed", None, True)
    assert world.problems() == []
