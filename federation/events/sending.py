"""Sending events to the addresses that want them, from one machine at a time for each.

Events of one model go to one address one after the other: one that fails holds back those behind it, until it is
delivered or given up. Each goes out at least once, always with the same id.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, select

from adapters import signature
from federation.access import View
from federation.cloudevents import MEDIA_TYPE
from federation.database import DatabaseError, now, writing
from federation.errors import WaypostError
from federation.events import deliveries
from federation.events.deliveries import SendOutcome
from federation.events.subscriptions import Views, keys_of, lease_of, sees, tell
from federation.events.tables import subscription
from federation.journal.entry import SYSTEM, Action
from federation.leases import FencedError, Lease, Leases
from federation.logs import Log

log = Log(__name__)
SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0
RETRIES = (
    5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Seconds from a try that failed to the next; after the last, three days and some hours later, an event is given up."""
LONGEST_WAIT = 24 * HOUR
"""Seconds that a receiver may ask for."""
AT_ONCE = 8
"""Addresses that this machine sends to at once."""
KEYS_AT_ONCE = 4
"""Ordering keys whose events go to one address at once, where it is waited for."""
QUICK = 0.01
"""Seconds within which an address answers that is sent one event after the other: several threads would wait for each
other and not for it.
"""
BATCH = 100
BATCH_SECONDS = 5.0
"""Seconds after which no further event of a batch is begun: what was sent is to be kept soon."""
TURN = 10.0
"""Seconds after which an address that has always more makes room for the others."""
REST = 5.0
"""Seconds for which an address is left alone where there was nothing to do after all."""
SHARE = 0.5
"""Of a processor that sending takes at most, however fast receivers answer: the rest is for runs, and for requests."""
LEAST_PAUSE = 0.005
LETTERS = 4096
"""Events that are kept as they are sent: one is written once, however many addresses want it."""


