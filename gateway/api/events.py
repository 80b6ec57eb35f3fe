"""The feed of events, as pages and as a stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, Parameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from federation.access import View
from federation.events.events import NEWEST, Events, Selected, Watched
from gateway.api import formats
from gateway.api.events_out import ChangesOut, EventsOut, WatchesOut, WatchIn, changes_out, events_out
from gateway.api.requests import (
    READ,
    AnyRequest,
    GivenPrincipal,
    GivenView,
    GivenWaypost,
    Ident,
    Limit,
)
from gateway.api.rows import changes_csv
from gateway.meant import selector_meant
from gateway.parameters import read_since
from gateway.streams import kept_open, rounds

STREAM = "text/event-stream"
LONGEST = 3600.0
"""Seconds after which a stream ends; its client goes on where it was."""
LOOK_EVERY = 0.2
HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it is there."""
AT_ONCE = 200
Cursor = Annotated[str | None, Parameter(max_length=100)]


def provide_selected(
    waypost: GivenWaypost,
    view: GivenView,
    types: Annotated[
        list[str] | None,
        QueryParameter(
            name="type", description="type of event, or its noun (`stage`); may be given several times"
        ),
    ] = None,
    on: Annotated[
        str, QueryParameter(description="team:NAME, registry:NAME, registry/model or search:QUERY")
    ] = "",
    since: Annotated[
        str | None, QueryParameter(description="a time, or `today`, `yesterday`, `week`, in UTC")
    ] = None,
) -> Selected:
    """Which events are wanted. Errors: 400."""
    on = selector_meant(waypost, view, on)
    return waypost.events.selected(view, tuple(types or ()), on, read_since(since))


SELECTED = {"wanted": Provide(provide_selected, sync_to_thread=True)}  # it may search


@get("/events", opt=READ, dependencies=SELECTED)
async def list_events(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    wanted: NamedDependency[Selected],
    after: Annotated[
        str | None,
        QueryParameter(description="id of the event to go on behind; `newest`: what comes from now on"),
    ] = None,
    last: Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=200)] = None,
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 100,
) -> Response[EventsOut] | ServerSentEvent:
    """What changed, as CloudEvents, in order. With `Accept: text/event-stream` a stream of what comes, which goes on
    behind `Last-Event-ID`; skip messages without data.
    """
    events, view = waypost.events, principal.view
    if STREAM not in request.headers.get("accept", ""):
        page = await asyncio.to_thread(events.page, view, wanted, after, limit)
        return Response(events_out(page))
    begin = last or after or NEWEST
    page = await asyncio.to_thread(events.page, view, wanted, begin, 1)  # what is wrong is an error here
    position = events.newest() if begin == NEWEST else events.position(begin)
    return kept_open(waypost.streams, principal.id, _told(request, events, view, wanted, position))


async def _told(
    request: AnyRequest, events: Events, view: View, wanted: Selected, position: int | None
) -> AsyncIterator[ServerSentEventMessage]:
    """What comes behind a position, until the stream ends."""
    clock, looked = asyncio.get_running_loop().time, -2
    yield _heartbeat()
    heard = clock()
    async for _ in rounds(request, LOOK_EVERY, LONGEST):
        while (newest := await asyncio.to_thread(events.newest)) != looked:
            found = await asyncio.to_thread(events.after, view, wanted, position, AT_ONCE)
            for one in found:
                yield ServerSentEventMessage(id=one.id, data=msgspec.json.encode(one.cloud).decode())
                position, heard = one.position, clock()
            if len(found) < AT_ONCE:
                looked = newest
        if clock() - heard > HEARTBEAT:
            yield _heartbeat()
            heard = clock()


def _heartbeat() -> ServerSentEventMessage:
    return ServerSentEventMessage(comment="waypost", data=None)


@get("/changes", opt=READ, dependencies=SELECTED, sync_to_thread=True, operation_class=formats.TableOperation)
def list_changes(
    waypost: GivenWaypost,
    view: GivenView,
    wanted: NamedDependency[Selected],
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 100,
    cursor: FromQuery[Cursor] = None,
    form: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
) -> Response[Any]:
    """What changed, the newest first. CSV has everything since `since`, whatever `limit`."""
    if form == "csv":
        return formats.table(changes_csv(waypost.events.every(view, wanted)))
    found = waypost.events.latest(view, wanted, cursor, limit)
    return Response(changes_out(found, limit))


@get("/inbox", opt=READ, sync_to_thread=True)
def list_inbox(
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    limit: FromQuery[Limit] = 50,
    cursor: FromQuery[Cursor] = None,
) -> ChangesOut:
    """What changed of what you watch, and what of that which it needs was deprecated, deleted, archived or moved, or
    fails a policy.
    """
    return changes_out(waypost.events.inbox(principal, cursor, limit), limit)


@get("/watches", opt=READ, sync_to_thread=True)
def list_watches(waypost: GivenWaypost, principal: GivenPrincipal) -> WatchesOut:
    """What you watch."""
    return WatchesOut(waypost.events.watches(principal))


@post("/watches", opt=READ, status_code=201, sync_to_thread=True)
def add_watch(waypost: GivenWaypost, principal: GivenPrincipal, data: JSONBody[WatchIn]) -> Watched:
    """Watch a team, a registry or a model; twice is once."""
    return waypost.events.watch(principal, selector_meant(waypost, principal.view, data.on))


@delete("/watches/{watch_id:int}", opt=READ, sync_to_thread=True)
def remove_watch(watch_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """Watch it no longer."""
    waypost.events.unwatch(principal, watch_id)
