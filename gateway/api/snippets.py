"""How to load a version: lines to copy."""

from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from federation.access import Permission, View
from gateway.api.out import SnippetsOut
from gateway.api.requests import needs
from gateway.loading import how_to_load
from gateway.parameters import read_reference
from gateway.waypost import Waypost


@get("/snippets/{ref:path}", opt=needs(Permission.READ), sync_to_thread=True)
def show_snippets(
    request: Request[Any, Any, Any],
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
) -> SnippetsOut:
    """Lines that load a version: from its backend (Python, command line, curl), and through this gateway."""
    version = waypost.catalogue.version(view, read_reference(ref))
    return how_to_load(waypost, version, str(request.base_url).rstrip("/"))


HANDLERS = [show_snippets]