class PostAnswer(NamedTuple):
    """What a receiver said: a status, or why there is none; never anything of its body."""

    status: int | None
    error: str = ""
    retry_after: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether the event was taken."""
        return self.status is not None and 200 <= self.status < 300


Post = Callable[[str, Mapping[str, str], bytes], PostAnswer]
"""Sends a body with headers to an address, within its own bounds. Raises nothing."""


class Letter(NamedTuple):
    """An event as it is sent."""

    id: str
    body: bytes


def letter(ident: str, cloud: Mapping[str, Any]) -> Letter:
    """A CloudEvent as it is sent."""
    return Letter(ident, msgspec.json.encode(cloud))


def send(post: Post, url: str, keys: Sequence[bytes], sent: Letter) -> PostAnswer:
    """Send an event by Standard Webhooks, signed with each of these keys."""
    at = int(time.time())
    headers = {
        "Content-Type": MEDIA_TYPE,
        "webhook-id": sent.id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signature(key, sent.id, at, sent.body) for key in keys),
    }
    return post(url, headers, sent.body)


@dataclass(slots=True)
class Sender:
    """Sends what waits; a follower of what is to be delivered. `write` makes the letter of an event's row."""

    engine: Engine
    leases: Leases
    views: Views
    post: Post
    write: Callable[[Any], Letter]
    retries: Sequence[float] = RETRIES
    _busy: set[int] = field(default_factory=set)
    _served: dict[int, float] = field(default_factory=dict)
    _rest: dict[int, float] = field(default_factory=dict)
    _quick: set[int] = field(default_factory=set)
    """Addresses that answer at once."""
    _letters: dict[int, Letter] = field(default_factory=dict)
    """By position."""
    _paid: float = 0.0
    """Until when the share was used."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> bool:
        """Begin to send to every address that is waited for. Errors: `DatabaseError`."""
        for ident in sorted(deliveries.waited_for(self.engine), key=lambda one: self._served.get(one, 0.0)):
            if time.monotonic() < self._rest.get(ident, 0.0):
                continue
            with self._lock:
                if ident in self._busy or len(self._busy) >= AT_ONCE:
                    continue
                self._busy.add(ident)
            threading.Thread(target=self._serve, args=(ident,), name=f"webhook-{ident}", daemon=True).start()
        return False

    def _serve(self, ident: int) -> None:
        try:
            if not self.turn(ident):
                self._rest[ident] = time.monotonic() + REST
        except FencedError as error:
            log.warning("what was sent may be sent again", webhook=ident, reason=str(error))
        except DatabaseError as error:
            log.warning("webhooks wait for the database", webhook=ident, reason=str(error))
        finally:
            with self._lock:
                self._served[ident] = time.monotonic()
                self._busy.discard(ident)

    def turn(self, ident: int) -> bool:
        """Send to one address what is due, for a while; False when all of it is held back, or another machine is at it.
        Errors: `FencedError`, `DatabaseError`.
        """
        with writing(self.engine) as connection:
            lease = self.leases.take(connection, lease_of(ident))
            if lease is None:
                return False
            row, due = self._next(connection, lease, ident)
        if not due:
            return False
        end = time.monotonic() + TURN
        with self.leases.keeping(lease):
            while due:
                outcomes = self._send(row, due)
                with writing(self.engine) as connection:
                    lease.hold(connection)
                    self._settle(connection, row, outcomes)
                    row, due = self._next(connection, lease, ident, is_over=time.monotonic() >= end)
        return True

    def _next(
        self, connection: Connection, lease: Lease, ident: int, *, is_over: bool = False
    ) -> tuple[Any, Sequence[Any]]:
        """The subscription and what is to be sent to it; the lease is given back where that is nothing."""
        row = connection.execute(select(subscription).where(subscription.c.id == ident)).one_or_none()
        due = [] if row is None or is_over else deliveries.read_due(connection, ident, BATCH)
        if not due:
            lease.release(connection)
        return row, due

    def _settle(self, connection: Connection, row: Any, outcomes: Sequence[SendOutcome]) -> None:
        deliveries.settle(connection, row.id, outcomes)
        dead = sum(one.state == "dead" for one in outcomes)
        if dead:
            log.warning("events were given up", webhook=row.name, count=dead)
            tell(connection, Action.WEBHOOK_GAVE_UP, SYSTEM, row, {"count": dead})

    def _send(self, row: Any, due: Sequence[Any]) -> list[SendOutcome]:
        """Send these events, those of several ordering keys side by side where the address is slow."""
        began, view = time.monotonic(), sees(self.views, row)
        ordered = sorted(due, key=lambda one: (one.ordering_key, one.position))
        by_key = [list(events) for _, events in groupby(ordered, key=lambda one: one.ordering_key)]
        try:
            keys = keys_of(row)
        except WaypostError as error:
            return [self._failed(events[0], PostAnswer(None, str(error))) for events in by_key]
        outcomes: list[SendOutcome] = []
        took: list[float] = []
        waiting: SimpleQueue[list[Any]] = SimpleQueue()
        for events in by_key:
            waiting.put(events)

        def follow() -> None:
            with suppress(Empty):
                while True:
                    events, until = waiting.get_nowait(), began + BATCH_SECONDS
                    at, worked = time.monotonic(), time.thread_time()
                    self._send_in_order(row.url, view, keys, events, until, outcomes)
                    took.append(time.monotonic() - at)
                    self._pace(at, time.thread_time() - worked)

        # No pool of threads: one that waits for a receiver would keep the process from ending.
        more = 0 if row.id in self._quick else min(KEYS_AT_ONCE, len(by_key)) - 1
        others = [threading.Thread(target=follow, daemon=True) for _ in range(more)]
        for thread in others:
            thread.start()
        follow()
        for thread in others:
            thread.join()
        is_quick = sum(took) < QUICK * len(outcomes)
        (self._quick.add if is_quick else self._quick.discard)(row.id)
        return outcomes

    def _send_in_order(
        self,
        url: str,
        view: View,
        keys: Sequence[bytes],
        events: Sequence[Any],
        until: float,
        outcomes: list[SendOutcome],
    ) -> None:
        """Send the events of one ordering key, until one fails or time is up."""
        for one in events:
            if outcomes and time.monotonic() > until:
                return
            if not view.sees(one.registry_id):
                outcomes.append(SendOutcome(one.position, None))
                continue
            answer = send(self.post, url, keys, self._letter(one))
            if answer.is_taken:
                outcomes.append(SendOutcome(one.position, "delivered", one.tries + 1, status=answer.status))
                continue
            outcomes.append(self._failed(one, answer))
            if outcomes[-1].state == "waiting":
                return

    def _pace(self, began: float, worked: float) -> None:
        """Pause for as long as all threads together have worked for more than their share."""
        with self._lock:
            self._paid = max(self._paid, began) + worked / SHARE
            pause = self._paid - time.monotonic()
        if pause > LEAST_PAUSE:
            time.sleep(pause)

    def _letter(self, one: Any) -> Letter:
        found = self._letters.get(one.position)
        if found is None:
            if len(self._letters) >= LETTERS:
                self._letters.clear()
            found = self._letters[one.position] = self.write(one)
        return found

    def _failed(self, one: Any, answer: PostAnswer) -> SendOutcome:
        """What becomes of an event that was not taken."""
        error = answer.error[:500] or None
        if one.tries >= len(self.retries):
            return SendOutcome(one.position, "dead", one.tries + 1, status=answer.status, error=error)
        seconds = self.retries[one.tries] * random.uniform(1.0, 1.1)
        due = now() + timedelta(seconds=max(seconds, min(answer.retry_after, LONGEST_WAIT)))
        return SendOutcome(one.position, "waiting", one.tries + 1, due, answer.status, error)
