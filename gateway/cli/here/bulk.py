"""Tags and deprecations of many at once."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api.bulk_out import BulkIn, bulk_out, bulk_plan
from gateway.cli.here import Query, checked

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/bulk`. Errors: those of the face."""
    if asked != ("POST", "bulk"):
        raise LookupError(asked)
    wanted = checked(BulkIn, body)
    if query.get("dry_run"):
        return bulk_plan(waypost, LOCAL, wanted)
    return bulk_out(waypost, LOCAL, wanted)
