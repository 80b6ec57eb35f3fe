"""The functions that the API answers with: pages call the same ones."""

from collections.abc import Callable
from typing import Any

from litestar.handlers import HTTPRouteHandler


def answer(handler: HTTPRouteHandler) -> Callable[..., Any]:
    """The function behind a route of the API, to be called with its parameters."""
    return handler.fn
