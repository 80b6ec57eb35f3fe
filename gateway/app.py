"""The HTTP application: every route with its permission, behind the front, with problems for errors."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from gateway import problems
from gateway.api.requests import (
    check_address,
    check_permission,
    provide_principal,
    provide_view,
    provide_waypost,
)
from gateway.authentication import SAFE, Authentication
from gateway.descriptors import restore_descriptors
from gateway.front import Door, Front
from gateway.limits import check_body
from gateway.logs import configure_logs
from gateway.problems import ProblemError
from gateway.settings import load_settings
from gateway.waypost import Waypost

API = "/api/v1"
POSITION = b"waypost-position"
PR_SET_PDEATHSIG = 1
WAIT = 1.0
"""Seconds a read waits for the followers to pass the position it was sent."""


PARTS: Mapping[str, tuple[str, ...]] = {
    "registries": ("registries", "syncs"),
    "models": ("models", "versions", "diff", "timeline"),
    "search": ("search", "suggest"),
    "graph": ("dependencies", "impact", "bom", "insights"),
    "operations": ("operations", "models", "versions", "registries"),
    "audit": ("audit",),
    "access": ("whoami", "tokens", "grants"),
    "principals": ("principals", "sessions"),
    "witness": ("witness",),
    "custody": ("audit",),
    "history": ("production",),
    "snippets": ("snippets",),
}
"""The modules of `gateway.api`, each with the words that its paths begin with; a test holds this to be true.

`search` and `graph` read what the follower of that name keeps; all others read the database alone.
"""


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

    def start() -> None:
        waypost.operations.start()
        waypost.wake.listen("api", waypost.reload)

    return create_app(waypost, on_start=start)


def end_with_parent() -> None:
    """Ask Linux to end this process when its supervisor is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def create_app(waypost: Waypost, *, on_start: Callable[[], None] = lambda: None) -> Front:
    """The application that serves a gateway: the API, the pages, and what operators ask for.

    Errors: `UndeclaredRouteError`.
    """
    from gateway import docs, sign_in
    from gateway.api import health
    from gateway.pages import errors, site

    door = Door.of(waypost.settings.server, waypost.redis_url)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        on_start()
        try:
            yield
        finally:
            await door.rate.close()
            waypost.close()

    app = _application(
        waypost,
        [
            part(PARTS),
            Router("/", route_handlers=site.HANDLERS),
            *health.HANDLERS,
            *docs.HANDLERS,
            *sign_in.HANDLERS,
        ],
        lifespan=[lifespan],
        exception_handlers=errors.HANDLERS,
        openapi_config=docs.DOCS,
    )
    auth = waypost.settings.auth
    who = Authentication(auth.mode, waypost.identity, waypost.provider, waypost.renewals)
    return Front(app, authenticate=who, door=door, denials=waypost.denials, registry=waypost.metrics)


def create_embedded(waypost: Waypost) -> Front:
    """The application for a caller in this process, who holds the database and may do everything.

    It has no route yet: `bring` adds those that are asked for, since a command asks for one or two, and all of them
    with their pages and description take longer to import than most answers take.
    """
    who = Authentication("local", waypost.identity)
    app = _embedded(waypost, [])
    return Front(app, authenticate=who, door=Door.open(), denials=waypost.denials, registry=waypost.metrics)


def bring(front: Front, path: str) -> list[str]:
    """Add the routes that a path may belong to, where they are not there yet; returns the modules they came from.

    Errors: `UndeclaredRouteError`.
    """
    word = urlsplit(path).path.removeprefix(f"{API}/").partition("/")[0]
    there: list[str] = front.app.state.modules
    missing = [module for module, words in PARTS.items() if word in words and module not in there]
    if missing:  # anew, since Litestar adds no method to a path that it has already
        front.app = _embedded(front.app.state.waypost, [*there, *missing])
    return missing


def _embedded(waypost: Waypost, modules: list[str]) -> Litestar:
    handlers = [part(modules)] if modules else []
    app = _application(
        waypost,
        handlers,
        exception_handlers={Exception: problems.handle},
        openapi_config=None,
    )
    app.state.modules = modules
    return app


def part(modules: Iterable[str]) -> Router:
    """The routes of modules of `gateway.api`."""
    handlers = [one for name in modules for one in import_module(f"gateway.api.{name}").HANDLERS]
    return Router(API, route_handlers=handlers)


class _Application(Litestar):
    """Litestar without its plugins for kinds of data that no handler here takes: everything is msgspec's."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]  # Pydantic's alone takes 50 ms to import


def _application(waypost: Waypost, handlers: list[Any], **chosen: Any) -> Litestar:
    """What serves and what is embedded alike. Errors: `UndeclaredRouteError`."""
    app = _Application(
        route_handlers=handlers,
        dependencies={
            "waypost": Provide(provide_waypost, sync_to_thread=False),
            "principal": Provide(provide_principal, sync_to_thread=False),
            "view": Provide(provide_view, sync_to_thread=False),
        },
        before_request=before,
        logging_config=None,  # ours stands, in the terminal too
        request_max_body_size=waypost.settings.server.max_body_kb * 1024,
        debug=False,
        **chosen,
    )
    app.state.waypost = waypost
    require_permissions(app)
    return app


async def before(request: Request[Any, Any, Any]) -> None:
    """Before every handler: the caller may do such things, the path is sound, and followers have passed the position
    that the caller has seen.
    """
    check_permission(request)
    check_address(request)
    if request.method not in SAFE:
        check_body(await request.body())
    asked = next((value for name, value in request.scope["headers"] if name == POSITION), None)
    if asked is None:
        return
    waypost: Waypost = request.app.state.waypost
    position = await asyncio.to_thread(waypost.positions.open, asked.decode("latin-1"))
    if position is None:  # made up, and to wait for it would tell how much happens elsewhere
        detail = "Waypost-Position is sent back as it was received, or left out"
        raise ProblemError(400, "invalid-request", detail, parameter="Waypost-Position")
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
