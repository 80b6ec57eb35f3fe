"""No application starts with a route at which nobody would be asked who they are."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar import Litestar, Request, asgi, get
from litestar.types import Receive, Scope, Send

from federation.access import Permission
from gateway.api.requests import needs
from gateway.app import UndeclaredRouteError, application, before, require_permissions


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


def unbounded(found: msgspec.inspect.Type, place: str, seen: set[type]) -> Iterator[str]:
    """Lists and mappings of a request's body that may have any number of parts."""
    match found:
        case msgspec.inspect.ListType(max_length=None) | msgspec.inspect.DictType(max_length=None):
            yield place
        case msgspec.inspect.StructType() if found.cls not in seen:
            seen.add(found.cls)
            for part in found.fields:
                yield from unbounded(part.type, f"{place}.{part.name}", seen)
        case msgspec.inspect.UnionType():
            for one in found.types:
                yield from unbounded(one, place, seen)
        case msgspec.inspect.ListType():
            yield from unbounded(found.item_type, f"{place}[]", seen)
        case msgspec.inspect.DictType():
            yield from unbounded(found.value_type, f"{place}{{}}", seen)
        case _:
            return


def test_every_list_that_a_request_brings_is_bounded() -> None:
    taken = {
        field.annotation
        for route in application(1 << 20).routes
        for handler in getattr(route, "route_handlers", [])
        if (field := handler.parsed_data_field) is not None and isinstance(field.annotation, type)
    }
    bodies = [one for one in taken if issubclass(one, msgspec.Struct)]
    assert len(bodies) > 10
    seen: set[type] = set()
    found = [line for one in bodies for line in unbounded(msgspec.inspect.type_info(one), one.__name__, seen)]
    assert not found

    class Unbounded(msgspec.Struct):
        names: list[str] | None = None

    assert [*unbounded(msgspec.inspect.type_info(Unbounded), "Unbounded", set())] == ["Unbounded.names"]
