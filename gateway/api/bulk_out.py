"""What the API takes and answers about tags and deprecations of many at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from federation.graph.graph import Deprecation, ImpactAnswer
from federation.operations.operations import ManyChanges
from gateway.api.graph_out import DeprecationIn
from gateway.api.operations_out import MOST_TAGS, OperationOut, PlanOut, asked_out, plan_out
from gateway.meant import reference_meant

if TYPE_CHECKING:
    from federation.access import Principal, View
    from gateway.waypost import Waypost

Names = Annotated[list[str], msgspec.Meta(min_length=1, max_length=200)]


class BulkIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked of all of `refs`, models or versions: tags to set (null removes one), and that their models are to
    go. `plan` is the token of a plan: it is done only while that is still the plan.
    """

    refs: Names
    """Models and versions."""
    tags: Annotated[dict[str, str | None], msgspec.Meta(max_length=MOST_TAGS)] = {}
    deprecate: DeprecationIn | None = None
    plan: str | None = None
    """The token of the plan that was shown."""

    def wanted(self, waypost: "Waypost", view: "View") -> ManyChanges:
        """The same for the face. Errors: as `reference_meant`."""
        going = None if self.deprecate is None else self.deprecate.going(waypost, view)
        return ManyChanges([reference_meant(waypost, view, ref) for ref in self.refs], self.tags, going)


class TaggedOut(msgspec.Struct):
    """What is done to one of them: its plan, or why it cannot be."""

    ref: str
    plan: PlanOut | None
    """What it does; null where it cannot be."""
    refusal: str


class GoingOut(msgspec.Struct):
    """A model that is deprecated: what was said of it before, or why that cannot be said."""

    ref: str
    before: Deprecation | None
    refusal: str
    impact: ImpactAnswer | None
    """Who is hit once it has gone, by counts and with the first of them; null where that takes longer to tell."""


class BulkPlanOut(msgspec.Struct):
    """What all of it would do. Nothing was changed or asked for. Send `token` as `plan` with the same request: it is
    then done only while this is still the plan. Where anything is `refused`, nothing is done.
    """

    token: str
    tagged: Sequence[TaggedOut]
    deprecated: Sequence[GoingOut]
    refused: int
    """How many of them cannot be."""
    unchanged: int
    """How many have those tags already."""


class BulkOut(msgspec.Struct):
    """What was asked for: an operation for each that is tagged, and the models that are deprecated now."""

    operations: Sequence[OperationOut]
    deprecated: Sequence[str]


def bulk_plan(waypost: "Waypost", principal: "Principal", asked: BulkIn) -> BulkPlanOut:
    """What all of it would do. Errors: as `Many.plan`, and `reference_meant`."""
    plan = waypost.operations.plan_many(principal, asked.wanted(waypost, principal.view))
    tagged = [
        TaggedOut(one.ref, None if one.preview is None else plan_out(one.preview), one.refusal)
        for one in plan.tagged
    ]
    plans = [one.plan for one in tagged if one.plan is not None]
    unchanged = sum(not any(step.fields for step in one.steps) for one in plans)
    going = [GoingOut(one.ref, one.before, one.refusal, one.impact) for one in plan.going]
    return BulkPlanOut(plan.token, tagged, going, len(plan.refused), unchanged)


def bulk_out(waypost: "Waypost", principal: "Principal", asked: BulkIn) -> BulkOut:
    """Ask for all of it. Errors: as `Many.request`, and `reference_meant`."""
    wanted = asked.wanted(waypost, principal.view)
    answers = [one.result() for one in waypost.operations.request_many(principal, wanted, asked.plan)]
    models = [] if wanted.going is None else [str(ref) for ref in wanted.models]
    return BulkOut([asked_out(waypost, one, principal) for one in answers], models)
