"""Forms of the pages. That they come from our own pages is seen to where the caller is made out."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from litestar import post
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler

from federation.access import Permission
from gateway.api.requests import AnyRequest
from gateway.problems import ProblemError

LONGEST = 10_000
"""Characters of one field."""
GivenFields = NamedDependency[dict[str, str]]
"""The fields of a form, for a parameter `fields`."""


async def provide_fields(request: AnyRequest) -> dict[str, str]:
    """The fields of a form, the last of each name. Errors: 422."""
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if any(len(value) > LONGEST for value in fields.values()):
        raise ProblemError(422, "invalid-request", f"a field has at most {LONGEST} characters")
    return fields


def form_at(path: str, permission: Permission | None) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Take a form at an address; the function is given its `fields`."""

    def register(function: Callable[..., Any]) -> HTTPRouteHandler:
        return post(
            path,
            opt={"permission": permission},
            dependencies={"fields": Provide(provide_fields)},
            include_in_schema=False,
            sync_to_thread=None if iscoroutinefunction(function) else True,
            status_code=303,
        )(function)

    return register
