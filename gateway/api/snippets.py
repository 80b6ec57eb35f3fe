"""How to load a version from its own backend: lines to copy."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from federation.access import Permission, View
from gateway.api.out import SnippetsOut, snippets_out
from gateway.api.requests import needs
from gateway.parameters import read_reference
from gateway.waypost import Waypost


@get("/snippets/{ref:path}", opt=needs(Permission.READ), sync_to_thread=True)
def show_snippets(
    ref: FromPath[str], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> SnippetsOut:
    """Lines that load a version from its backend: Python, command line, curl."""
    version = waypost.catalogue.version(view, read_reference(ref))
    return snippets_out(version, *waypost.registries.snippets(version))


HANDLERS = [show_snippets]
