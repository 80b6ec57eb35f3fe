"""The HTTP application: every route with its permission, behind the front, with problems for errors."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from federation.standby import promised
from gateway import precedence
from gateway.api.requests import (
    AnyRequest,
    check_address,
    check_permission,
    provide_principal,
    provide_view,
    provide_waypost,
    routes_in,
)
from gateway.descriptors import restore_descriptors
from gateway.door.authentication import SAFE, Authentication
from gateway.door.front import Door, Front
from gateway.door.limits import check_body
from gateway.logs import configure_logs
from gateway.meant import completed, is_short
from gateway.problems import MLFLOW, SHAPES, ProblemError
from gateway.settings import load_settings
from gateway.start import starting
from gateway.waypost import Waypost

API = "/api/v1"
POSITION = b"waypost-position"
PR_SET_PDEATHSIG = 1
WAIT = 1.0
"""Seconds a read waits for the followers to pass the position it was sent."""


class UndeclaredRouteError(Exception):
    """A route declares no permission, so the application does not start."""


def create() -> Front:
    """The application of an API process; the configuration is the file in `WAYPOST_CONFIG`."""
    end_with_parent()
    restore_descriptors()
    settings = load_settings(Path(os.environ["WAYPOST_CONFIG"]))
    configure_logs(settings.log)
    waypost = Waypost(settings, answering=True)
    waypost.report_as("api")
    waypost.trace_as("api")

    def start() -> None:
        waypost.operations.start()
        waypost.wake.listen("api", waypost.reload)

    with starting():
        return create_app(waypost, on_start=start)


def end_with_parent() -> None:
    """Ask Linux to end this process when its supervisor is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def create_app(waypost: Waypost, *, on_start: Callable[[], None] = lambda: None) -> Front:
    """The application that serves a gateway: the API, the pages, and what operators ask for.

    Errors: `UndeclaredRouteError`.
    """
    settings = waypost.settings
    return Front(
        application(settings.server.max_body_kb * 1024),
        waypost=waypost,
        authenticate=Authentication(settings.auth.mode, waypost.identity, waypost.provider, waypost.renewals),
        door=Door.of(settings.server, waypost.redis_url),
        on_start=on_start,
    )


@cache
def application(max_body: int) -> Litestar:
    """Every route; requests bring their gateway along, so one serves any. Bodies have at most `max_body` bytes.

    Errors: `UndeclaredRouteError`.
    """
    from gateway import docs, hooks
    from gateway.api import health
    from gateway.api import site as api
    from gateway.door import sign_in
    from gateway.mlflow import site as mlflow
    from gateway.mlflow.errors import mlflow_error
    from gateway.pages import errors, site

    SHAPES[MLFLOW] = mlflow_error
    app = Litestar(
        [
            Router(API, route_handlers=api.HANDLERS),
            Router("/mlflow", route_handlers=mlflow.HANDLERS),
            Router("/", route_handlers=site.HANDLERS),
            docs.FILES,
            *routes_in(health, docs, sign_in, hooks),
        ],
        dependencies={
            "waypost": Provide(provide_waypost, sync_to_thread=False),
            "principal": Provide(provide_principal, sync_to_thread=False),
            "view": Provide(provide_view, sync_to_thread=False),
        },
        before_request=before,
        exception_handlers=errors.HANDLERS,
        openapi_config=docs.DOCS,
        logging_config=None,  # ours stands, in the terminal too
        request_max_body_size=max_body,
        debug=False,
    )
    require_permissions(app)
    return app


async def before(request: AnyRequest) -> None:
    """Before every handler: the caller may do such things, the path is sound, and followers have passed the position
    that the caller has seen.
    """
    check_permission(request)
    check_address(request)
    if not request.route_handler.opt.get("files"):
        precedence.note()
    if request.method not in SAFE:
        check_body(await request.body())
    ref = str(request.scope["path_params"].get("ref", "/")).removeprefix("/")
    if is_short(ref) and ref and not ref.isdigit():  # a number is the id of a declared edge
        here, view = request.scope["state"]["waypost"], request.scope["user"].view
        request.scope["path_params"]["ref"] = await asyncio.to_thread(completed, here, view, ref)
    asked = next((value for name, value in request.scope["headers"] if name == POSITION), None)
    promised.set(0)
    if asked is None:
        return
    waypost: Waypost = request.scope["state"]["waypost"]
    position = await asyncio.to_thread(waypost.positions.open, asked.decode("latin-1"))
    if position is None:  # made up, and to wait for it would tell how much happens elsewhere
        detail = "Waypost-Position is sent back as it was received, or left out"
        raise ProblemError(400, "invalid-request", detail, parameter="Waypost-Position")
    promised.set(position)
    end = time.monotonic() + WAIT
    while waypost.served < position and time.monotonic() < end:  # noqa: ASYNC110  another process moves it
        await asyncio.sleep(0.005)


def require_permissions(app: Litestar) -> None:
    """See that every route declares what it needs, and is asked for it. Errors: `UndeclaredRouteError`."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [route]):
            if not isinstance(handler, HTTPRouteHandler) or handler.resolve_before_request() is not before:
                raise UndeclaredRouteError(f"{route.path} is answered without a look at who asks")
            if "permission" not in handler.opt and not _is_ours(handler):
                raise UndeclaredRouteError(
                    f"{handler.handler_name} at {route.path} declares no permission in its opt"
                )


def _is_ours(handler: HTTPRouteHandler) -> bool:
    """Whether Litestar itself added the route: the OpenAPI schema and its page, and OPTIONS."""
    return handler.fn.__module__.startswith("litestar.")
