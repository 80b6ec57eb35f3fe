"""No application starts with a route at which nobody would be asked who they are."""

from typing import Any

import pytest
from litestar import Litestar, Request, asgi, get
from litestar.types import Receive, Scope, Send

from federation.access import Permission
from gateway.api.requests import needs
from gateway.app import UndeclaredRouteError, before, require_permissions


async def later(_: Request[Any, Any, Any]) -> None:
    """Takes the place of the gateway's own look at a request."""


async def nothing() -> None:
    """Answers."""


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers by itself."""


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (get("/x")(nothing), "nothing at /x declares no permission"),
        (get("/x", opt=needs(Permission.READ), before_request=later)(nothing), "/x is answered without"),
        (asgi("/x", copy_scope=True, opt=needs(Permission.READ))(mounted), "/x is answered without"),
    ],
    ids=["undeclared", "unasked", "mounted"],
)
def test_such_an_application_does_not_start(handler: Any, said: str) -> None:
    app = Litestar([handler], before_request=before, openapi_config=None)
    with pytest.raises(UndeclaredRouteError, match=said):
        require_permissions(app)


def test_a_route_with_its_permission_does() -> None:
    handler = get("/x", opt=needs(Permission.READ))(nothing)
    require_permissions(Litestar([handler], before_request=before, openapi_config=None))
