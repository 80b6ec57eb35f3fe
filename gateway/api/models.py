"""Models, versions, their differences and their history."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from federation.catalogue.catalogue import Validation
from federation.search.answer import SimilarAnswer
from federation.statements.statements import ArtifactStatement
from gateway.api.comparison_out import ComparisonOut, comparison_out
from gateway.api.history_out import TimelineOut, timeline_out
from gateway.api.out import (
    DiffOut,
    ModelOut,
    VersionOut,
    diff_out,
    model_out,
    version_out,
)
from gateway.api.requests import (
    READ,
    AnyRequest,
    GivenPrincipal,
    GivenView,
    GivenWaypost,
    Limit,
    OptionalIdent,
    provide_waypost,
)
from gateway.api.statements_out import (
    CommentOut,
    CommentsOut,
    StatementsOut,
    comments_out,
    stated,
)
from gateway.likeness import similar
from gateway.meant import COMMENTS, SIMILAR, STATEMENTS, reference_meant
from gateway.parameters import read_as_of, read_reference

References = Annotated[
    list[str], QueryParameter(name="ref", description="two to eight versions, each by a `ref` of its own")
]


@get("/models/{ref:path}", opt=READ, sync_to_thread=True)
def show_model(
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> ModelOut:
    """One model with its versions, newest first. A deleted one answers 410 with what was known, or by
    `incarnation`; `as_of` asks for the versions, stages and aliases of then.
    """
    reference, time = read_reference(ref), read_as_of(as_of)
    found = waypost.catalogue.model(view, reference, incarnation=incarnation, at=time)
    return model_out(found, waypost.freshness.of(view, found.reference.registry))


@get("/versions/{ref:path}", opt=READ)
async def show_version(
    request: AnyRequest,
    ref: FromPath[str],
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
    limit: FromQuery[Limit] = 10,
) -> VersionOut | StatementsOut | CommentsOut | SimilarAnswer:
    """One version, named by version, alias, stage, or (a bare model) the newest. `as_of` asks what it meant then.
    With `/statements` behind it: what was stated about its artifact. With `/comments`: what people said of it. With
    `/similar`: at most `limit` other models that
    are like it, by text, lineage, schema and metrics, and what they have in common.
    """
    if ref.endswith(STATEMENTS):
        return await sync_to_thread(_stated, request, ref)
    if ref.endswith(COMMENTS):
        return await sync_to_thread(_commented, request, ref)
    if ref.endswith(SIMILAR):
        return await sync_to_thread(_similar, request, ref, limit)
    # Taken from the request itself: as dependencies they would cost as much as the look into the database.
    waypost, view = provide_waypost(request), request.scope["user"].view
    reference, time = read_reference(ref), read_as_of(as_of)
    catalogue = waypost.catalogue
    if incarnation is None and time is None and catalogue.is_quick:
        found = catalogue.find(view, reference)
        if found is not None:
            return version_out(found, waypost.freshness.of(view, found.registry))
    found = await sync_to_thread(catalogue.version, view, reference, incarnation=incarnation, at=time)
    return version_out(found, waypost.freshness.of(view, found.registry))


def _stated(request: AnyRequest, ref: str) -> StatementsOut:
    waypost, view = provide_waypost(request), request.scope["user"].view
    return StatementsOut(
        waypost.statements.of(view, reference_meant(waypost, view, ref.removesuffix(STATEMENTS)))
    )


def _commented(request: AnyRequest, ref: str) -> CommentsOut:
    waypost, view = provide_waypost(request), request.scope["user"].view
    found = waypost.statements.comments(view, reference_meant(waypost, view, ref.removesuffix(COMMENTS)))
    return CommentsOut(comments_out(waypost.identity, found))


def _similar(request: AnyRequest, ref: str, limit: int) -> SimilarAnswer:
    waypost, view = provide_waypost(request), request.scope["user"].view
    return similar(waypost, view, reference_meant(waypost, view, ref.removesuffix(SIMILAR)), limit)


@post("/versions/{ref:path}", opt=READ, sync_to_thread=True)
def make_statement(
    ref: FromPath[str], data: JSONBody[dict[str, Any]], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[ArtifactStatement | CommentOut | Validation]:
    """State something about the artifact of a version (`…/statements`): a signature, a scan, an evaluation, or the
    verdict of a check. It is kept byte for byte; said again it is the same statement. With `/comments` behind the
    reference: say something of the version itself, in words. With `/validate`: whether the version would take a
    request, by MLflow's rules, column by column.
    """
    found = stated(waypost, principal, ref, data)
    return Response(found, status_code=200 if isinstance(found, Validation) else 201)


@get("/diff", opt=READ, sync_to_thread=True)
def show_diff(left: FromQuery[str], right: FromQuery[str], waypost: GivenWaypost, view: GivenView) -> DiffOut:
    """What differs between two versions, also of different registries, and whether one can stand in for the other."""
    pair = [reference_meant(waypost, view, text) for text in (left, right)]
    return diff_out(waypost.catalogue.compare(view, *pair))


@get("/comparison", opt=READ, sync_to_thread=True)
def show_comparison(
    waypost: GivenWaypost, view: GivenView, refs: References, sort: FromQuery[str] = ""
) -> ComparisonOut:
    """Two to eight versions, also of different registries: all their metrics, and what else is not alike. `sort` is
    a metric, the least first; with `-` before it the greatest first; versions without it come last.
    """
    return comparison_out(waypost, view, refs, sort)


@get("/timeline/{ref:path}", opt=READ, sync_to_thread=True)
def show_timeline(
    ref: FromPath[str], waypost: GivenWaypost, view: GivenView, as_of: FromQuery[str | None] = None
) -> TimelineOut:
    """Which version held which stage and alias, since when, by whom; with `as_of` only what held at that time."""
    reference, time = read_reference(ref), read_as_of(as_of)
    return timeline_out(
        waypost.identity, reference, time, waypost.catalogue.timeline(view, reference, at=time)
    )
