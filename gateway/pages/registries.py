"""`/registries`: how every registry stands, a sync with live progress, what is held and what was set aside."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect, ServerSentEvent, ServerSentEventMessage

from federation.access import Permission
from gateway.api.registries_out import detail_out, registries_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost, Ident, needs
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import environment, form_of, list_at, listed, page, pages_at
from gateway.pages.part import part_of
from gateway.streams import kept_open, rounds

LOOK_EVERY = 0.3
LONGEST = 900.0
"""Seconds after which a progress stream ends, whatever the run does: the browser opens the next."""
DONE = frozenset({"ok", "partial", "failed"})


@list_at("/registries")
def registries_page(request: AnyRequest, waypost: GivenWaypost, view: GivenView) -> Response[Any]:
    """Every registry, with its state."""
    found = registries_out(waypost.registries.list(view))
    return listed(
        request,
        "registries.html",
        found,
        found.registries,
        title="Registries",
        registries=found.registries,
        part=part_of(request, found.registries, "name", "team"),
    )


@pages_at("/registries/{name:str}")
def registry_page(
    request: AnyRequest, name: FromPath[str], waypost: GivenWaypost, view: GivenView
) -> Response[Any]:
    """One registry: its last runs, what is held, what was set aside."""
    form = form_of(request)
    if form != "html":
        name = name.removesuffix(f".{form}")
    found = detail_out(waypost.registries.show(view, name), waypost.sync.runs(view, name))
    hook = next((one for one in waypost.hooks.list(view) if one.registry == found.name), None)
    running = next((run for run in found.syncs if run.state not in DONE), None)
    if form != "html":
        return listed(request, "", found, found.syncs, form=form, title=found.name)
    return page(request, "registry.html", title=found.name, registry=found, running=running, hook=hook)


@form_at("/registries/{name:str}/sync", Permission.SYNC)
def sync_now(
    name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Redirect:
    """Ask for a run, then show it."""
    run = waypost.sync.request(principal, name, full=fields.get("full") == "1")
    return Redirect(f"/syncs/{run}", status_code=303)


@form_at("/registries/{name:str}/confirm", Permission.SYNC)
def confirm_held(
    name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Redirect:
    """Believe the held deletes, then show the run that proves them."""
    _, run = waypost.sync.confirm_deletes(principal, name)
    return Redirect(f"/syncs/{run}", status_code=303)


@pages_at("/syncs/{sync_id:int}")
def sync_page(
    request: AnyRequest, sync_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView
) -> Response[Any]:
    """One run, live while it lasts."""
    run = waypost.sync.run(view, sync_id)
    return page(request, "sync.html", title=f"Sync of {run.registry}", run=run, done=run.state in DONE)


@get("/syncs/{sync_id:int}/progress", opt=needs(Permission.READ), include_in_schema=False)
async def sync_progress(
    request: AnyRequest, sync_id: FromPath[Ident], waypost: GivenWaypost, principal: GivenPrincipal
) -> ServerSentEvent:
    """The progress of a run as server-sent events: `progress` with a part of its page, then `end`.

    It ends within seconds when the caller may no longer see what it could see at first.
    """
    view = principal.view
    await asyncio.to_thread(waypost.sync.run, view, sync_id)

    async def progress() -> AsyncIterator[ServerSentEventMessage]:
        before = ""
        async for _ in rounds(request, LOOK_EVERY, LONGEST):
            run = await asyncio.to_thread(waypost.sync.run, view, sync_id)
            part = environment().get_template("sync_part.html").render(run=run, done=run.state in DONE)
            if part != before:
                yield ServerSentEventMessage(data=part, event="progress")
                before = part
            if run.state in DONE:
                break
        yield ServerSentEventMessage(data="end", event="end")

    return kept_open(waypost.streams, principal.id, progress())
