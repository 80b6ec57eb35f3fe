"""`/promote/{ref}`, `/promotions`: what a stage would take, what waits, and agreeing with the evidence in view."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from litestar import Response
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import Permission, View
from federation.errors import PreconditionError, StateError, WaypostError
from federation.promotions.promotions import ChosenPromotions, ShownPromotion, Word
from federation.references import STAGES, Reference
from gateway.api.promotions_out import JudgementOut, judgement_out, promotions_out, seen_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost, Ident, OptionalIdent
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import form_of, list_at, listed, page, pages_at
from gateway.parameters import read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

NEWEST, OF_A_FILE = 50, 10_000
"""Promotions on a page of them, and in a file."""
OFFERED = 10
"""Versions that are offered where nothing is known to go back to."""
WORDS = ("approve", "reject", "comment", "cancel", "review", "stop")


@pages_at("/promote/{ref:path}", permission=Permission.TAG)
def promote_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    to: FromQuery[str] = "production",
) -> Response[Any]:
    """Every check of a promotion that nobody has proposed, with the form that proposes it."""
    reference = read_reference(ref)
    if reference.version is reference.alias is reference.stage is None:
        model = waypost.catalogue.model(principal.view, reference)
        return page(
            request, "promote.html", title=f"Promote {model.reference}", subject=str(model.reference),
            versions=[str(model.reference) + f":{one.version}" for one in model.versions], to=to, judged=None,
            stages=STAGES,
        )  # fmt: skip
    judged = judgement_out(waypost.promotions.plan(principal, reference, to))
    return page(
        request, "promote.html", title=f"Promote {judged.ref}", subject=judged.ref, versions=(), to=to,
        judged=judged, stages=STAGES, is_held=_is_held(waypost, principal.view, judged),
        destinations=waypost.promotions.destinations(principal.view, reference),
    )  # fmt: skip


@form_at("/promote/{ref:path}", Permission.TAG)
async def promote(
    ref: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Redirect:
    """Propose what was shown."""
    to, reason = fields.get("to", ""), fields.get("reason", "")
    if into := fields.get("into", "").strip():
        return await _led(waypost.promotions.propose_into, principal, read_reference(ref), into, to, reason)
    return await _led(waypost.promotions.propose, principal, read_reference(ref), to, reason)


@pages_at("/rollback/{ref:path}", permission=Permission.APPROVE)
def rollback_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    stage: FromQuery[str] = "production",
) -> Response[Any]:
    """Which version would come back, what that changes, and the form that brings it back."""
    reference, mistake, judged, others = read_reference(ref), None, None, list[str]()
    model = Reference(reference.registry, reference.model)
    try:
        judged = judgement_out(waypost.promotions.plan_back(view, model, stage=stage))
    except StateError as error:
        mistake = error
        if error.code == "no-way-back":
            versions = waypost.catalogue.model(view, model, newest=OFFERED).versions
            others = [str(replace(model, version=one.version)) for one in versions if one.stage != stage]
    return page(
        request, "rollback.html", title=f"Roll back {model}", subject=str(model), stage=stage, judged=judged,
        mistake=mistake, others=others[:OFFERED], is_held=_is_held(waypost, view, judged),
    )  # fmt: skip


@form_at("/rollback/{ref:path}", Permission.APPROVE)
async def roll_back(
    ref: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Redirect:
    """Bring back the version that was shown."""
    to, stage = fields.get("to") or None, fields.get("stage", "production")
    back = partial(waypost.promotions.roll_back, to=to, stage=stage)
    reference = read_reference(ref)
    return await _led(
        back, principal, Reference(reference.registry, reference.model), fields.get("reason", "")
    )


@list_at("/promotions")
def promotions_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    before: FromQuery[OptionalIdent] = None,
) -> Response[Any]:
    """What is proposed, newest first, what became of it, and what waits for the caller; from an id on."""
    limit = NEWEST if form_of(request) == "html" else OF_A_FILE
    found = promotions_out(
        waypost, waypost.promotions.list(principal.view, ChosenPromotions(before=before), limit), limit
    )
    return listed(
        request,
        "promotions.html",
        found,
        found.promotions,
        title="Promotions",
        promotions=found.promotions,
        older=found.next_cursor,
        most=OF_A_FILE,
        waiting=waypost.promotions.waiting_for(principal),
    )


@pages_at("/promotions/{promotion_id:int}")
def promotion_page(
    request: AnyRequest, promotion_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView
) -> Response[Any]:
    """One promotion: the checks, who said what, and the forms to say something."""
    return _shown(request, waypost, view, promotion_id)


@form_at("/promotions/{promotion_id:int}", Permission.APPROVE)
async def say(
    request: AnyRequest,
    promotion_id: FromPath[Ident],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    fields: GivenFields,
) -> Response[Any] | Redirect:
    """Say it; where it cannot be said now, the page as it stands tells why."""
    word = fields.get("word", "")
    if word not in WORDS:
        raise ProblemError(422, "invalid-request", f"what is said is one of {', '.join(WORDS)}")
    words, evidence = fields.get("words", "").strip(), fields.get("evidence") or None
    try:
        await asyncio.to_thread(
            waypost.promotions.say, principal, promotion_id, cast("Word", word), words, evidence
        )
    except (StateError, PreconditionError) as refusal:
        return await asyncio.to_thread(_shown, request, waypost, principal.view, promotion_id, refusal)
    return Redirect(f"/promotions/{promotion_id}", status_code=303)


def _is_held(waypost: Waypost, view: View, judged: JudgementOut | None) -> bool:
    """Whether another version holds the stage now, so that there is something to compare with."""
    if judged is None:
        return False
    reference = read_reference(judged.ref)
    try:
        holder = waypost.catalogue.version(view, replace(reference, version=None, stage=judged.to))
    except WaypostError:
        return False
    return holder.reference != reference


async def _led(propose: Callable[..., ShownPromotion], *given: object) -> Redirect:
    """Propose, and lead to what was proposed."""
    found = await asyncio.to_thread(propose, *given)
    return Redirect(f"/promotions/{found.promotion.id}", status_code=303)


def _shown(
    request: AnyRequest, waypost: Waypost, view: View, promotion_id: int, mistake: Exception | None = None
) -> Response[Any]:
    found = seen_out(waypost.promotions.show(view, promotion_id))
    return page(
        request,
        "promotion.html",
        status=200 if mistake is None else 409,
        title=f"Promotion of {found.ref}",
        one=found,
        judged=found.judgement,
        is_held=_is_held(waypost, view, found.judgement),
        mistake=mistake,
    )
