"""What the API answers about events."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from federation.events.events import EventsPage


class EventsOut(msgspec.Struct):
    """Events in the order they happened, each a CloudEvent (1.0, JSON). Their types are in the reference.

    `next_after` goes on behind the last one, also where there is none yet: send it as `after`.
    """

    events: Sequence[Mapping[str, Any]]
    next_after: str | None


def events_out(page: EventsPage) -> EventsOut:
    """A page of the feed as JSON."""
    return EventsOut([one.cloud for one in page.events], page.next_after)
