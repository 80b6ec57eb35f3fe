"""Saved searches."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api import searches_out as out
from gateway.cli.here import Query, checked

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about saved searches. Errors: those of the face."""
    searches = waypost.searches
    match asked:
        case ("GET", "searches"):
            return out.searches_out(waypost.identity, searches.seen(LOCAL))
        case ("POST", "searches"):
            return out.search_out(
                waypost.identity, searches.save(LOCAL, checked(out.SearchIn, body).spec())[0]
            )
        case ("GET", "searches", name):
            return out.search_out(waypost.identity, searches.find(LOCAL, name))
        case ("DELETE", "searches", name):
            searches.remove(LOCAL, name)
            return None
    raise LookupError(asked)
