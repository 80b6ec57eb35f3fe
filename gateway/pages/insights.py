"""`/insights`: the lists over the dependency graph."""

from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery

from federation.graph.graph import INSIGHTS
from gateway.api.requests import AnyRequest, GivenView, GivenWaypost
from gateway.pages.page import form_of, listed, page, pages_at

PAGE, LIMIT = 50, 1000
"""Lines of a page, and of a list as JSON or CSV."""
SHOWN = 3
"""Lines of each list where all are shown."""
HEADS = {
    "most-depended-on": ("Most depended on", "versions that most others need directly"),
    "single-points-of-failure": ("Single points of failure", "whose loss reaches most that is in production"),
    "orphans": ("Orphans", "in production, but nobody owns them or knows what they were made from"),
    "cross-team": ("Across teams", "where one team's version needs another's"),
    "deepest-chains": ("Deepest chains", "versions at the end of the longest lines of dependencies"),
    "unresolved": ("Unresolved", "dependencies on something that nobody knows"),
    "duplicates": ("Duplicates", "the same artifact kept by several teams"),
    "bypasses": ("Bypasses", "guarded stages that were changed on the backend itself"),
    "findings": ("Findings", "contradictions: cycles, deleted or re-created targets"),
}


@pages_at("/insights", "/insights.json", "/insights.csv")
def insights_page(request: AnyRequest, waypost: GivenWaypost, view: GivenView) -> Response[Any]:
    """Every list there is, with how much is on it."""
    names = [*(name for name in HEADS if name in INSIGHTS), *(name for name in INSIGHTS if name not in HEADS)]
    if form_of(request) != "html":
        found = [waypost.graph.insights(view, name, limit=LIMIT) for name in names]
        rows = [{"list": one.name, "total": one.total, "explains": one.explains} for one in found]
        return listed(request, "", found, rows, title="Insights")
    lists = {name: waypost.lists.insights(view, name, limit=PAGE) for name in names}
    times = [one.at for one in lists.values() if one and one.at]
    return page(
        request,
        "insights.html",
        title="Insights",
        lists=lists,
        heads=HEADS,
        oldest=min(times, default=None),
        shown=SHOWN,
        waiting=any(one is None for one in lists.values()),
    )


@pages_at("/insights/{name:str}")
def insight_page(
    request: AnyRequest,
    name: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """One list."""
    form = form_of(request)
    name = name.removesuffix(f".{form}")
    head, about = HEADS.get(name, (name.replace("-", " ").capitalize(), ""))
    if form != "html":
        found = waypost.graph.insights(view, name, limit=LIMIT, cursor=cursor)
        return listed(request, "", found, found.items, form=form, title=head, most=LIMIT)
    counted = waypost.lists.insights(view, name, limit=PAGE, cursor=cursor)
    return page(
        request,
        "insight.html",
        title=head,
        name=name,
        found=counted and counted.answer,
        at=counted and counted.at,
        head=head,
        about=about,
        cursor=cursor,
        most=LIMIT,
    )
