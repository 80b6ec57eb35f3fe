"""What the API takes and answers about events, and about who is sent them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from federation.events.events import (
    Delivery,
    EventsPage,
    PostAnswer,
    ToldEvent,
    Watched,
    Webhook,
    WebhookSpec,
)
from gateway.meant import selector_meant

if TYPE_CHECKING:
    from federation.access import View
    from gateway.waypost import Waypost


class EventsOut(msgspec.Struct):
    """Events in the order they happened, each a CloudEvent (1.0, JSON). Their types are in the reference.

    `next_after` goes on behind the last one, also where there is none yet: send it as `after`.
    """

    events: Sequence[Mapping[str, Any]]
    next_after: str | None


def events_out(page: EventsPage) -> EventsOut:
    """A page of the feed as JSON."""
    return EventsOut([one.cloud for one in page.events], page.next_after)


class WebhookIn(msgspec.Struct, forbid_unknown_fields=True):
    """An address that events are to be sent to: of which types (none: all), on what (empty: all that you may)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    types: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    on: Annotated[str, msgspec.Meta(max_length=8192)] = ""

    def spec(self, waypost: "Waypost", view: "View") -> WebhookSpec:
        """The same for the face. Errors: as `reference_meant`."""
        on = selector_meant(waypost, view, self.on)
        return WebhookSpec(**{**msgspec.structs.asdict(self), "on": on})


class WebhooksOut(msgspec.Struct):
    """Webhooks, oldest first."""

    webhooks: Sequence[Webhook]


class WebhookMadeOut(msgspec.Struct):
    """A webhook with the secret that signs what it is sent, which is shown this once."""

    webhook: Webhook
    secret: str


class WebhookSecretOut(msgspec.Struct):
    """A new secret, which is shown this once."""

    secret: str


class RotateWebhookIn(msgspec.Struct, forbid_unknown_fields=True):
    """For how many hours the former secret signs beside the new one."""

    keep_hours: Annotated[float, msgspec.Meta(ge=0, le=720)] = 24.0


class WebhookTestOut(msgspec.Struct):
    """What a receiver answered; `error` says why there is no status, or none that is fine."""

    status: int | None
    delivered: bool
    error: str


class ReplayIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent again, one of: what came behind the event with an id, or from a time on, or what was given up."""

    after: str | None = None
    since: datetime | None = None
    dead: bool = False


class ReplayedOut(msgspec.Struct):
    """How many events wait to be sent again."""

    events: int


class DeliveriesOut(msgspec.Struct):
    """Deliveries, the newest event first."""

    deliveries: Sequence[Delivery]
    next_cursor: str | None


def tested_out(found: PostAnswer) -> WebhookTestOut:
    """What a receiver said, as JSON."""
    return WebhookTestOut(found.status, found.is_taken, found.error)


def deliveries_out(found: Sequence[Delivery], limit: int) -> DeliveriesOut:
    """A page of deliveries as JSON."""
    return DeliveriesOut(found, found[-1].id if len(found) == limit else None)


class ChangeOut(msgspec.Struct):
    """What changed, in the order it is read: `before` and `after`, or which `fields`, as its type has them."""

    id: str
    time: datetime
    type: str
    subject: str
    """A reference, an endpoint or a registry."""
    registry: str
    ref: str
    """The reference, where it is one."""
    before: str | None
    after: str | None
    fields: Sequence[str]


class ChangesOut(msgspec.Struct):
    """Changes, the newest first."""

    changes: list[ChangeOut]
    next_cursor: str | None


class WatchIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be watched: `team:NAME`, `registry:NAME` or a model."""

    on: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]


class WatchesOut(msgspec.Struct):
    """What you watch, in the order you began."""

    watches: Sequence[Watched]


def changes_out(found: Sequence[ToldEvent], limit: int) -> ChangesOut:
    """A page of changes as JSON."""
    rows = [
        ChangeOut(
            id=one.id,
            time=one.time,
            type=one.type,
            subject=one.subject,
            registry=one.data["registry"],
            ref=one.data.get("ref", ""),
            before=one.data.get("before"),
            after=one.data.get("after", one.data.get("until")),
            fields=one.data.get("fields", ()),
        )
        for one in found
    ]
    return ChangesOut(rows, rows[-1].id if len(rows) == limit else None)
