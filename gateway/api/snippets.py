"""How to load a version from its own backend: lines to copy."""

from typing import Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy import Row, select

from federation import tables
from federation.access import Permission, View
from federation.catalogue.reader import Version, read_version
from federation.database import reading
from federation.registries import RegistryError
from gateway.api.requests import needs
from gateway.parameters import read_reference
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)


class SnippetOut(msgspec.Struct):
    """A few lines to paste. `language` is `python`, `shell` or `curl`; credentials come from the reader."""

    title: str
    language: str
    code: str


class SnippetsOut(msgspec.Struct):
    """How to load one version; `note` says why there is nothing, where there is nothing."""

    ref: str
    snippets: list[SnippetOut]
    note: str


@get("/snippets/{ref:path}", opt=READ, sync_to_thread=True)
def show_snippets(
    ref: FromPath[str], waypost: NamedDependency[Waypost], view: NamedDependency[View]
) -> SnippetsOut:
    """Lines that load a version from its backend: Python, command line, curl."""
    with reading(waypost.engine) as connection:
        version = read_version(connection, view, read_reference(ref))
        registry = connection.execute(
            select(tables.registry).where(tables.registry.c.id == version.registry_id)
        ).one()
    return snippets_of(waypost, version, registry)


def snippets_of(waypost: Waypost, version: Version, registry: Row[Any]) -> SnippetsOut:
    """What the adapter of the version's registry writes for it. Nothing is asked of the backend."""
    ref = str(version.reference)
    try:
        with waypost.connections.to(registry) as connection:
            made = connection.adapter.snippets(version.model, version.record)
    except RegistryError as error:
        return SnippetsOut(ref, [], str(error))
    except Exception as error:  # a plugin's mistake must not take the page with it
        return SnippetsOut(ref, [], f"the adapter {version.kind} cannot say: {type(error).__name__}")
    found = [SnippetOut(one.title, one.language, one.code) for one in made]
    return SnippetsOut(ref, found, "" if found else f"the adapter {version.kind} has none")


HANDLERS = [show_snippets]
