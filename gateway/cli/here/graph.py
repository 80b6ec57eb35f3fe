"""What depends on what."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from federation.graph.graph import Question, svg
from gateway.api import graph_out as out
from gateway.api import rows
from gateway.cli.here import Query, checked, reference_of
from gateway.cli.local import catch_up
from gateway.meant import reference_meant
from gateway.parameters import read_edge

if TYPE_CHECKING:
    from gateway.waypost import Waypost

PAGE = ("depth", "limit", "cursor")


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about dependencies. Errors: those of the face."""
    catch_up(waypost, ["graph"])
    view, graph = LOCAL.view, waypost.graph
    page = {name: query[name] for name in PAGE if name in query}
    match asked:
        case ("GET", "dependencies"):
            return out.declared_out(waypost, *graph.declared(view, **page))
        case ("POST", "dependencies"):
            given = checked(out.DependencyIn, body)
            consumer = reference_meant(waypost, view, given.consumer)
            provider = reference_meant(waypost, view, given.provider)
            made = graph.declare(LOCAL, consumer, provider, given.kind, given.note)
            return out.dependency_out(waypost, made)
        case ("DELETE", "dependencies", number):
            graph.withdraw(LOCAL, read_edge(number))
            return None
        case ("GET", "deprecations"):
            return out.deprecations_out(waypost, graph.deprecations(view))
        case ("POST", "models", *ref, "deprecate"):
            going = checked(out.DeprecationIn, body).going(waypost, view)
            graph.deprecate(LOCAL, [reference_meant(waypost, view, "/".join(ref))], going)
            return None
        case ("POST", "models", *ref, "reinstate"):
            graph.reinstate(LOCAL, reference_meant(waypost, view, "/".join(ref)))
            return None
        case ("GET", "dependencies", *ref):
            return _needed(waypost, ref, query, page)
        case ("GET", "impact", *ref):
            return _impact(waypost, ref, query, page)
        case ("GET", "bom", *ref):
            return graph.bill(
                view, reference_of(ref), depth=query.get("depth"), spec=query.get("spec", "1.6")
            )
        case ("GET", "insights"):
            return out.insights_out()
        case ("GET", "insights", name):
            found = graph.insights(view, name, **page)
            return "".join(rows.insight_csv(found.items)) if query.get("format") == "csv" else found
    raise LookupError(asked)


def _needed(waypost: "Waypost", ref: list[str], query: Query, page: Query) -> object:
    reference, form, depth = reference_of(ref), query.get("format"), query.get("depth")
    if form == "csv":
        batches = waypost.graph.dependency_rows(LOCAL.view, reference, depth=depth)
        return "".join(rows.needed_csv(batches))
    if form is None:
        return waypost.graph.dependencies(LOCAL.view, reference, **page)
    return _drawn(waypost.graph.dependencies_drawing(LOCAL.view, reference, depth=depth), form)


def _impact(waypost: "Waypost", ref: list[str], query: Query, page: Query) -> object:
    form, view = query.get("format"), LOCAL.view
    if ref:
        question = Question(ref=reference_of(ref))
    else:
        question = Question(dataset=query.get("dataset"), commit=query.get("commit"))
    action = query.get("action", "change")
    chosen: Any = {"to": query.get("to"), "depth": query.get("depth")}
    if form == "csv":
        return "".join(rows.affected_csv(waypost.graph.impact_rows(view, question, action, **chosen)))
    if form is not None:
        return _drawn(waypost.graph.drawing(view, question, action, **chosen), form)
    return waypost.graph.impact(view, question, action, to=query.get("to"), **page)


def _drawn(dot: str, form: str) -> str:
    return svg(dot) if form == "svg" else dot
