"""From what a principal asks for to a plan: who may, whether it can be, how the backend is asked, what that changes.

Everything here reads; what is refused was never written down, and no backend was called. Nothing else makes a plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import Connection

from adapters import ModelRecord
from federation.access import Permission, Principal
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.models import read_model
from federation.catalogue.reader import Version, as_version, is_bare
from federation.errors import GoneError, InvalidRequestError, StateError, UnknownError
from federation.operations import foresight, staging
from federation.operations.admission import WriteTarget, WriteTargets, check_match, decides_stage, place_of
from federation.operations.guarding import require_unguarded
from federation.operations.intent import Intent, digest_of
from federation.operations.offers import Offer, offer
from federation.operations.plans import Plan
from federation.operations.state import ModelState, VersionState, read_holders, read_versions
from federation.operations.wanted import (
    CAPABILITIES,
    PERMISSIONS,
    Delete,
    Describe,
    Makes,
    Register,
    Rename,
    SetAlias,
    SetTags,
    Wanted,
    check,
    merged,
)
from federation.policies.guard import guards
from federation.policies.policy import Policy
from federation.references import Reference
from federation.registries.states import read_registry


class ExistsError(StateError):
    """Choose another name."""

    code = "exists"


class Become(msgspec.Struct, frozen=True, tag_field="kind", tag="stage", omit_defaults=True):
    """A version is to have a normalised stage, however its registry says that. `alone`: nobody else keeps it;
    `archives`: whoever had it is archived, where the registry can say so. `native`: where the rules leave a choice, by
    the backend's own notion of a stage; and `none` by what that is for a new version.
    """

    stage: str
    alone: bool = False
    archives: bool = False
    native: bool = False


@dataclass(frozen=True, slots=True)
class RequestedChange:
    """What somebody asks for. `of` is what the reference must name, where that matters; `match` are the etags that it
    may have; `plan` is the token of the plan that was shown.
    """

    reference: Reference
    wanted: Become | Wanted
    match: Sequence[str] = ()
    of: Literal["model", "version", ""] = ""
    plan: str | None = None
    joins: bool = False
    """Whether the same asked for again by the same principal, while it is under way, is that one."""

    @property
    def digest(self) -> bytes:
        """Tells a repetition from another request."""
        return digest_of(str(self.reference), self.wanted, list(self.match), self.plan)


class Located(NamedTuple):
    """What a reference names: a version, a whole model, or (`model` None) one that is not there yet."""

    registry_id: int
    registry: str
    name: str
    model: tuple[int, ModelRecord] | None
    version: Version | None = None

    def state(self, place: WriteTarget) -> ModelState:
        """Its model, with no other version than this one."""
        one = self.version
        versions = {} if one is None else {one.record.version: VersionState(one.id, one.record, one.deployed)}
        id_, record = self.model or (None, None)
        return ModelState(Reference(self.registry, self.name), place, id_, record, versions)


@dataclass(frozen=True, slots=True)
class Asking:
    """One look at the catalogue, for one principal. Only a promotion is `promoting`: it alone may change who holds a
    guarded stage.
    """

    connection: Connection
    principal: Principal
    places: WriteTargets
    promoting: bool = False

    def plan(self, change: RequestedChange) -> Plan:
        """What a change will do. Errors: every branch of `WaypostError`."""
        return self._planned(self._draft(change))

    def intents(self, change: RequestedChange) -> Sequence[Intent]:
        """What is to be written down. With the token of a plan, only while that is still the plan; what is written is
        then bound to what stood there. Errors: every branch of `WaypostError`.
        """
        draft = self._draft(change)
        if change.plan is None and not self._guards(draft.state):
            return draft.intents
        plan = self._planned(draft)
        if change.plan is not None:
            plan.require(change.plan)
        elif not self._moves_stages(draft):
            return draft.intents  # else it is bound to what the guard has judged it by
        return [step.bound for step in plan.steps]

    def offer(self, reference: Reference) -> Offer:
        """What of a model or version could be changed at all. Errors: as for a change."""
        found = self._find(reference)
        state = found.state(place_of(self.connection, found.registry_id, self.places))
        if found.version is None:
            return offer(state, None, None)
        return offer(state, found.version.record.version, found.version.stage)

    def _planned(self, draft: foresight.Draft) -> Plan:
        """The plan of a draft. Errors: `PromotionRequiredError`."""
        plan = foresight.plan(self.connection, draft)
        if (policies := self._guards(draft.state)) and not self.promoting:
            require_unguarded(self.connection, policies, draft, plan)
        return plan

    def _moves_stages(self, draft: foresight.Draft) -> bool:
        """Whether what is written may decide a stage, should the backend hold something else by now."""
        writes = [intent.wanted for intent in draft.intents]
        place = draft.state.place
        return any(
            not isinstance(one, SetTags | Makes | Rename | Describe)
            or (isinstance(one, SetTags | Register) and decides_stage(place, one.tags))
            for one in writes
        )

    def _guards(self, state: ModelState) -> list[Policy]:
        row, policies = state.place.row, self.places.policies(self.connection)
        return guards(policies, row.name, row.team, state.reference.model)

    def _draft(self, change: RequestedChange) -> foresight.Draft:
        wanted = change.wanted
        if not isinstance(wanted, Become):
            check(wanted)
        found = self._located(change)
        self._allow(found, wanted)
        place = place_of(self.connection, found.registry_id, self.places)
        state = found.state(place)
        if isinstance(wanted, Become):
            return self._staged(change, found, state, wanted)
        place.require(CAPABILITIES[type(wanted)])
        if isinstance(wanted, Makes) and not isinstance(wanted, Register) and found.model is not None:
            raise ExistsError(f"there is a model {found.registry}/{found.name} already")
        if isinstance(wanted, Rename):
            self._allow_name(state, wanted.name)
        self._allow_deciding(place, wanted)
        if isinstance(wanted, SetTags):
            self._allow_leaving(found, state, wanted)
        if isinstance(wanted, SetAlias) and wanted.version is not None:
            named = replace(state.reference, version=wanted.version)
            find_or_read_version(self.connection, self.principal.view, named)
        version = None if found.version is None else found.version.record.version
        return foresight.Draft(state, [_intent(state, wanted, version, change.match)])

    def _located(self, change: RequestedChange) -> Located:
        """Errors: `UnknownError`, `GoneError`, `InvalidRequestError` where the reference names the wrong kind."""
        reference, wanted = change.reference, change.wanted
        if isinstance(wanted, Makes):
            return self._room_for(reference)
        _check_named(change)
        if isinstance(wanted, SetAlias):
            reference = Reference(reference.registry, reference.model)
        return self._find(reference)

    def _find(self, reference: Reference) -> Located:
        """Errors: `UnknownError`, `GoneError`."""
        view = self.principal.view
        if is_bare(reference):
            model = read_model(self.connection, view, reference, newest=0)
            known = (model.id, model.record)
            return Located(model.registry_id, model.registry, model.record.name, known)
        row = self.places.versions.get((view, reference))
        one = find_or_read_version(self.connection, view, reference) if row is None else as_version(row)
        return Located(one.registry_id, one.registry, one.model, (one.model_id, one.model_record), one)

    def _room_for(self, reference: Reference) -> Located:
        """Where a version is registered, with its model if there is one."""
        registry = read_registry(self.connection, self.principal.view, reference.registry)
        ref = Reference(registry.name, reference.model)
        try:
            found = read_model(self.connection, self.principal.view, ref, newest=0)
        except (UnknownError, GoneError):
            return Located(registry.id, registry.name, ref.model, None)
        return Located(registry.id, registry.name, ref.model, (found.id, found.record))

    def _allow(self, found: Located, wanted: Become | Wanted) -> None:
        """Errors: `DeniedError`."""
        permission = Permission.CHANGE if isinstance(wanted, Become) else PERMISSIONS[type(wanted)]
        self.principal.require(permission, found.registry_id, f"registry {found.registry}")

    def _allow_deciding(self, place: WriteTarget, wanted: Wanted) -> None:
        """Errors: `DeniedError` for tags that decide a stage and who may not set stages."""
        if isinstance(wanted, SetTags | Register) and decides_stage(place, wanted.tags):
            where = f"the tags of registry {place.row.name} that decide stages"
            self.principal.require(Permission.CHANGE, place.row.id, where)

    def _allow_leaving(self, found: Located, state: ModelState, wanted: SetTags) -> None:
        """Errors: `StateError` where what is changed would leave a policy that is on a tag: as by another name, nobody
        would have agreed to what follows.
        """
        of_model = {} if state.model is None else state.model.tags
        before = {**of_model, **({} if found.version is None else found.version.record.tags)}
        after, row = merged(before, wanted.tags), state.place.row
        left = [
            one.name
            for one in self._guards(state)
            if one.covers(row.name, row.team, found.name, before)
            and not one.covers(row.name, row.team, found.name, after)
        ]
        if left:
            where = "that is decided in the configuration, or on the backend"
            raise StateError(
                f"policy {', '.join(left)} is on a tag that this takes away: {where}", code="guarded"
            )

    def _allow_name(self, state: ModelState, name: str) -> None:
        """Errors: `ExistsError` where another model has the name, `StateError` where the policies of the two names are
        not the same: a model would leave some behind, or come under others that never saw it.
        """
        there = replace(state.reference, model=name)
        if there != state.reference and self._room_for(there).model is not None:
            raise ExistsError(f"there is a model {there} already")
        mine, others = (
            {one.name for one in self._guards(each)} for each in (state, replace(state, reference=there))
        )
        if mine != others:
            names = ", ".join(sorted(mine ^ others))
            raise StateError(
                f"not the same policies guard {state.reference} and {there}: {names}", code="guarded"
            )

    def _staged(
        self, change: RequestedChange, found: Located, state: ModelState, wanted: Become
    ) -> foresight.Draft:
        assert found.version is not None
        stage, version = wanted.stage, found.version.record.version
        beside = staging.alias_holders(state, stage) - {version}
        if (wanted.alone or wanted.archives) and state.id is not None:
            beside |= read_holders(self.connection, state.id, stage) - {version}
        if beside and state.id is not None:
            state = state.with_versions(read_versions(self.connection, state.id, beside))
        steps = staging.writes(state, version, stage, native=wanted.native)
        if wanted.alone or wanted.archives:
            steps += staging.archiving(state, steps, version, stage, replaced=wanted.archives)
        match = (
            _of_model(change.match, state, version) if isinstance(steps[0].wanted, SetAlias) else change.match
        )
        first = _intent(state, steps[0].wanted, version, match, ref=found.version.reference)
        return foresight.Draft(
            state, [first, *(_intent(state, one.wanted, one.version, ()) for one in steps[1:])]
        )


def _check_named(change: RequestedChange) -> None:
    """Errors: `InvalidRequestError` where the reference does not name what the change is of."""
    reference, bare = change.reference, is_bare(change.reference)
    if isinstance(change.wanted, Become) and bare:
        raise InvalidRequestError("say which version: registry/model:version, …@alias or …@stage:production")
    if isinstance(change.wanted, Delete) and not bare and reference.version is None:
        raise InvalidRequestError("a delete names one version by its number (registry/model:version)")
    if change.of and bare != (change.of == "model"):
        one = (
            "the model itself (registry/model)"
            if change.of == "model"
            else "one version (registry/model:version)"
        )
        raise InvalidRequestError(f"name {one}: {reference} is none")


def _of_model(match: Sequence[str], state: ModelState, version: str) -> Sequence[str]:
    """The etag of the model in the place of the version's, which callers know: what is written is the model."""
    if check_match(match, state.versions[version].record.etag) is None or state.model is None:
        return ()
    return () if state.model.etag is None else (state.model.etag,)


def _intent(
    state: ModelState,
    wanted: Wanted,
    version: str | None,
    match: Sequence[str],
    ref: Reference | None = None,
) -> Intent:
    """One write, told as one of what it is written to. Errors: `PreconditionError`."""
    target, row = state.target(wanted, version), state.place.row
    if ref is None:
        ref = state.reference if version is None else replace(state.reference, version=version)
        ref = replace(state.reference, alias=wanted.alias) if isinstance(wanted, SetAlias) else ref
    return Intent(
        registry_id=row.id,
        registry=row.name,
        ref=ref,
        wanted=wanted,
        target=target.key,
        target_id=target.id,
        etag=check_match(match, target.etag),
    )
