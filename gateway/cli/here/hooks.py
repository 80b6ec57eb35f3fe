"""What backends announced."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api.hooks_out import HooksOut
from gateway.cli.here import Query

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/hooks`. Errors: those of the faces."""
    match asked:
        case ("GET", "hooks"):
            return HooksOut(waypost.hooks.list(LOCAL.view))
    raise LookupError(asked)
