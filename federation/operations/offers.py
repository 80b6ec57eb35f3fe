"""What of a model or version could be changed at all, and why the rest could not: for whoever is to choose."""

from collections.abc import Iterator
from dataclasses import dataclass

from adapters import Capability
from federation.errors import InvalidRequestError, StateError
from federation.operations import staging
from federation.operations.state import ModelState

STAGES = ("production", "staging", "archived", "none")


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be changed, and in words what cannot; nothing where the registry takes no change at all."""

    is_open: bool = False
    stages: tuple[str, ...] = ()
    alias: bool = False
    tag: bool = False
    refusals: tuple[str, ...] = ()


def offer(state: ModelState, version: str | None, stage: str | None) -> Offer:
    """What would not be refused for what the registry and its adapter are; `version` None for a whole model.
    `stage` is what the catalogue says that the version has.
    """
    place, refusals = state.place, list[str]()
    stages = [] if version is None else list(_stages(state, version, stage, refusals))
    for capability in (Capability.SET_ALIAS, Capability.SET_TAGS):
        try:
            place.require(capability)
        except (InvalidRequestError, StateError) as refusal:
            refusals.append(str(refusal))
    can = place.able
    return Offer(
        True,
        tuple(stages),
        Capability.SET_ALIAS in can,
        Capability.SET_TAGS in can,
        tuple(refusals),
    )


def _stages(state: ModelState, version: str, now: str | None, refusals: list[str]) -> Iterator[str]:
    for stage in STAGES:
        if stage == now:
            continue
        try:
            staging.through_rule(state, version, stage)
            yield stage
        except (InvalidRequestError, StateError) as refusal:
            refusals.append(str(refusal) if stage == "none" else f"{stage}: {refusal}")
