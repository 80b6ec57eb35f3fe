"""The journal, for those who may read all of it."""

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, Parameter

from federation.access import Permission
from federation.database import reading
from federation.journal.query import JournalFilter, read_journal
from gateway.api.out import JournalOut, journal_out
from gateway.api.requests import needs, read_time
from gateway.waypost import Waypost

AUDIT: dict[str, Any] = needs(Permission.AUDIT)


@get("/audit", opt=AUDIT, sync_to_thread=True)
def list_entries(
    waypost: NamedDependency[Waypost],
    after: FromQuery[Annotated[int, Parameter(ge=-1, le=2**62)]] = -1,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 100,
    actor: FromQuery[str | None] = None,
    action: FromQuery[str | None] = None,
    ref: FromQuery[str | None] = None,
    registry: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    newest_first: FromQuery[bool] = False,
) -> JournalOut:
    """Entries after a number, in order. `ref` also finds what was said of a model's versions and aliases."""
    wanted = JournalFilter(
        actor=actor,
        action=action,
        ref=ref,
        registry=registry,
        since=read_time(since, "since"),
        until=read_time(until, "until"),
    )
    with reading(waypost.engine) as connection:
        lines = read_journal(connection, wanted, after=after, limit=limit, newest_first=newest_first)
    return journal_out(lines, limit)


HANDLERS = [list_entries]
