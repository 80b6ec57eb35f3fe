"""How to load a version: lines to copy."""

from litestar import get
from litestar.params import FromPath

from gateway.api.out import SnippetsOut
from gateway.api.requests import READ, AnyRequest, GivenView, GivenWaypost
from gateway.loading import how_to_load
from gateway.parameters import read_reference


@get("/snippets/{ref:path}", opt=READ, sync_to_thread=True)
def show_snippets(
    request: AnyRequest, ref: FromPath[str], waypost: GivenWaypost, view: GivenView
) -> SnippetsOut:
    """Lines that load a version: from its backend (Python, command line, curl), and through this gateway."""
    version = waypost.catalogue.version(view, read_reference(ref))
    return how_to_load(waypost, version, str(request.base_url).rstrip("/"))
