"""What changed, and who is told."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from federation.events.events import Selected
from federation.followers import Followers
from gateway.api import events_out as out
from gateway.cli.here import Query
from gateway.parameters import read_time

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about events. Errors: those of the face."""
    Followers({"events": waypost.events.recorder(waypost.leases)}).catch_up()
    view, events = LOCAL.view, waypost.events
    match asked:
        case ("GET", "events"):
            page = events.page(view, _selected(query), query.get("after"), query.get("limit", 100))
            return out.events_out(page)
    raise LookupError(asked)


def _selected(query: Query) -> Selected:
    return Selected(tuple(query.get("type", ())), query.get("on", ""), read_time(query.get("since"), "since"))
