"""How a normalised stage is written, by the rules of its registry.

By the first rule that can be written and that brings the stage about. Where that moves an alias, the version which the
alias named may be in the stage by other rules as well: then what else keeps it there is ended too, where the rules say
how. So whoever asks for the stage gets the version that was asked for, and not two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from federation.errors import InvalidRequestError, StateError
from federation.operations.admission import writing
from federation.operations.state import ModelState
from federation.operations.wanted import SetAlias, SetStage, SetTags, Wanted
from federation.stages import Rule


class NativeWrite(NamedTuple):
    """A write, and the version that it is about."""

    version: str
    wanted: Wanted


def writes(state: ModelState, version: str, stage: str, *, native: bool = False) -> list[NativeWrite]:
    """How a version is given a stage. Errors: `InvalidRequestError`, `StateError` where it cannot be."""
    first = through_rule(state, version, stage, native=native)
    if not isinstance(first, SetAlias):
        return [NativeWrite(version, first)]
    holder = state.aliases.get(first.alias)
    if holder is None or holder == version or holder not in state.versions:
        return [NativeWrite(version, first)]
    left = state.after(first, state.target(first, version).key)
    return [NativeWrite(version, first), *_parting(left, holder, version, stage)]


def archiving(
    state: ModelState, steps: Sequence[NativeWrite], version: str, stage: str, *, replaced: bool
) -> list[NativeWrite]:
    """What archives every other version that keeps a stage once the steps were made. With `replaced` those as well that
    lose it by the steps, where their registry can say archived. That requests go to one is no write: it is archived as
    if none did, and stays where it is until they go elsewhere.

    Errors: `StateError`, `InvalidRequestError` where one of them cannot be archived.
    """
    holders = sorted(name for name in state.versions if name != version and state.stage(name)[0] == stage)
    for made in steps:
        state = state.after(made.wanted, state.target(made.wanted, made.version).key)
    unserved = {name: state.versions[name]._replace(deployed=False) for name in holders}
    state = replace(state, versions={**state.versions, **unserved})
    found = []
    for other in holders:
        now = state.stage(other)[0]
        if now == "archived" or not (replaced or now == stage):
            continue
        try:
            wanted = through_rule(state, other, "archived")
        except (InvalidRequestError, StateError):
            if now == stage:
                raise
            continue
        state = state.after(wanted, state.target(wanted, other).key)
        found.append(NativeWrite(other, wanted))
    return found


def alias_holders(state: ModelState, stage: str) -> set[str]:
    """The versions that the aliases of a stage's rules name."""
    aliases = {rule.value for rule in state.place.rules.get(stage, ()) if rule.kind == "alias"}
    return {version for alias, version in state.aliases.items() if alias in aliases}


def through_rule(state: ModelState, version: str, stage: str, *, native: bool = False) -> Wanted:
    """The write that gives a version a stage; with `native` rather one of the backend's own stage. Errors:
    `InvalidRequestError`, `StateError`.
    """
    rules, name = state.place.rules, state.place.row.name
    fresh = (state.place.adapter.fresh or {}).get("stage") if native else None
    if stage == "none" and fresh is not None:
        candidates = [Rule("stage", fresh)]
    elif stage == "none":
        _, reason = state.stage(version)
        held = f": take away {reason}" if reason else ""
        raise InvalidRequestError(
            f"none is the absence of every stage, not one to write{held}", code="stage-not-writable"
        )
    else:
        candidates = sorted(rules[stage], key=lambda rule: native and rule.kind != "stage")
    stays: tuple[str, str] | None = None
    for rule in candidates:
        wanted = writing(state.place, rule, version)
        if wanted is None:
            continue
        found, reason = state.after(wanted, state.target(wanted, version).key).stage(version)
        if found == stage:
            return wanted
        stays = stays or (found, reason)
    if stays is not None:
        found, reason = stays
        raise StateError(
            f"{state.ref(version)} would stay {found} because of {reason}: take that away first",
            code="stage-held",
        )
    known = ", ".join(map(str, candidates)) or "none"
    raise InvalidRequestError(
        f"no rule for {stage} of registry {name} can be written (rules: {known}): its operator adds one that can",
        code="stage-not-writable",
    )


def _parting(state: ModelState, holder: str, heir: str, stage: str) -> list[NativeWrite]:
    """What takes a stage wholly from a version that has lost an alias to another; nothing where it has lost the stage
    already, or would keep it all the same.
    """
    found = []
    for rule in _holding(state, holder, stage):
        wanted = _ending(state, rule, heir)
        if wanted is None:
            return []
        found.append(NativeWrite(holder, wanted))
        state = state.after(wanted, state.target(wanted, holder).key)
    return [] if state.stage(holder)[0] == stage else found


def _holding(state: ModelState, version: str, stage: str) -> Iterator[Rule]:
    """The rules by which a version is in a stage."""
    if state.stage(version)[0] == stage:
        one = state.versions[version]
        named = {alias for alias, target in state.aliases.items() if target == version}
        yield from (rule for rule in state.place.rules[stage] if rule.holds(one.record, named, one.deployed))


def _ending(state: ModelState, rule: Rule, heir: str) -> Wanted | None:
    """What ends a rule's hold: an alias moves to the heir, a tag goes, a native notion becomes what the rules call
    archived. None where that cannot be written, or the rules do not say.
    """
    match writing(state.place, rule, heir):
        case SetTags(tags):
            # Where a model shares its tags, one that goes may uncover the model's own, which nobody sees before.
            return None if state.place.adapter.shared_tags else SetTags(dict.fromkeys(tags))
        case SetStage(field=field):
            said = (each for each in state.place.rules["archived"] if each.kind == field)
            instead = next(said, None)
            return None if instead is None else SetStage(field, instead.value)
        case alias_or_none:
            return alias_or_none
