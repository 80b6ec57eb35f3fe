"""`/versions/{ref}`: everything known of one version; `/similar/{ref}`: what is like it; `/diff`: two side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import Permission, View
from federation.catalogue.catalogue import Version
from federation.errors import UnknownError
from federation.graph.graph import DamagedError, DependenciesAnswer
from federation.journal.journal import JournalFilter
from federation.references import Reference, ReferenceSyntaxError, parse
from gateway.api.history_out import SpanOut, timeline_out
from gateway.api.out import DiffOut, EntryOut, VersionOut, diff_out, entry_out, version_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost, Limit, OptionalIdent
from gateway.api.statements_out import CommentOut, comments_out
from gateway.likeness import similar
from gateway.loading import how_to_load
from gateway.meant import candidates, reference_meant
from gateway.names import names_in
from gateway.pages.beside import in_words, is_falling
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.markdown import card
from gateway.pages.model import impact_of, trouble_of
from gateway.pages.page import form_of, list_at, listed, named, page, pages_at
from gateway.pages.then import then_and_now
from gateway.pages.words import path
from gateway.parameters import read_as_of, read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost


@pages_at("/versions/{ref:path}")
def version_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> Response[Any]:
    """Everything about one version, by version, alias or stage."""
    view, time = principal.view, read_as_of(as_of or None)
    found, form = named(
        request,
        ref,
        lambda text, _: waypost.catalogue.version(
            view, read_reference(text), incarnation=incarnation, at=time
        ),
    )
    version = version_out(found, waypost.freshness.of(view, found.registry))
    if form != "html":
        return listed(request, "", version, [version], form=form, title=version.ref)
    living, spans = version.deleted_at is None, _spans(waypost, view, found.reference)
    return page(
        request,
        "version.html",
        title=f"{version.title or version.model} {version.version}",
        version=version,
        trouble=trouble_of(waypost, view, version.registry),
        is_open=waypost.operations.takes(principal, found.registry_id),
        asked=ref.removeprefix("/"),
        as_of=as_of,
        card=card(version.description) if version.description else None,
        snippets=how_to_load(waypost, found, str(request.base_url).rstrip("/")) if living else None,
        spans=spans,
        then=None if time is None else then_and_now(_spans(waypost, view, found.reference, time), spans),
        meant=_meant_now(waypost, view, ref, version.ref) if time is not None else "",
        impact=impact_of(waypost, principal, version.ref) if living else None,
        model_card=waypost.catalogue.card(found, waypost.adapters) if living else {},
        stated=waypost.statements.of(view, found.reference) if living else [],
        comments=_comments(waypost, view, found) if living else None,
        needs=_needs(waypost, view, version) if living else None,
        entries=_entries(waypost, version.ref) if principal.may(Permission.AUDIT) else None,
    )


def _spans(
    waypost: Waypost, view: View, reference: Reference, at: datetime | None = None
) -> Sequence[SpanOut]:
    found = waypost.catalogue.timeline(view, reference, at=at)
    return timeline_out(waypost.identity, reference, at, found).spans


def _meant_now(waypost: Waypost, view: View, asked: str, ref: str) -> str:
    """What an alias or stage means now, where that is another version than it meant then."""
    try:
        now = str(waypost.catalogue.version(view, read_reference(asked)).reference)
    except (ReferenceSyntaxError, UnknownError):
        return ""
    return "" if now == ref else now


def _comments(waypost: Waypost, view: View, found: Version) -> list[CommentOut]:
    return comments_out(waypost.identity, waypost.statements.comments(view, found.reference))


@form_at("/comment/{ref:path}", Permission.APPROVE)
def comment(
    ref: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Redirect:
    """Say something of a version, for everybody who sees it."""
    reference = read_reference(ref)
    waypost.statements.comment(principal, reference, fields.get("words", ""))
    return Redirect(f"{path(str(reference))}#h-comments", status_code=303)


def _needs(waypost: Waypost, view: View, version: VersionOut) -> DependenciesAnswer | None:
    try:
        return waypost.graph.dependencies(view, parse(version.ref), limit=50)
    except (DamagedError, UnknownError):
        return None


def _entries(waypost: Waypost, ref: str) -> list[EntryOut]:
    lines = waypost.journal.entries(JournalFilter(ref=ref), limit=10, newest_first=True)
    names = names_in(waypost.identity, lines)
    return [entry_out(line, names) for line in lines]


@pages_at("/similar/{ref:path}")
def similar_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    limit: FromQuery[Limit] = 20,
) -> Response[Any]:
    """Other models that are like a version, and what they have in common."""
    found, form = named(request, ref, lambda text, _: similar(waypost, view, read_reference(text), limit))
    return listed(
        request, "similar.html", found, found.similar, form=form, title=f"More like {found.ref}", found=found
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One field that differs. `delta` and `better` only for a metric that both have."""

    field: str
    left: Any
    right: Any
    delta: float | None = None
    better: bool | None = None


@list_at("/diff")
def diff_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    left: FromQuery[str] = "",
    right: FromQuery[str] = "",
) -> Response[Any]:
    """Two versions, also of different registries: what differs."""
    mistake = None
    found: DiffOut | None = None
    meant: list[str] = []
    if left and right:
        try:
            pair = [reference_meant(waypost, view, text) for text in (left, right)]
            found = diff_out(waypost.catalogue.compare(view, *pair))
        except (ReferenceSyntaxError, UnknownError, ProblemError) as error:
            if form_of(request) != "html":
                raise
            mistake = f"{error}: write registry/model:version, or an alias or stage of a model"
            for text in (left, right):
                near = candidates(waypost, view, text)
                meant += [] if text in near else near
    rows = rows_of(found.differences) if found else {}
    return listed(
        request,
        "diff.html",
        found,
        [row for group in rows.values() for row in group],
        title="Compare",
        left=left,
        right=right,
        found=found,
        groups=rows,
        mistake=mistake,
        candidates=meant,
    )


def rows_of(differences: Mapping[str, Any]) -> dict[str, list[Row]]:
    """What differs, under the heads of the page; what is nested is put in words."""
    found = in_words({name: (pair.left, pair.right) for name, pair in differences.items()})
    return {
        head: [Row(name, left, right, *_change(name, left, right, head)) for name, (left, right) in rows]
        for head, rows in found.items()
    }


def _change(name: str, left: Any, right: Any, head: str) -> tuple[float, bool] | tuple[()]:
    """By how much a metric differs, and whether that is better; nothing of everything else."""
    if head != "Metrics" or not isinstance(left, int | float) or not isinstance(right, int | float):
        return ()
    delta = right - left
    return delta, delta < 0 if is_falling(name) else delta > 0
