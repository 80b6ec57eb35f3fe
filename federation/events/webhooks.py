"""Webhooks as they are asked for: who is sent what, what became of it, and sending again."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from federation.access import Principal
from federation.cloudevents import cloud_event
from federation.database import LONG, now, reading, writing
from federation.errors import InvalidRequestError
from federation.events import deliveries, subscriptions
from federation.events.deliveries import Backlog, State
from federation.events.feed import ToldEvent
from federation.events.sending import Letter, Post, PostAnswer, Sender, letter, send
from federation.events.subscriptions import Views, Webhook, WebhookSpec
from federation.journal.actions import Action
from federation.leases import Leases

KEPT = timedelta(days=30)
"""How long it is kept that an event was delivered."""
KEEP_MOST = timedelta(days=30)
TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one address, and what became of it. Nothing is kept of what the receiver answered but its status."""

    id: str
    """The event's."""
    type: str
    subject: str
    time: datetime
    state: State
    tries: int
    due: datetime | None
    """While it waits: not before."""
    tried_at: datetime | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The subscriptions of one gateway. `told` reads rows of events, `position` an event's id, `wrote` wakes the
    worker.
    """

    engine: Engine
    views: Views
    post: Callable[[], Post]
    told: Callable[[Sequence[Any]], list[ToldEvent]]
    position: Callable[[str | None, str], int | None]
    origin: Callable[[], str]
    wrote: Callable[[], None]

    def list(self, actor: Principal) -> "list[Webhook]":
        """The actor's webhooks; everybody's for who may give roles on everything. Oldest first."""
        with reading(self.engine) as connection:
            backlogs = deliveries.backlogs(connection)
            return [_webhook(row, backlogs) for row in subscriptions.visible(connection, actor)]

    def show(self, actor: Principal, ident: int) -> Webhook:
        """One of them. Errors: `UnknownError`."""
        with reading(self.engine) as connection:
            return _webhook(subscriptions.find(connection, actor, ident), deliveries.backlogs(connection))

    def create(self, actor: Principal, spec: WebhookSpec) -> tuple[Webhook, str]:
        """A new one, which is sent what happens from now on, and its secret. Errors: `WebhookError`, `StateError`,
        and those of types and selectors.
        """
        with writing(self.engine) as connection:
            ident, secret = subscriptions.create(connection, actor, spec)
            return _webhook(subscriptions.find(connection, actor, ident), {}), secret

    def remove(self, actor: Principal, ident: int) -> None:
        """End one, with what was not delivered. Errors: `UnknownError`, `StateError` for a configured one."""
        with writing(self.engine) as connection:
            subscriptions.remove(connection, actor, ident)

    def rotate(self, actor: Principal, ident: int, keep: timedelta) -> str:
        """A new secret; for `keep` the former one signs as well. Errors: as `remove`, `InvalidRequestError`."""
        if not timedelta() <= keep <= KEEP_MOST:
            raise InvalidRequestError(f"a former secret is kept for at most {KEEP_MOST.days} days")
        with writing(self.engine) as connection:
            return subscriptions.rotate(connection, actor, ident, keep)

    def apply(self, specs: Sequence[WebhookSpec]) -> Sequence[str]:
        """Bring those of the configuration in line with the file; a line for each that changed. Errors: `WebhookError`,
        and those of types.
        """
        with writing(self.engine, alone=True) as connection:
            return subscriptions.apply(connection, specs)

    def test(self, actor: Principal, ident: int) -> PostAnswer:
        """Send an event of the type `webhook.test` now, once. Errors: `UnknownError`, `SecretError`."""
        with reading(self.engine) as connection:
            row = subscriptions.find(connection, actor, ident)
        one = secrets.token_urlsafe(24)
        cloud = cloud_event(one, self.origin(), TEST, now(), row.name, {"webhook": row.name})
        return send(self.post(), row.url, subscriptions.keys_of(row), letter(one, cloud))

    def deliveries(
        self, actor: Principal, ident: int, state: State | None, before: str | None, limit: int
    ) -> "Sequence[Delivery]":
        """Its events and what became of them, the newest first, from before the one with an id. Errors: `UnknownError`,
        `EventQueryError`.
        """
        position = self.position(before, "cursor")
        with reading(self.engine) as connection:
            row = subscriptions.find(connection, actor, ident)
            rows = deliveries.history(connection, row.id, state, position, limit)
        return [
            Delivery(
                event.id, event.type, event.subject, event.time, row.state, row.tries,
                row.due if row.state == "waiting" else None, row.tried_at, row.status, row.error,
            )
            for event, row in zip(self.told(rows), rows, strict=True)
        ]  # fmt: skip

    def replay(
        self, actor: Principal, ident: int, *, after: str | None, since: datetime | None, dead: bool
    ) -> int:
        """Send again what came behind the event with an id, or from a time on, or what was given up; how many those
        are. Errors: `UnknownError`, `EventQueryError`, `InvalidRequestError`.
        """
        if (after is not None) + (since is not None) + dead != 1:
            raise InvalidRequestError("replay what? One of: after (an event's id), since (a time), dead")
        position = self.position(after, "after")
        with writing(self.engine, bound=LONG) as connection:
            row = subscriptions.find(connection, actor, ident)
            if dead:
                count = deliveries.revive(connection, row.id)
            else:
                view = subscriptions.sees(self.views, row)
                count = deliveries.replay(connection, row, view, position, since)
            subscriptions.tell(connection, Action.WEBHOOK_REPLAYED, actor.id, row, {"count": count})
        self.wrote()
        return count

    def enqueue(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Have new events wait for whoever wants them."""
        deliveries.enqueue(connection, self.views, rows)

    def sender(self, leases: Leases, retries: Sequence[float] | None = None) -> Sender:
        """The follower that sends what waits; `retries` are seconds from one try to the next, as `RETRIES`."""
        more: Mapping[str, Any] = {} if retries is None else {"retries": retries}
        return Sender(self.engine, leases, self.views, self.post(), self._letter, **more)

    def trim(self) -> None:
        """Forget what was delivered long ago."""
        with writing(self.engine, bound=LONG) as connection:
            deliveries.trim(connection, now() - KEPT)

    def _letter(self, row: Any) -> Letter:
        [event] = self.told([row])
        return letter(event.id, event.cloud)


def _webhook(row: Any, backlogs: Mapping[int, Backlog]) -> Webhook:
    of_it = backlogs.get(row.id, Backlog())
    return Webhook(
        row.id, row.name, row.source, row.owner, row.url, row.types, row.selector, row.created_at, *of_it
    )  # fmt: skip
