"""Deliveries: which events wait for which address, and what became of those that were sent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, case, delete, exists, func, literal, select, update

from federation.access import View
from federation.bulk import upserting
from federation.database import UTCTime, now
from federation.errors import UnknownError
from federation.events import feed
from federation.events.feed import Selected
from federation.events.subscriptions import Views, sees
from federation.events.tables import delivery, event, subscription
from federation.logs import Log
from federation.prepared import Prepared

log = Log(__name__)
State = Literal["waiting", "delivered", "dead"]
COLUMNS = ("subscription_id", "position", "ordering_key", "state", "tries", "due")


class SendOutcome(NamedTuple):
    """What became of sending one event; `state` None: it may not be seen any more, and is forgotten."""

    position: int
    state: State | None
    tries: int = 0
    due: datetime | None = None
    status: int | None = None
    error: str | None = None


class Backlog(NamedTuple):
    """What an address was not sent: how much waits, since when that happened, and how much was given up."""

    waiting: int = 0
    dead: int = 0
    waiting_since: datetime | None = None


def enqueue(connection: Connection, views: Views, rows: Sequence[Any]) -> None:
    """Have new events wait for every address that wants them, in the transaction that writes them."""
    within = event.c.position.between(rows[0].position, rows[-1].position)
    for one in connection.execute(select(subscription)).all():
        try:
            _insert(connection, one.id, sees(views, one), _wanted(one), within, again=False)
        except UnknownError:
            log.warning("a webhook is limited to what is not there any more", webhook=one.id, on=one.selector)


def replay(connection: Connection, row: Any, view: View, after: int | None, since: datetime | None) -> int:
    """Have events wait again, from behind one, or from a time on; returns how many. Errors: `UnknownError`."""
    begin = event.c.position > after if after is not None else event.c.time >= since
    return _insert(connection, row.id, view, _wanted(row), begin, again=True)


def revive(connection: Connection, subscription_id: int) -> int:
    """Have the events wait again that were given up; returns how many."""
    given_up = (delivery.c.subscription_id == subscription_id, delivery.c.state == "dead")
    again = update(delivery).where(*given_up).values(state="waiting", tries=0, due=now())
    return connection.execute(again).rowcount


_DUE = Prepared(
    select(subscription.c.id).where(
        exists().where(
            delivery.c.subscription_id == subscription.c.id,
            delivery.c.state == "waiting",
            delivery.c.due <= bindparam("at", None, type_=UTCTime),
        )
    )
)


def waited_for(engine: Engine) -> list[int]:
    """The subscriptions for which something is to be sent now. Errors: `DatabaseError`."""
    return [row.id for row in _DUE.polled(engine, at=now())]


def read_due(connection: Connection, subscription_id: int, limit: int) -> list[Any]:
    """What is to be sent next, in order: events, with their ordering key and how often they were tried. Those behind
    one that is to be tried again later are held back.
    """
    held = delivery.alias("held")
    before_it = exists().where(
        held.c.subscription_id == subscription_id,
        held.c.ordering_key == delivery.c.ordering_key,
        held.c.state == "waiting",
        held.c.due > now(),
    )
    query = (
        select(event, delivery.c.ordering_key, delivery.c.tries)
        .join(delivery, delivery.c.position == event.c.position)
        .where(delivery.c.subscription_id == subscription_id, delivery.c.state == "waiting", ~before_it)
        .order_by(delivery.c.position)
        .limit(limit)
    )
    return list(connection.execute(query).all())


def settle(connection: Connection, subscription_id: int, outcomes: Iterable[SendOutcome]) -> None:
    """Keep what became of events that were sent."""
    at, alike = now(), defaultdict[SendOutcome, list[int]](list)
    for one in outcomes:
        alike[one._replace(position=0)].append(one.position)
    for became, positions in alike.items():
        these = (delivery.c.subscription_id == subscription_id, delivery.c.position.in_(positions))
        if became.state is None:
            connection.execute(delete(delivery).where(*these))
        else:
            values = {**became._asdict(), "due": became.due or at, "tried_at": at}
            del values["position"]
            connection.execute(update(delivery).where(*these).values(values))


def history(
    connection: Connection, subscription_id: int, state: State | None, before: int | None, limit: int
) -> list[Any]:
    """Events and what became of them, the newest event first."""
    told = [delivery.c[name] for name in ("state", "tries", "due", "tried_at", "status", "error")]
    query = (
        select(event, *told)
        .join(delivery, delivery.c.position == event.c.position)
        .where(delivery.c.subscription_id == subscription_id)
        .order_by(delivery.c.position.desc())
    )
    if state is not None:
        query = query.where(delivery.c.state == state)
    if before is not None:
        query = query.where(delivery.c.position < before)
    return list(connection.execute(query.limit(limit)).all())


def backlogs(connection: Connection) -> dict[int, Backlog]:
    """What was not delivered, by subscription; those that are not named have nothing."""
    of, found = delivery.c, defaultdict[int, Backlog](Backlog)
    for state in ("waiting", "dead"):
        # Each state has an index of its own, so that what was delivered is not looked through.
        some = select(of.subscription_id, func.count(), func.min(of.position)).where(of.state == state)
        for ident, count, oldest in connection.execute(some.group_by(of.subscription_id)).all():
            found[ident] = found[ident]._replace(**{state: count})
            if state == "waiting":
                when = connection.execute(select(event.c.time).where(event.c.position == oldest)).scalar()
                found[ident] = found[ident]._replace(waiting_since=when)
    return found


def trim(connection: Connection, older_than: datetime) -> int:
    """Forget what was delivered before a time. Returns how many went."""
    gone = delete(delivery).where(delivery.c.state == "delivered", delivery.c.tried_at < older_than)
    return connection.execute(gone).rowcount


def _wanted(row: Any) -> Selected:
    return Selected(tuple(row.types), row.selector)


def _insert(
    connection: Connection, ident: int, view: View, wanted: Selected, where: Any, *, again: bool
) -> int:
    key = case((event.c.model_id == 0, -event.c.registry_id), else_=event.c.model_id)
    chosen = feed.chosen(connection, view, wanted).with_only_columns(
        literal(ident),
        event.c.position,
        key,
        literal("waiting"),
        literal(0),
        literal(now(), delivery.c.due.type),
    )
    made = upserting(connection.dialect.name, delivery).from_select(COLUMNS, chosen.where(where))
    if again:
        values: dict[str, Any] = {name: made.excluded[name] for name in ("state", "tries", "due")}
        made = made.on_conflict_do_update(index_elements=["subscription_id", "position"], set_=values)
    else:
        made = made.on_conflict_do_nothing()
    return connection.execute(made.execution_options(preserve_rowcount=True)).rowcount
