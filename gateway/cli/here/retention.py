"""Retention."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api.retention_out import AppliedOut, RetentionIn, retention_out
from gateway.cli.here import Query, checked
from gateway.meant import place_meant
from gateway.parameters import read_reference

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of retention. Errors: those of the face."""
    match asked:
        case ("GET", "retention"):
            after = None if query.get("cursor") is None else read_reference(query["cursor"])
            limit = query.get("limit", 200)
            retention, view = waypost.retention, LOCAL.view
            place = place_meant(waypost, view, query.get("under", ""))
            return retention_out(retention.rules(view), *retention.plan(view, place, after, limit))
        case ("POST", "retention"):
            shown = [(read_reference(one.ref), one.does) for one in checked(RetentionIn, body).versions]
            return AppliedOut(waypost.retention.apply(LOCAL, shown))
    raise LookupError(asked)
