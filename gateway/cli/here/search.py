"""Search."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from federation.search.answer import SearchRequest
from gateway.cli.here import Query
from gateway.cli.local import catch_up

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/search`. Errors: `SearchError`, `QuerySyntaxError`."""
    catch_up(waypost, ["search"])
    waypost.reload_search()
    lists = {
        name: tuple(one for one in query.get(name, "").split(",") if one) for name in ("facets", "literal")
    }
    return waypost.search.query_json(LOCAL.view, SearchRequest(**{**query, **lists}))
