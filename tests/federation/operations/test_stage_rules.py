"""A stage is written by the first rule that brings it about."""

from dataclasses import replace

import pytest

from federation.access import EVERYTHING
from federation.catalogue.reader import read_version
from federation.database import reading
from federation.errors import StateError
from federation.operations.asking import Become, RequestedChange
from federation.operations.wanted import SetAlias
from federation.references import Reference
from tests.federation.operations.world import OperationsWorld

FIRST = Reference("memory", "m", "1")


def given(world: OperationsWorld, native: str) -> None:
    """The backend itself calls version 1 this."""
    model = world.sync.backend.named("m")
    assert model is not None
    version = next(one for one in world.sync.backend.versions(model.key) if one.version == "1")
    world.sync.backend.put(replace(version, stage=native))
    world.sync.sync()


def stage_of(world: OperationsWorld) -> tuple[str, str | None]:
    with reading(world.sync.engine) as connection:
        version = read_version(connection, EVERYTHING, FIRST)
    return version.stage, version.stage_reason


def test_the_first_rule_is_taken_where_it_is_enough(world: OperationsWorld) -> None:
    world.ask(RequestedChange(FIRST, Become("staging")))
    world.settle()
    assert stage_of(world) == ("staging", "tag:env=staging")


def test_a_rule_that_would_leave_the_stage_as_it_is_is_passed_over(world: OperationsWorld) -> None:
    given(world, "Production")
    world.ask(RequestedChange(FIRST, Become("staging")))
    world.settle()
    assert stage_of(world) == ("staging", "stage:Staging")


def test_what_no_rule_can_bring_about_names_what_holds_it(world: OperationsWorld) -> None:
    world.ask(RequestedChange(Reference("memory", "m"), SetAlias("champion", "1")))
    world.settle()
    with pytest.raises(StateError, match="would stay production because of alias:champion"):
        world.ask(RequestedChange(FIRST, Become("staging")))
