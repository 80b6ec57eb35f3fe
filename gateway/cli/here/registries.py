"""Registries and their runs."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from gateway.api import registries_out as out
from gateway.cli.here import Query, checked

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/registries` and `/syncs`. Errors: those of the faces."""
    view = LOCAL.view
    match asked:
        case ("GET", "registries"):
            return out.registries_out(waypost.registries.list(view), waypost.registries.gateway())
        case ("GET", "registries", name):
            return out.detail_out(waypost.registries.show(view, name), waypost.sync.runs(view, name))
        case ("POST", "registries", name, "sync"):
            full = checked(out.SyncIn, body or {}).full
            return out.QueuedOut(waypost.sync.request(LOCAL, name, full=full))
        case ("POST", "registries", name, "confirm"):
            return out.ConfirmedOut(*waypost.sync.confirm_deletes(LOCAL, name))
        case ("PUT", "registries", name, "identity"):
            identity = checked(out.IdentityIn, body).identity
            return out.QueuedOut(waypost.sync.confirm_identity(LOCAL, name, identity))
        case ("POST", "registries", name, "forget"):
            if query.get("dry_run"):
                return out.forgotten_out(waypost, LOCAL, name)
            waypost.registries.forget(LOCAL, name)
            return None
        case ("GET", "syncs", number):
            return out.sync_out(waypost.sync.run(view, int(number)))
    raise LookupError(asked)
