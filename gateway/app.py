"""The HTTP application: every route with its permission, behind the front, with problems for errors."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from gateway import docs, sign_in
from gateway.api import (
    access,
    audit,
    custody,
    graph,
    health,
    history,
    models,
    operations,
    registries,
    search,
    snippets,
    witness,
)
from gateway.api.requests import (
    check_address,
    check_permission,
    provide_principal,
    provide_view,
    provide_waypost,
)
from gateway.authentication import SAFE, Authentication
from gateway.front import Door, Front
from gateway.limits import check_nesting
from gateway.logs import configure_logs
from gateway.pages import errors, site
from gateway.problems import ProblemError
from gateway.settings import load_settings
from gateway.waypost import Waypost

API = "/api/v1"
POSITION = b"waypost-position"
PR_SET_PDEATHSIG = 1
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
WAIT = 1.0
"""Seconds a read waits for the followers to pass the position it was sent."""


class UndeclaredRouteError(Exception):
    """A route declares no permission, so the application does not start."""


def create() -> Front:
    """The application of an API process; the configuration is the file in `WAYPOST_CONFIG`."""
    end_with_parent()
    settings = load_settings(Path(os.environ["WAYPOST_CONFIG"]))
    configure_logs(settings.log)
    waypost = Waypost(settings)
    return create_app(waypost, on_start=lambda: waypost.wake.listen("api", waypost.reload))


def end_with_parent() -> None:
    """Ask Linux to end this process when its supervisor is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def create_app(
    waypost: Waypost, *, on_start: Callable[[], None] = lambda: None, trusted: bool = False
) -> Front:
    """The application around a gateway. `trusted`: whoever calls it holds the database and may do everything.

    Errors: `UndeclaredRouteError`.
    """

    door = Door.open() if trusted else Door.of(waypost.settings.server, waypost.redis_url)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        on_start()
        try:
            yield
        finally:
            await door.rate.close()
            waypost.close()

    handlers: list[Any] = [
        *registries.HANDLERS,
        *models.HANDLERS,
        *search.HANDLERS,
        *graph.HANDLERS,
        *operations.HANDLERS,
        *audit.HANDLERS,
        *access.HANDLERS,
        *witness.HANDLERS,
        *custody.HANDLERS,
        *history.HANDLERS,
        *snippets.HANDLERS,
    ]
    api = Router(API, route_handlers=handlers)
    outside: list[Any] = [
        api,
        Router("/", route_handlers=site.HANDLERS),
        *health.HANDLERS,
        *docs.HANDLERS,
        *sign_in.HANDLERS,
    ]
    app = Litestar(
        route_handlers=outside,
        lifespan=[lifespan],
        dependencies={
            "waypost": Provide(provide_waypost, sync_to_thread=False),
            "principal": Provide(provide_principal, sync_to_thread=False),
            "view": Provide(provide_view, sync_to_thread=False),
        },
        guards=[check_permission],
        before_request=before,
        exception_handlers=errors.HANDLERS,
        openapi_config=docs.DOCS,
        logging_config=None,  # ours stands, in the terminal too
        request_max_body_size=waypost.settings.server.max_body_kb * 1024,
        debug=False,
    )
    app.state.waypost = waypost
    require_permissions(app)
    return Front(
        app,
        authenticate=Authentication(
            "local" if trusted else waypost.settings.auth.mode, waypost.directory, waypost.provider
        ),
        door=door,
        denials=waypost.denials,
        registry=waypost.metrics,
    )


async def before(request: Request[Any, Any, Any]) -> None:
    """Before every handler: the path is sound, and followers have passed the position the caller has seen."""
    check_address(request)
    if request.method not in SAFE and not request.headers.get("content-type", "").startswith(FORMS):
        check_nesting(await request.body())
    asked = request.headers.get("waypost-position")
    if asked is None:
        return
    try:
        position = int(asked)
    except ValueError:
        detail = "Waypost-Position is sent back as it was received, or left out"
        raise ProblemError(400, "invalid-request", detail, parameter="Waypost-Position") from None
    waypost: Waypost = request.app.state.waypost
    end = time.monotonic() + WAIT
    while waypost.served < position and time.monotonic() < end:  # noqa: ASYNC110  another process moves it
        await asyncio.sleep(0.005)


def require_permissions(app: Litestar) -> None:
    """See that every route declares what it needs. Errors: `UndeclaredRouteError`."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if (
                isinstance(handler, HTTPRouteHandler)
                and "permission" not in handler.opt
                and not _is_ours(handler)
            ):
                raise UndeclaredRouteError(
                    f"{handler.handler_name} at {route.path} declares no permission in its opt"
                )


def _is_ours(handler: HTTPRouteHandler) -> bool:
    """Whether Litestar itself added the route: the OpenAPI schema and its page, and OPTIONS."""
    return handler.fn.__module__.startswith("litestar.")
