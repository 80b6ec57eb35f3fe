"""What changed, and who is told."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from federation.access import LOCAL
from federation.events.events import Selected, State
from federation.followers import Followers
from gateway.api import events_out as out
from gateway.api.rows import changes_csv
from gateway.cli.here import Ident, Query, checked
from gateway.meant import selector_meant
from gateway.parameters import read_since

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about events. Errors: those of the face."""
    Followers({"events": waypost.events.recorder()}).catch_up()
    view, events = LOCAL.view, waypost.events
    match asked:
        case ("GET", "events"):
            page = events.page(view, _selected(waypost, query), query.get("after"), query.get("limit", 100))
            return out.events_out(page)
        case ("GET", "changes"):
            if query.get("format") == "csv":
                return "".join(changes_csv(events.every(view, _selected(waypost, query))))
            limit = query.get("limit", 100)
            return out.changes_out(
                events.latest(view, _selected(waypost, query), query.get("cursor"), limit), limit
            )
        case ("GET", "inbox"):
            limit = query.get("limit", 50)
            return out.changes_out(events.inbox(LOCAL, query.get("cursor"), limit), limit)
        case ("GET", "watches"):
            return out.WatchesOut(events.watches(LOCAL))
        case ("POST", "watches"):
            return events.watch(LOCAL, selector_meant(waypost, view, checked(out.WatchIn, body).on))
        case ("DELETE", "watches", number):
            events.unwatch(LOCAL, checked(Ident, number, "watch_id"))
            return None
        case ("GET" | "POST" | "DELETE", "webhooks", *_):
            return _webhooks(waypost, asked, query, body)
    raise LookupError(asked)


def _webhooks(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    webhooks = waypost.events.webhooks
    match asked:
        case ("GET", "webhooks"):
            return out.WebhooksOut(webhooks.list(LOCAL))
        case ("POST", "webhooks"):
            spec = checked(out.WebhookIn, body).spec(waypost, LOCAL.view)
            return out.WebhookMadeOut(*webhooks.create(LOCAL, spec))
    ident = checked(Ident, asked[2], "webhook_id")
    match (asked[0], *asked[3:]):
        case ("DELETE",):
            webhooks.remove(LOCAL, ident)
            return None
        case ("POST", "rotate"):
            keep = timedelta(hours=checked(out.RotateWebhookIn, body or {}).keep_hours)
            return out.WebhookSecretOut(webhooks.rotate(LOCAL, ident, keep))
        case ("POST", "test"):
            return out.tested_out(webhooks.test(LOCAL, ident))
        case ("POST", "replay"):
            given = msgspec.structs.asdict(checked(out.ReplayIn, body))
            return out.ReplayedOut(webhooks.replay(LOCAL, ident, **given))
        case ("GET", "deliveries"):
            limit = query.get("limit", 50)
            state = checked(State | None, query.get("state"), "state")
            found = webhooks.deliveries(LOCAL, ident, state, query.get("cursor"), limit)
            return out.deliveries_out(found, limit)
    raise LookupError(asked)


def _selected(waypost: "Waypost", query: Query) -> Selected:
    types, since = tuple(query.get("type", ())), read_since(query.get("since"))
    on = selector_meant(waypost, LOCAL.view, query.get("on", ""))
    return waypost.events.selected(LOCAL.view, types, on, since)
