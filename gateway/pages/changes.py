"""`/changes`: what changed, for everybody; `/inbox`: what changed of what one watches. Both also as Atom."""

from typing import Annotated, Any

from litestar import Response
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from federation.access import Permission, Principal
from federation.errors import WaypostError
from federation.events.events import TYPES
from gateway.api.events_out import changes_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost, Ident
from gateway.meant import selector_meant
from gateway.pages.atom import feed
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import form_of, list_at, listed, local_path, page, pages_at
from gateway.parameters import read_since
from gateway.waypost import Waypost

ROWS = 100
MOST = 10_000
"""Rows of a table for spreadsheets here; the API gives all of them."""
NOUNS = sorted({name.partition(".")[0] for name in TYPES})
TEAM = "team:"
Kind = Annotated[str, QueryParameter(name="type")]


@list_at("/changes")
def changes_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    on: FromQuery[str] = "",
    kind: Kind = "",
    since: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """What changed, the newest first: of a day, a week, a team, a type."""
    types = (kind,) if kind else ()
    most = MOST if form_of(request) == "csv" else ROWS
    try:
        wanted = waypost.events.selected(principal.view, types, on.strip(), read_since(since or None))
        found, mistake = changes_out(waypost.events.latest(principal.view, wanted, cursor, most), most), ""
    except WaypostError as error:
        if form_of(request) != "html":
            raise
        found, mistake = changes_out([], ROWS), str(error)
    return listed(
        request, "changes.html", found, found.changes, title="Changes", most=MOST, found=found, on=on, kind=kind,
        since=since, nouns=NOUNS, mistake=mistake,
        teams=sorted({scope for _, scope in principal.roles if scope.startswith(TEAM)}),
    )  # fmt: skip


@pages_at("/changes.atom")
def changes_feed(
    request: AnyRequest, waypost: GivenWaypost, view: GivenView, on: FromQuery[str] = "", kind: Kind = ""
) -> Response[bytes]:
    """The same as an Atom feed, of everything, a team, a registry, a model, or what a search finds."""
    wanted = waypost.events.selected(view, (kind,) if kind else (), on.strip())
    found = changes_out(waypost.events.latest(view, wanted, None, ROWS), ROWS)
    return feed(request, waypost, f"Changes of {on or 'everything'}", found.changes)


@list_at("/inbox")
def inbox_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """What changed of what the caller watches, and what is watched."""
    return _inbox(request, waypost, principal, cursor)


@pages_at("/inbox.atom")
def inbox_feed(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[bytes]:
    """The same as an Atom feed."""
    found = changes_out(waypost.events.inbox(principal, None, ROWS), ROWS)
    return feed(request, waypost, "What I watch", found.changes)


@form_at("/watches", Permission.READ)
def start_watching(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[Any] | Redirect:
    """Watch something; then the inbox, or where the form says."""
    try:
        waypost.events.watch(principal, selector_meant(waypost, principal.view, fields.get("on", "").strip()))
    except WaypostError as error:
        return _inbox(request, waypost, principal, None, mistake=str(error))
    return Redirect(local_path(fields.get("next", "/inbox")), status_code=303)


@form_at("/watches/{watch_id:int}/end", Permission.READ)
def stop_watching(watch_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """Watch something no longer."""
    waypost.events.unwatch(principal, watch_id)
    return Redirect("/inbox", status_code=303)


def _inbox(
    request: AnyRequest, waypost: Waypost, principal: Principal, cursor: str | None, mistake: str = ""
) -> Response[Any]:
    found = changes_out(waypost.events.inbox(principal, cursor, ROWS), ROWS)
    shown: dict[str, Any] = {"found": found, "watches": waypost.events.watches(principal), "mistake": mistake}
    if mistake:
        return page(request, "inbox.html", status=422, title="Inbox", **shown)
    return listed(request, "inbox.html", found, found.changes, title="Inbox", **shown)
