"""`/change/{ref}`: set a stage, an alias or a tag: what exactly would change, before the button that makes it so."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import Permission, Principal
from federation.errors import InvalidRequestError, StateError
from federation.operations.operations import Become, Chosen, Offer, PlanChangedError, Preview, RequestedChange
from federation.operations.wanted import SetAlias, SetTags
from federation.references import Reference
from gateway.api.operations_out import operation_out, operations_out
from gateway.api.out import model_out, version_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost, Ident, OptionalIdent
from gateway.intents import ask
from gateway.meant import asked_of
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import Form, form_of, list_at, listed, page, pages_at
from gateway.parameters import read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

CHOICES = 200
"""The newest versions among which one is chosen for an alias, with those that are relied on and the one at hand."""
SHOWN = 5
"""Versions that are hit, as the page names them."""
NEWEST, OF_A_FILE = 50, 10_000
"""Operations on a page of changes, and in a file of them."""


@pages_at("/change/{ref:path}", permission=Permission.TAG)
def change_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    what: FromQuery[str] = "",
    value: FromQuery[str] = "",
    name: FromQuery[str] = "",
) -> Response[Any]:
    """Choose what to change; then see exactly that, with the button under it."""
    return _chosen(request, ref, waypost, principal, {"what": what, "value": value, "name": name})


def _chosen(
    request: AnyRequest,
    ref: str,
    waypost: Waypost,
    principal: Principal,
    form: Mapping[str, str],
    mistake: Exception | None = None,
) -> Response[Any]:
    """The page, with the plan of what the form asks for. `mistake` is why it was not made as it was shown before."""
    reference = read_reference(ref)
    whole = reference.version is reference.alias is reference.stage is None
    one = None if whole else version_out(waypost.catalogue.version(principal.view, reference))
    model = waypost.catalogue.model(principal.view, reference, newest=CHOICES)
    offer = waypost.operations.offer(principal, reference)
    subject = one or model_out(model)
    choices = [*(version.version for version in model.versions), *([one.version] if one else [])]
    may_change = offer.is_open and principal.may(Permission.CHANGE, model.registry_id)
    may_tag = offer.is_open and principal.may(Permission.TAG, model.registry_id)
    change = _change(reference, form)
    preview: Preview | None = None
    if change is not None and _is_offered(offer, form) and (may_tag if _tags(form) else may_change):
        try:
            preview = waypost.operations.plan(principal, change, limit=SHOWN)
        except (InvalidRequestError, StateError) as refusal:
            mistake = mistake or refusal
    return page(
        request,
        "change.html",
        status=412 if isinstance(mistake, PlanChangedError) else 200,
        title=f"Change {subject.ref}",
        subject=subject,
        whole=whole,
        model_ref=str(model.reference),
        aliases=model.record.aliases,
        versions=list(dict.fromkeys(choices)),
        what=form["what"],
        value=form["value"],
        name=form["name"],
        question=_words(subject.ref, form, model.record.aliases),
        preview=preview,
        mistake=mistake,
        key=secrets.token_hex(16),
        offer=offer,
        may_change=may_change,
        may_tag=may_tag,
    )


def _change(reference: Reference, form: Mapping[str, str], plan: str | None = None) -> RequestedChange | None:
    """What a form asks for; None where it does not say."""
    what, value, name = form["what"], form["value"], form["name"]
    match what:
        case "stage" if value:
            return RequestedChange(reference, Become(value), plan=plan)
        case "alias" if name and value:
            return RequestedChange(reference, SetAlias(name, value), plan=plan)
        case "unalias" if name:
            return RequestedChange(reference, SetAlias(name, None), plan=plan)
        case "tag" | "untag" if name:
            return RequestedChange(reference, SetTags({name: None if what == "untag" else value}), plan=plan)
    return None


def _tags(form: Mapping[str, str]) -> bool:
    return form["what"] in ("tag", "untag")


def _is_offered(offer: Offer, form: Mapping[str, str]) -> bool:
    """Whether what a form asks for can be asked for at all."""
    if form["what"] == "stage":
        return form["value"] in offer.stages
    return offer.tag if _tags(form) else offer.alias


def _words(ref: str, form: Mapping[str, str], aliases: Mapping[str, str]) -> str:
    """What a form asks for, in words."""
    value, name = form["value"], form["name"]
    match form["what"]:
        case "stage":
            return f"the stage of {ref} becomes {value}"
        case "unalias":
            return f"the alias {name} is taken away"
        case "alias" if name in aliases:
            return f"the alias {name} moves from version {aliases[name]} to version {value}"
        case "alias":
            return f"the new alias {name} will name version {value}"
        case "untag":
            return f"the tag {name} is removed from {ref}"
    return f"the tag {name} of {ref} is set to {value}"


@form_at("/change/{ref:path}", Permission.TAG)
async def change(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    fields: GivenFields,
) -> Response[Any] | Redirect:
    """Make what was shown, and show what becomes of it; or, where it is no longer so, show what it would be now."""
    form = {field: fields.get(field, "").strip() for field in ("what", "value", "name")}
    asked = _change(read_reference(ref), form, fields.get("plan") or None)
    if asked is None:
        raise ProblemError(422, "invalid-request", "the form does not say what to change: go back and choose")
    try:
        answer = await ask(waypost.operations, principal, asked, fields.get("key") or None)
    except PlanChangedError as error:
        return await asyncio.to_thread(_chosen, request, ref, waypost, principal, form, error)
    return Redirect(f"/operations/{answer.operation.id}", status_code=303)


@list_at("/operations")
def operations_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    ref: FromQuery[str | None] = None,
    before: FromQuery[OptionalIdent] = None,
) -> Response[Any]:
    """What was asked for, newest first, from an id on."""
    form: Form = form_of(request)
    limit = NEWEST if form == "html" else OF_A_FILE
    rows = waypost.operations.list(view, Chosen(ref=asked_of(waypost, view, ref), before=before), limit)
    found = operations_out(waypost, rows, limit)
    return listed(
        request,
        "operations.html",
        found,
        found.operations,
        form=form,
        title="Operations",
        operations=found.operations,
        older=found.next_cursor,
        most=OF_A_FILE,
    )


@pages_at("/operations/{operation_id:int}")
def operation_page(
    request: AnyRequest, operation_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView
) -> Response[Any]:
    """What became of one change; looks again by itself until it has ended."""
    found = operation_out(waypost, waypost.operations.show(view, operation_id))
    done = found.finished_at is not None
    return page(request, "operation.html", title="Change", operation=found, done=done)
