"""Events as the gateway asks for them: the feed that everything that tells of changes is printed from."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
from sqlalchemy import Engine

from federation.access import NOTHING, Principal, View
from federation.cloudevents import cloud_event
from federation.database import reading, writing
from federation.events import feed, recording, watches
from federation.events.deliveries import State
from federation.events.feed import EventQueryError, Selected, ToldEvent
from federation.events.sending import Post, PostAnswer
from federation.events.subscriptions import SigningSecretError, Views, Webhook, WebhookError, WebhookSpec
from federation.events.types import TYPES, Event, example
from federation.events.watches import SEARCH, Found, Watched
from federation.events.webhooks import Delivery, Webhooks
from federation.followers import Shared
from federation.journal.entry import Recorded
from federation.journal.logkey import read_origin
from federation.positions import Positions

__all__ = [
    "NEWEST",
    "TYPES",
    "Delivery",
    "Event",
    "EventQueryError",
    "Events",
    "EventsPage",
    "Post",
    "PostAnswer",
    "Selected",
    "SigningSecretError",
    "State",
    "ToldEvent",
    "Views",
    "Watched",
    "Webhook",
    "WebhookError",
    "WebhookSpec",
    "Webhooks",
    "example",
]
NEWEST = "newest"
"""In place of an event's id: the newest there is."""
LOOK_EVERY = 0.2
"""Seconds for which a process believes that nothing was added."""
KEY = b"event"
BATCH = 1000
"""Events that an export reads at once."""


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events, and the id to go on from; None where there is nothing before it."""

    events: Sequence[ToldEvent]
    next_after: str | None


def unsent(url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
    """Sends nothing."""
    return PostAnswer(None, "nothing is sent from here")


class Events:
    """What changed, inside the view of whoever asks. Safe to share between threads.

    `views` says what the owner of a webhook may see, `post` makes what sends, `wrote` wakes the worker,
    `found` searches.
    """

    def __init__(
        self,
        engine: Engine,
        views: Views = lambda owner: NOTHING,
        post: Callable[[], Post] = lambda: unsent,
        wrote: Callable[[], None] = lambda: None,
        found: Found = lambda view, q: (),
    ) -> None:
        self._engine, self._found = engine, found
        self.webhooks = Webhooks(engine, views, post, self.told, self.position, lambda: self._origin, wrote)
        self._ids = Positions(engine, KEY)
        self._lock = threading.Lock()
        self._looked, self._newest = 0.0, -1

    def page(self, view: View, wanted: Selected, after: str | None, limit: int) -> EventsPage:
        """Events after the one with this id, in order; `after` may be `NEWEST`. Errors: `EventQueryError`,
        `UnknownError`.
        """
        if after == NEWEST:
            with reading(self._engine) as connection:
                last = feed.read_latest(connection, view, wanted, before=None, limit=1)
            return EventsPage([], self._ids.seal(last[0].position) if last else None)
        found = self.after(view, wanted, self.position(after), limit)
        return EventsPage(found, found[-1].id if found else after)

    def after(self, view: View, wanted: Selected, position: int | None, limit: int) -> list[ToldEvent]:
        """Events after a position, in order. Errors: as `page`."""
        with reading(self._engine) as connection:
            return self.told(feed.read_events(connection, view, wanted, after=position, limit=limit))

    def latest(self, view: View, wanted: Selected, before: str | None, limit: int) -> list[ToldEvent]:
        """Events before the one with this id, the newest first. Errors: as `page`."""
        position = self.position(before, "cursor")
        with reading(self._engine) as connection:
            return self.told(feed.read_latest(connection, view, wanted, before=position, limit=limit))

    @staticmethod
    def is_of_a_model(on: str) -> bool:
        """Whether what events are selected by names a model: not a team, a registry, a saved search or everything."""
        return on not in ("", "*") and not on.startswith((*feed.KINDS, SEARCH))

    def selected(self, view: View, types: Sequence[str], on: str, since: datetime | None = None) -> Selected:
        """What is asked for as people write it: `on` may also be `search:` and a query. Errors: those of searches."""
        if on.startswith(SEARCH):
            return Selected(types, "", since, self._found(view, on.removeprefix(SEARCH)))
        return Selected(types, on, since)

    def watches(self, actor: Principal) -> list[Watched]:
        """What somebody watches, in the order they began."""
        with reading(self._engine) as connection:
            return watches.listed(connection, actor)

    def watch(self, actor: Principal, on: str) -> Watched:
        """Watch something; twice is once. Errors: `EventQueryError`, `UnknownError`, `StateError`."""
        with writing(self._engine) as connection:
            return watches.add(connection, actor, on, self._found)

    def unwatch(self, actor: Principal, ident: int) -> None:
        """Watch something no longer. Errors: `UnknownError`."""
        with writing(self._engine) as connection:
            watches.remove(connection, actor, ident)

    def inbox(self, actor: Principal, before: str | None, limit: int) -> list[ToldEvent]:
        """The events of what somebody watches, and the grave ones of what that needs, before the one with this id; the
        newest first. Errors: `EventQueryError`.
        """
        position = self.position(before, "cursor")
        with reading(self._engine) as connection:
            return self.told(watches.read_inbox(connection, actor, self._found, position, limit))

    def every(self, view: View, wanted: Selected) -> Iterator[list[ToldEvent]]:
        """All events of a view, the newest first, in batches. Errors: as `page`, before the first batch."""
        found = self.latest(view, wanted, None, BATCH)

        def read() -> Iterator[list[ToldEvent]]:
            batch = found
            while batch:
                yield batch
                batch = self.latest(view, wanted, batch[-1].id, BATCH) if len(batch) == BATCH else []

        return read()

    def position(self, ident: str | None, parameter: str = "after") -> int | None:
        """The position of the event with this id. Errors: `EventQueryError` for what is none."""
        if ident is None:
            return None
        found = self._ids.open(ident)
        if found is None:
            raise EventQueryError(f"{parameter} is the id of an event, as it was received", parameter)
        return found

    def newest(self) -> int:
        """The newest position of all, as of a moment ago: whoever waits for events reads when it moves."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY:
                with reading(self._engine) as connection:
                    self._newest = feed.newest(connection)
                self._looked = time.monotonic()
            return self._newest

    def recorder(self) -> Shared[Recorded]:
        """The follower of all gateways that derives the events from the journal."""
        return recording.recorder(self._engine, self.webhooks.enqueue)

    def told(self, rows: Sequence[Any]) -> list[ToldEvent]:
        """Rows as they are given out."""
        return [self._told(row) for row in rows]

    def _told(self, row: Any) -> ToldEvent:
        ident, data = self._ids.seal(row.position), msgspec.json.decode(row.data)
        cloud = cloud_event(ident, self._origin, row.type, row.time, row.subject, data)
        return ToldEvent(row.position, ident, row.time, row.type, row.subject, data, cloud)

    @cached_property
    def _origin(self) -> str:
        with reading(self._engine) as connection:
            return read_origin(connection)
