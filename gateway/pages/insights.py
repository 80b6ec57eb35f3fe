"""`/insights`: the lists over the dependency graph."""

from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath

from federation.access import View
from federation.graph.insights import INSIGHTS, UnknownInsightError
from federation.graph.paging import LIMIT
from gateway.pages.page import form_of, listed, page, pages_at
from gateway.problems import ProblemError
from gateway.waypost import Waypost

HEADS = {
    "most-depended-on": ("Most depended on", "versions that most others need directly"),
    "single-points-of-failure": ("Single points of failure", "whose loss reaches most that is in production"),
    "orphans": ("Orphans", "in production, but nobody owns them or knows what they were made from"),
    "cross-team": ("Across teams", "where one team's version needs another's"),
    "deepest-chains": ("Deepest chains", "versions at the end of the longest lines of dependencies"),
    "unresolved": ("Unresolved", "dependencies on something that nobody knows"),
    "duplicates": ("Duplicates", "the same artifact kept by several teams"),
    "findings": ("Findings", "contradictions: cycles, deleted or re-created targets"),
}


@pages_at("/insights", "/insights.json", "/insights.csv")
def insights_page(
    request: Request[Any, Any, Any], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> Response[Any]:
    """Every list there is, with how much is on it."""
    form = form_of(request)
    names = [*(name for name in HEADS if name in INSIGHTS), *(name for name in INSIGHTS if name not in HEADS)]
    found = [waypost.graph.insights(view, name, limit=3 if form == "html" else LIMIT) for name in names]
    rows = [{"list": one.name, "total": one.total, "explains": one.explains} for one in found]
    return listed(request, "insights.html", found, rows, title="Insights", lists=found, heads=HEADS)


@pages_at("/insights/{name:str}")
def insight_page(
    request: Request[Any, Any, Any],
    name: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
) -> Response[Any]:
    """One list."""
    form = form_of(request)
    name = name.removesuffix(f".{form}")
    try:
        found = waypost.graph.insights(view, name, limit=LIMIT)
    except UnknownInsightError as error:
        raise ProblemError(404, "not-found", str(error)) from None
    head, about = HEADS.get(name, (name.replace("-", " ").capitalize(), found.explains))
    if form != "html":
        return listed(request, "", found, found.items, form=form, title=head)
    return page(request, "insight.html", title=head, found=found, head=head, about=about, heads=HEADS)


HANDLERS = [*insights_page, *insight_page]
