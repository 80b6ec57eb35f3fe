"""`/bulk`: tags of many models and versions, or deprecations of many models: chosen, previewed, and then done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from litestar import Response
from litestar.params import FromQuery, QueryParameter

from federation.access import Permission, Principal, View
from federation.errors import InvalidRequestError
from federation.graph.graph import Going
from federation.operations.operations import (
    MOST,
    ManyChanges,
    ManyPlan,
    PlanChangedError,
    RefusedTogetherError,
)
from federation.references import ReferenceSyntaxError
from federation.search.answer import Group, SearchError, SearchRequest
from federation.search.syntax import QuerySyntaxError
from gateway.api.operations_out import OperationOut, asked_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.meant import reference_meant
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import page, pages_at
from gateway.pages.words import model_of
from gateway.problems import ProblemError, explain
from gateway.waypost import Waypost

OF = "of "
"""A ticked box is called so, and as what it is of."""
SomeNames = Annotated[list[str] | None, QueryParameter(name="ref")]


@dataclass(frozen=True, slots=True)
class BulkForm:
    """What the forms of the page hold. `q` and `group` say what to choose from, the rest what to do to the chosen."""

    q: str = ""
    group: str = "version"
    tags: str = ""
    untag: str = ""
    until: str = ""
    replacement: str = ""
    note: str = ""

    def wanted(self, waypost: Waypost, view: View, refs: Sequence[str]) -> ManyChanges:
        """The same for the face. Errors: `InvalidRequestError`, and `reference_meant`."""
        tags: dict[str, str | None] = {**dict(_pairs(self.tags)), **dict.fromkeys(_lines(self.untag))}
        going = None
        if self.until:
            instead = reference_meant(waypost, view, self.replacement) if self.replacement else None
            going = Going(_day(self.until), instead, self.note)
        elif self.replacement or self.note:
            raise InvalidRequestError("to deprecate their models, say until which day they stay")
        return ManyChanges([reference_meant(waypost, view, ref) for ref in refs], tags, going)


@dataclass(frozen=True, slots=True)
class BulkChoice:
    """What is chosen from: models or versions, and how many more there are than can be chosen at once."""

    refs: Sequence[str]
    more: int = 0


@pages_at("/bulk", permission=Permission.TAG)
def bulk_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    q: FromQuery[str] = "",
    group: FromQuery[str] = "version",
    refs: SomeNames = None,
) -> Response[str]:
    """Choose among what a search finds, and what is named by `ref`; say what is to be done to the chosen."""
    form, mistake = BulkForm(q=q, group="model" if group == "model" else "version"), ""
    try:
        choice = _choice(waypost, principal, form, refs or ())
    except (QuerySyntaxError, SearchError) as error:
        choice, mistake = BulkChoice(list(refs or ())), str(error)
    return _shown(request, form, choice, choice.refs, mistake=mistake)


@form_at("/bulk", Permission.TAG)
def do_bulk(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[str]:
    """Show what it would do; with the token of that, do it, or where it is no longer so, show what it would be now."""
    form = BulkForm(**{name: fields.get(name, "").strip() for name in BulkForm.__slots__})
    refs = [name.removeprefix(OF) for name in fields if name.startswith(OF)]
    plan, mistake, status = None, "", 200
    try:
        wanted = form.wanted(waypost, principal.view, refs)
        if token := fields.get("plan"):
            try:
                done = [one.result() for one in waypost.operations.request_many(principal, wanted, token)]
            except (PlanChangedError, RefusedTogetherError) as refusal:
                mistake, status = str(refusal), 412
            else:
                asked = [asked_out(waypost, one, principal) for one in done]
                models = [] if wanted.going is None else [str(ref) for ref in wanted.models]
                return _shown(request, form, BulkChoice(()), (), asked=asked, models=models, status=202)
        plan = waypost.operations.plan_many(principal, wanted)
    except (InvalidRequestError, ReferenceSyntaxError, ProblemError) as error:
        near = explain(error).more.get("candidates", ())
        mistake, status = f"{error}; did you mean {' or '.join(near)}?" if near else str(error), 422
    return _shown(request, form, BulkChoice(refs), refs, plan=plan, mistake=mistake, status=status)


def _shown(
    request: AnyRequest,
    form: BulkForm,
    choice: BulkChoice,
    chosen: Sequence[str],
    *,
    plan: ManyPlan | None = None,
    mistake: str = "",
    asked: Sequence[OperationOut] = (),
    models: Sequence[str] = (),
    status: int = 200,
) -> Response[str]:
    return page(
        request, "bulk.html", status=status, title="Many at once", form=form, choice=choice, chosen=set(chosen),
        plan=plan, mistake=mistake, asked=asked, models=models, most=MOST,
    )  # fmt: skip


def _choice(waypost: Waypost, principal: Principal, form: BulkForm, named: Sequence[str]) -> BulkChoice:
    """Errors: `QuerySyntaxError`, `SearchError`."""
    refs, more = list(named), 0
    if form.q:
        group: Group = "model" if form.group == "model" else "version"
        found = waypost.search.query(
            principal.view, SearchRequest(q=form.q, strict=True, group=group, limit=MOST)
        )
        refs += [model_of(hit.ref) if group == "model" or not hit.version else hit.ref for hit in found.hits]
        more = (found.models if group == "model" else found.total) - len(found.hits)
    once = list(dict.fromkeys(refs))
    return BulkChoice(once[:MOST], more + len(once[MOST:]))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The tags of some lines. Errors: `InvalidRequestError`."""
    for line in _lines(text):
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise InvalidRequestError(f"a tag is written as KEY=VALUE, one a line: {line} is none")
        yield key.strip(), value.strip()


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(str.strip, text.splitlines()))


def _day(text: str) -> date:
    """Errors: `InvalidRequestError`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(f"a day is written as 2026-12-31: {text} is none") from None
