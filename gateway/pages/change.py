"""`/change/{ref}`: set a stage, an alias or a tag, with the impact shown before the button."""

import secrets
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from adapters import Capability
from federation.access import Permission, Principal, View
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.models import read_model
from federation.catalogue.reader import Version
from federation.database import now, reading
from federation.errors import InvalidRequestError, StateError
from federation.graph.subject import Action
from federation.operations.admission import Places, place_of, through_rule
from federation.references import Reference, encode_part, parse
from federation.registries.states import read_registries
from gateway.api.operations import (
    AliasIn,
    OperationOut,
    StageIn,
    TagsIn,
    list_operations,
    remove_alias_or_model,
    set_alias,
    set_model_tags,
    set_stage,
    set_version_tags,
    show_operation,
)
from gateway.api.out import model_out, version_out
from gateway.api.requests import Ident
from gateway.pages.answers import answer
from gateway.pages.forms import form_at
from gateway.pages.model import impact_of
from gateway.pages.page import Form, form_of, list_at, listed, page, pages_at
from gateway.parameters import read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

STAGES = ("production", "staging", "archived", "none")
CHOICES = 200
"""The newest versions among which one is chosen for an alias, with those that are relied on and the one at hand."""


@pages_at("/change/{ref:path}", permission=Permission.TAG)
def change_page(
    request: Request[Any, Any, Any],
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    what: FromQuery[str] = "",
    value: FromQuery[str] = "",
    name: FromQuery[str] = "",
) -> Response[Any]:
    """Choose what to change; then see its impact with the button under it."""
    reference = read_reference(ref)
    whole = reference.version is reference.alias is reference.stage is None
    one = None if whole else version_out(waypost.catalogue.version(principal.view, reference))
    with reading(waypost.engine) as connection:
        model = read_model(connection, principal.view, reference, newest=CHOICES)
        writable = read_registries(connection, principal.view, now(), name=model.registry)[0].writable
        version = None if whole else find_or_read_version(connection, principal.view, reference)
        offer = offered(connection, waypost, model.registry_id, version)
    subject = one or model_out(model)
    choices = [*(version.version for version in model.versions), *([one.version] if one else [])]
    own = str(model.reference)
    impact, question = None, ""
    if offer.takes(what, value) and (value or name):
        question, impact = _asked(
            waypost, principal, subject.ref, own, what, value, name, model.record.aliases
        )
    return page(
        request,
        "change.html",
        title=f"Change {subject.ref}",
        subject=subject,
        whole=whole,
        model_ref=own,
        aliases=model.record.aliases,
        versions=list(dict.fromkeys(choices)),
        what=what,
        value=value,
        name=name,
        impact=impact,
        question=question,
        key=secrets.token_hex(16),
        writable=writable,
        offer=offer,
        may_change=offer.is_open and principal.may(Permission.CHANGE, model.registry_id),
        may_tag=offer.is_open and principal.may(Permission.TAG, model.registry_id),
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be changed, and in words what cannot; nothing where the registry takes no change at all."""

    is_open: bool = False
    stages: tuple[str, ...] = ()
    alias: bool = False
    tag: bool = False
    refusals: tuple[str, ...] = ()

    def takes(self, what: str, value: str) -> bool:
        """Whether a change of a stage or an alias can be asked for."""
        if what == "stage":
            return value in self.stages
        return self.alias and what in ("alias", "unalias")


def offered(connection: Connection, waypost: Waypost, registry_id: int, version: Version | None) -> Offer:
    """What would not be refused for what the registry and its adapter are; `version` None for a whole model."""
    try:
        place = place_of(connection, registry_id, Places(waypost.adapters))
    except (InvalidRequestError, StateError) as refusal:
        return Offer(refusals=(str(refusal),))
    stages, refusals = list[str](), list[str]()
    for stage in STAGES:
        if version is not None and version.stage != stage:
            try:
                through_rule(place, version, stage)
                stages.append(stage)
            except (InvalidRequestError, StateError) as refusal:
                refusals.append(str(refusal) if stage == "none" else f"{stage}: {refusal}")
    for capability in (Capability.SET_ALIAS, Capability.SET_TAGS):
        try:
            place.require(capability)
        except (InvalidRequestError, StateError) as refusal:
            refusals.append(str(refusal))
    can = place.able
    return Offer(
        True, tuple(stages), Capability.SET_ALIAS in can, Capability.SET_TAGS in can, tuple(refusals)
    )


def _asked(
    waypost: Waypost,
    principal: Principal,
    ref: str,
    model: str,
    what: str,
    value: str,
    name: str,
    aliases: Any,
) -> tuple[str, Any]:
    """What will happen in words, and its impact where the graph can say it."""
    if what == "stage":
        action: Action = "archive" if value == "archived" else "change"
        return f"{ref} becomes {value}", impact_of(waypost, principal, ref, action)
    of = parse(model)
    alias = str(Reference(of.registry, of.model, alias=name))
    if what == "unalias":
        return f"the alias {name} is taken away", impact_of(waypost, principal, alias, "delete")
    if name not in aliases:
        return f"the new alias {name} will name version {value}: nothing can follow it yet", None
    was = aliases[name]
    words = f"the alias {name} moves from version {was} to version {value}"
    return words, impact_of(waypost, principal, alias, "move-alias", str(value))


@form_at("/change/{ref:path}", Permission.TAG)
async def change(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    fields: NamedDependency[dict[str, str]],
) -> Redirect:
    """Ask for the change, then show what becomes of it."""
    what, value, name = (fields.get(field, "").strip() for field in ("what", "value", "name"))
    key, match = fields.get("key") or None, fields.get("etag") or None
    base, text = read_reference(ref), ref.rstrip("/")
    model = str(Reference(base.registry, base.model))
    given: dict[str, Any] = {"waypost": waypost, "principal": principal, "key": key}
    alias = f"{model}/aliases/{encode_part(name)}"
    if what == "stage" and value in STAGES:
        made = await answer(set_stage)(f"{text}/stage", StageIn(value), match=match, **given)  # type: ignore[arg-type]
    elif what == "alias" and name and value:
        made = await answer(set_alias)(alias, AliasIn(value), **given)
    elif what == "unalias" and name:
        made = await answer(remove_alias_or_model)(alias, **given)
    elif what in ("tag", "untag") and name:
        tags = TagsIn({name: None if what == "untag" else value})
        whole = base.version is base.alias is base.stage is None
        setter = set_model_tags if whole else set_version_tags
        made = await answer(setter)(f"{text}/tags", tags, **given)
    else:
        raise ProblemError(422, "invalid-request", "the form does not say what to change: go back and choose")
    return Redirect(f"/operations/{made.content.id}", status_code=303)


@list_at("/operations")
def operations_page(
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    ref: FromQuery[str | None] = None,
) -> Response[Any]:
    """What was asked for, newest first."""
    found = answer(list_operations)(waypost, view, ref=ref or None)
    form: Form = form_of(request)
    return listed(
        request,
        "operations.html",
        found,
        found.operations,
        form=form,
        title="Changes",
        operations=found.operations,
    )


@pages_at("/operations/{operation_id:int}")
def operation_page(
    request: Request[Any, Any, Any],
    operation_id: FromPath[Ident],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
) -> Response[Any]:
    """What became of one change; looks again by itself until it has ended."""
    found: OperationOut = answer(show_operation)(operation_id, waypost, view).content
    return page(
        request, "operation.html", title="Change", operation=found, done=found.finished_at is not None
    )


HANDLERS = [*change_page, change, *operations_page, *operation_page]
