"""Registries and their synchronisation."""

from litestar import Response, get, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody

from gateway.api.registries_out import (
    ConfirmedOut,
    ForgottenOut,
    IdentityIn,
    QueuedOut,
    RegistriesOut,
    RegistryDetailOut,
    SyncIn,
    SyncOut,
    detail_out,
    forgotten_out,
    registries_out,
    sync_out,
)
from gateway.api.requests import GRANT, READ, SYNC, GivenPrincipal, GivenView, GivenWaypost, Ident


@get("/registries", opt=READ, sync_to_thread=True)
def list_registries(waypost: GivenWaypost, view: GivenView) -> RegistriesOut:
    """Every registry you may see, with its state and freshness."""
    return registries_out(waypost.registries.list(view), waypost.registries.gateway())


@get("/registries/{name:str}", opt=READ, sync_to_thread=True)
def show_registry(name: FromPath[str], waypost: GivenWaypost, view: GivenView) -> RegistryDetailOut:
    """One registry, what of it was set aside or held, and its last runs."""
    return detail_out(waypost.registries.show(view, name), waypost.sync.runs(view, name))


@post("/registries/{name:str}/sync", opt=SYNC, status_code=202, sync_to_thread=True)
def sync_registry(
    name: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    data: JSONBody[SyncIn | None] = None,
) -> QueuedOut:
    """Ask for a run. One that waits already is joined."""
    return QueuedOut(waypost.sync.request(principal, name, full=data is not None and data.full))


@post("/registries/{name:str}/confirm", opt=SYNC, status_code=202, sync_to_thread=True)
def confirm_deletes(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> ConfirmedOut:
    """Believe the held deletes: the next run asks the backend for each and tombstones what is gone."""
    return ConfirmedOut(*waypost.sync.confirm_deletes(principal, name))


@put("/registries/{name:str}/identity", opt=SYNC, status_code=202, sync_to_thread=True)
def confirm_identity(
    name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, data: JSONBody[IdentityIn]
) -> QueuedOut:
    """Believe that the backend that answers now is the same as before: its history goes on."""
    return QueuedOut(waypost.sync.confirm_identity(principal, name, data.identity))


@post(
    "/registries/{name:str}/forget",
    opt=GRANT,
    status_code=200,
    responses={204: ResponseSpec(None, description="it is forgotten")},
    sync_to_thread=True,
)
def forget_registry(
    name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal, dry_run: FromQuery[bool] = False
) -> Response[ForgottenOut | None]:
    """Remove a detached registry and everything known of it but its journal entries. Answers 204; with `dry_run`
    nothing is removed, and 200 says what would go.
    """
    if dry_run:
        return Response(forgotten_out(waypost, principal, name))
    waypost.registries.forget(principal, name)
    return Response(None, status_code=204)


@get("/syncs/{sync_id:int}", opt=READ, sync_to_thread=True)
def show_sync(sync_id: FromPath[Ident], waypost: GivenWaypost, view: GivenView) -> Response[SyncOut]:
    """The progress of a run: its state with counts and errors."""
    run = waypost.sync.run(view, sync_id)
    headers = {} if run.position is None else {"Waypost-Position": waypost.positions.seal(run.position)}
    return Response(sync_out(run), headers=headers)


@get("/syncs", opt=READ, sync_to_thread=True)
def list_syncs(waypost: GivenWaypost, view: GivenView, registry: FromQuery[str]) -> list[SyncOut]:
    """The last runs of a registry, newest first."""
    return [sync_out(run) for run in waypost.sync.runs(view, registry)]
