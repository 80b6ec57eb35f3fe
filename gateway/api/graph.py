"""What a version needs, and what breaks if it is touched."""

from typing import Annotated, Any, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, Parameter

from federation.access import EVERYTHING, Permission, Principal, View
from federation.graph.answers import DependenciesAnswer, ImpactAnswer
from federation.graph.graph import Question
from gateway.api.requests import needs, read_reference
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)
Limit = Annotated[int, Parameter(ge=1, le=200)]
Depth = Annotated[int | None, Parameter(ge=1, le=1000)]
ImpactAction = Literal["archive", "delete", "move-alias", "change"]


@get("/dependencies/{ref:path}", opt=READ, sync_to_thread=True)
def show_dependencies(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
) -> DependenciesAnswer:
    """What a version is made from or needs, upstream, nearest first."""
    return waypost.graph.dependencies(view, read_reference(ref), depth=depth, limit=limit, cursor=cursor)


@get("/impact/{ref:path}", opt=READ, sync_to_thread=True)
def show_impact(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    action: FromQuery[ImpactAction] = "change",
    to: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
) -> ImpactAnswer:
    """What breaks and what is affected downstream if a version is archived, deleted or changed, or an alias moves."""
    return waypost.graph.impact(
        principal.view,
        Question(ref=read_reference(ref)),
        action,
        to=to,
        depth=depth,
        limit=limit,
        cursor=cursor,
        everything=sees_everything(principal),
    )


@get("/impact", opt=READ, sync_to_thread=True)
def show_impact_of_source(
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    dataset: FromQuery[str | None] = None,
    commit: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[str | None] = None,
) -> ImpactAnswer:
    """What learned from a dataset, or was made by a code commit."""
    return waypost.graph.impact(
        principal.view,
        Question(dataset=dataset, commit=commit),
        depth=depth,
        limit=limit,
        cursor=cursor,
        everything=sees_everything(principal),
    )


def sees_everything(principal: Principal) -> bool:
    """Whether verdict and counts are taken over everything, although names are only of the caller's view."""
    return principal.view != EVERYTHING and principal.may(Permission.IMPACT_GLOBAL)


HANDLERS = [show_dependencies, show_impact, show_impact_of_source]
