"""What a version needs, what breaks if it is touched, edges that people declare, and top lists over the graph."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from litestar import MediaType, Response, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, FromQuery, JSONBody, Parameter

from federation.access import Permission, Principal
from federation.errors import UnknownError
from federation.graph.graph import (
    Action,
    DependenciesAnswer,
    ImpactAnswer,
    InsightAnswer,
    LargeError,
    Question,
    Spec,
    svg,
)
from gateway.api import formats, rows
from gateway.api.formats import Format, Listed
from gateway.api.graph_out import (
    DeclaredOut,
    DependencyIn,
    DependencyOut,
    DeprecationIn,
    DeprecationsOut,
    InsightsOut,
    declared_out,
    dependency_out,
    deprecations_out,
    insights_out,
)
from gateway.api.requests import (
    DECLARE,
    READ,
    AnyRequest,
    Depth,
    GivenPrincipal,
    GivenView,
    GivenWaypost,
    Limit,
    needs,
)
from gateway.meant import reference_meant
from gateway.parameters import read_edge, read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

POSITION = "Waypost-Position"
Drawn = Annotated[Format | None, Parameter(description="instead of the Accept header")]
DRAWN = ("json", "csv", "dot", "svg")


@get("/dependencies", opt=READ, sync_to_thread=True)
def list_dependencies(
    waypost: GivenWaypost, view: GivenView, limit: FromQuery[Limit] = 50, cursor: FromQuery[str | None] = None
) -> DeclaredOut:
    """The edges that people declared and that stand, oldest first."""
    return declared_out(waypost, *waypost.graph.declared(view, limit=limit, cursor=cursor))


@post("/dependencies", opt=DECLARE, sync_to_thread=True)
def declare_dependency(
    data: JSONBody[DependencyIn], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[DependencyOut]:
    """Declare that one version needs another, or is derived from it. Said again it is the same edge, with 200."""
    consumer = reference_meant(waypost, principal.view, data.consumer)
    provider = reference_meant(waypost, principal.view, data.provider)
    made = waypost.graph.declare(principal, consumer, provider, data.kind, data.note)
    if made.position is None:
        return Response(dependency_out(waypost, made), status_code=200)
    headers = {POSITION: waypost.positions.seal(made.position)}
    return Response(dependency_out(waypost, made), status_code=201, headers=headers)


@delete("/dependencies/{ref:path}", opt=DECLARE, status_code=204, sync_to_thread=True)
def withdraw_dependency(
    ref: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[None]:
    """Take a declared edge back; here the address ends in its id."""
    gone = waypost.graph.withdraw(principal, read_edge(ref))
    assert gone.position is not None
    return Response(None, status_code=204, headers={POSITION: waypost.positions.seal(gone.position)})


@get("/deprecations", opt=READ, sync_to_thread=True)
def list_deprecations(waypost: GivenWaypost, view: GivenView) -> DeprecationsOut:
    """The models that are to go, the next one first."""
    return deprecations_out(waypost, waypost.graph.deprecations(view))


@post("/models/{ref:path}", opt=needs(Permission.CHANGE), status_code=204, sync_to_thread=True)
def deprecate_model(
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    data: JSONBody[DeprecationIn | None] = None,
) -> Response[None]:
    """Say that a model is to go (`…/deprecate`, with a day and what replaces it), or take that back (`…/reinstate`).
    It is told to whoever watches the model or what needs it; nothing is written to the backend.
    """
    text, _, verb = ref.rpartition("/")
    if verb == "deprecate" and data is not None:
        going = data.going(waypost, principal.view)
        position = waypost.graph.deprecate(principal, [reference_meant(waypost, principal.view, text)], going)
    elif verb == "reinstate":
        position = waypost.graph.reinstate(principal, reference_meant(waypost, principal.view, text))
    elif verb == "deprecate":
        raise ProblemError(400, "invalid-request", "until when? Send a day as `until`", parameter="until")
    else:
        raise UnknownError()
    return Response(None, status_code=204, headers={POSITION: waypost.positions.seal(position)})


@get("/dependencies/{ref:path}", opt=READ, sync_to_thread=True, operation_class=formats.DrawnOperation)
def show_dependencies(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
    format: FromQuery[Drawn] = None,  # noqa: A002  the name in the query
) -> Response[DependenciesAnswer]:
    """What a version is made from or needs, upstream, nearest first. CSV has everything, whatever `limit`."""
    reference, form_asked = read_reference(ref), formats.chosen(request, format, DRAWN)
    if form_asked == "csv":
        batches = waypost.graph.dependency_rows(view, reference, depth=depth)
        return formats.table(rows.needed_csv(batches))
    if form_asked != "json":
        return _drawn(waypost.graph.dependencies_drawing(view, reference, depth=depth), form_asked)
    found = waypost.graph.dependencies(view, reference, depth=depth, limit=limit, cursor=cursor)
    return Response(found, headers=formats.VARY)


@get("/impact/{ref:path}", opt=READ, operation_class=formats.DrawnOperation)
async def show_impact(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    action: FromQuery[Action] = "change",
    to: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
    format: FromQuery[Drawn] = None,  # noqa: A002  the name in the query
) -> Response[ImpactAnswer]:
    """What breaks and what is affected downstream if a version is archived, deleted or changed, or an alias moves.

    CSV has everything, whatever `limit`; DOT and SVG draw at most 200 and count what is folded.
    """
    reference = read_reference(ref)
    asked = formats.chosen(request, format, DRAWN)
    ask = partial(
        _impact, waypost, principal, Question(ref=reference), asked, action, to, depth, limit, cursor
    )
    if asked == "json" and to is None and waypost.graph.is_quick(reference):
        with suppress(LargeError):
            return ask(large=False)
    return await sync_to_thread(ask)


@get("/impact", opt=READ, sync_to_thread=True, operation_class=formats.DrawnOperation)
def show_impact_of_source(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    dataset: FromQuery[str | None] = None,
    commit: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
    format: FromQuery[Drawn] = None,  # noqa: A002  the name in the query
) -> Response[ImpactAnswer]:
    """What learned from a dataset (its address or a name that only one has, each also with `#digest`), or was made by a
    code commit (7 or more characters).
    """
    question = Question(dataset=dataset, commit=commit)
    asked = formats.chosen(request, format, DRAWN)
    return _impact(waypost, principal, question, asked, "change", None, depth, limit, cursor)


def _impact(
    waypost: Waypost,
    principal: Principal,
    question: Question,
    form: str,
    action: Action,
    to: str | None,
    depth: int | None,
    limit: int,
    cursor: str | None,
    *,
    large: bool = True,
) -> Response[Any]:
    view, graph = principal.view, waypost.graph
    if form == "csv":
        batches = graph.impact_rows(view, question, action, to=to, depth=depth)
        return formats.table(rows.affected_csv(batches))
    if form != "json":
        return _drawn(graph.drawing(view, question, action, to=to, depth=depth), form)
    found: Any = graph.impact_json(
        view, question, action,
        to=to, depth=depth, limit=limit, cursor=cursor, everything=principal.judges_everything, large=large,
    )  # fmt: skip
    return Response(found, media_type=MediaType.JSON, headers=formats.VARY)


def _drawn(dot: str, form: str) -> Response[Any]:
    return formats.text(svg(dot) if form == "svg" else dot, form)


@get("/bom/{ref:path}", opt=READ, sync_to_thread=True, media_type="application/vnd.cyclonedx+json")
def show_bill(
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    depth: FromQuery[Depth] = None,
    spec: FromQuery[Spec] = "1.6",
) -> str:
    """What a version is made of, with everything upstream and licences: a CycloneDX bill of materials (ML-BOM), in
    that version of CycloneDX.
    """
    return waypost.graph.bill(view, read_reference(ref), depth=depth, spec=spec)


@get("/insights", opt=READ, sync_to_thread=False)
def list_insights() -> InsightsOut:
    """The top lists there are."""
    return insights_out()


@get("/insights/{name:str}", opt=READ, sync_to_thread=True, operation_class=formats.TableOperation)
def show_insight(
    request: AnyRequest,
    name: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 50,
    cursor: FromQuery[str | None] = None,
    format: FromQuery[Listed] = None,  # noqa: A002  the name in the query
) -> Response[InsightAnswer]:
    """One of the top lists over the graph, inside your view."""
    found = waypost.graph.insights(view, name, limit=limit, cursor=cursor)
    if formats.chosen(request, format, ("json", "csv")) == "csv":
        return formats.table(rows.insight_csv(found.items))
    return Response(found, headers=formats.VARY)
