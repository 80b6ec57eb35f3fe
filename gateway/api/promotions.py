"""Policies, and promotions: proposing, agreeing, reporting checks, and the way back."""

from typing import Annotated, Any, Literal

from litestar import Response, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, Parameter, QueryParameter

from federation.access import Permission
from federation.promotions.promotions import ChosenPromotions, Word
from gateway.api.promotions_out import (
    JudgementOut,
    PoliciesOut,
    PromotionIn,
    PromotionsOut,
    PromotionState,
    ReportIn,
    RollbackIn,
    SeenOut,
    Stage,
    SurveyOut,
    WordsIn,
    policy_out,
    promotions_out,
    proposed,
    rolled_back,
    seen_out,
    survey_out,
)
from gateway.api.requests import (
    APPROVE,
    READ,
    GivenPrincipal,
    GivenView,
    GivenWaypost,
    Ident,
    OptionalIdent,
    needs,
)
from gateway.meant import asked_of, place_meant
from gateway.parameters import read_reference


@get("/policies", opt=READ, sync_to_thread=True)
def list_policies(waypost: GivenWaypost, principal: GivenPrincipal) -> PoliciesOut:
    """The policies that hold, by name."""
    found = [policy_out(one) for one in waypost.policies.standing(principal.view)]
    lacking = waypost.promotions.unsatisfiable() if principal.may(Permission.GRANT) else None
    return PoliciesOut(found, lacking)


@post("/promotions", opt=needs(Permission.TAG), sync_to_thread=True, status_code=201)
def propose(
    data: JSONBody[PromotionIn], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[SeenOut | JudgementOut]:
    """Propose to bring a version to a stage; with `dry_run` answer 200 with every check and change nothing."""
    return _made(proposed(waypost, principal, data))


@get("/plans", opt=READ, sync_to_thread=True)
def survey(
    waypost: GivenWaypost,
    view: GivenView,
    to: FromQuery[Stage] = "production",
    under: FromQuery[Annotated[str, Parameter(max_length=4096)]] = "",
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 200,
    cursor: FromQuery[Annotated[str | None, Parameter(max_length=4096)]] = None,
) -> SurveyOut:
    """What policies would say of each version that they are on, were it proposed for a stage: of a registry or a model
    (`under`), or of all. A page is made of `limit` versions that were looked at.
    """
    after = None if cursor is None else read_reference(cursor)
    return survey_out(
        to, *waypost.promotions.survey(view, to, place_meant(waypost, view, under), after, limit)
    )


@post("/rollbacks", opt=APPROVE, sync_to_thread=True, status_code=201)
def roll_back(
    data: JSONBody[RollbackIn], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[SeenOut | JudgementOut]:
    """Bring back the version that held a stage before, by the timeline alone; with `dry_run` answer 200 with what that
    would change, and change nothing.
    """
    return _made(rolled_back(waypost, principal, data))


@get("/promotions", opt=READ, sync_to_thread=True)
def list_promotions(
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    in_state: Annotated[PromotionState | None, QueryParameter(name="state")] = None,
    waiting_for: FromQuery[Literal["me"] | None] = None,
    ref: FromQuery[str | None] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=200)]] = 50,
    cursor: FromQuery[OptionalIdent] = None,
) -> PromotionsOut:
    """Promotions, newest first; `state=open` are those that have not ended, `waiting_for=me` those that you could
    approve now.
    """
    if waiting_for is not None:
        return promotions_out(waypost, waypost.promotions.waiting_for(principal), 0)
    view = principal.view
    wanted = asked_of(waypost, view, ref)
    return promotions_out(
        waypost, waypost.promotions.list(view, ChosenPromotions(in_state, wanted, cursor), limit), limit
    )


@get("/promotions/{promotion_id:int}", opt=READ, sync_to_thread=True)
def show_promotion(promotion_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView) -> SeenOut:
    """A promotion: what is asked of it now, who said what, and what became of it."""
    return seen_out(waypost.promotions.show(view, promotion_id))


@get("/rollouts", opt=READ, sync_to_thread=True)
def list_rollouts(
    waypost: GivenWaypost,
    view: GivenView,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=200)]] = 50,
    cursor: FromQuery[OptionalIdent] = None,
) -> PromotionsOut:
    """Promotions that move traffic, newest first, with how far each has come (`rollout`)."""
    return promotions_out(
        waypost, waypost.promotions.list(view, ChosenPromotions(before=cursor, rolled=True), limit), limit
    )


def _saying(place: str, word: Word, what: str, under: str = "promotions") -> HTTPRouteHandler:
    """The route of one word. `what` it does is what the API's description says of it."""

    def say(
        promotion_id: FromPath[Ident],
        data: JSONBody[WordsIn],
        waypost: GivenWaypost,
        principal: GivenPrincipal,
    ) -> SeenOut:
        said = waypost.promotions.say(principal, promotion_id, word, data.words, data.evidence)
        return seen_out(said)

    say.__name__, say.__doc__ = word, what
    path = f"/{under}/{{promotion_id:int}}/{place}"
    return post(path, opt=APPROVE, sync_to_thread=True, status_code=200)(say)


SAYING = [
    _saying("approve", "approve", "Agree to a promotion, on the evidence as it is now."),
    _saying("reject", "reject", "End a promotion, with the reason in words. Whoever could approve it may."),
    _saying("comments", "comment", "Say something about a promotion."),
    _saying(
        "cancel",
        "cancel",
        "Take a promotion back that has not begun: whoever proposed it, or may set stages there.",
    ),
    _saying("stop", "stop", "Stop a rollout: the former shares of traffic are put back.", under="rollouts"),
    _saying("review", "review", "Close the review of what somebody else did in an emergency."),
]


@put("/promotions/{promotion_id:int}/checks/{name:path}", opt=needs(Permission.ATTEST), sync_to_thread=True)
def report_check(
    promotion_id: FromPath[Ident],
    name: FromPath[str],
    data: JSONBody[ReportIn],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
) -> SeenOut:
    """Say how a check ended that a policy asks for (`require_checks`)."""
    given = data.report(name.removeprefix("/"))
    return seen_out(waypost.promotions.report(principal, promotion_id, given))


def _made(found: SeenOut | JudgementOut) -> Response[Any]:
    if isinstance(found, JudgementOut):
        return Response(found, status_code=200)
    return Response(found, status_code=201, headers={"Location": f"/api/v1/promotions/{found.id}"})
