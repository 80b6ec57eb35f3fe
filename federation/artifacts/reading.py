"""The files of one version for whoever may see it: a folder's list, and a file or a part of it, piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Row, select

from adapters import (
    AdapterError,
    ArtifactFile,
    ArtifactStream,
    ByteSpan,
    NotFoundError,
    RejectedError,
    UnsupportedError,
)
from federation import tables
from federation.artifacts.archives import ArchivedRoom, is_archive
from federation.artifacts.stores import StoredRoom, is_below
from federation.database import reading
from federation.errors import InvalidRequestError, StateError, UnavailableError, UnknownError

if TYPE_CHECKING:
    from federation.catalogue.reader import Version
    from federation.registries.connections import Connections, OpenAdapter


class ArtifactReader:
    """Reads files where the registry's configuration says that they may be read, or as its backend gives them away.
    Safe to share between threads. Errors of everything: every branch of `WaypostError`.
    """

    def __init__(self, engine: Engine, connections: "Callable[[], Connections]") -> None:
        self._engine = engine
        self._connections = connections

    def reaches(self, registry_id: int, address: str) -> bool:
        """Whether an address lies below one from which the configuration lets files be read."""
        return _reaches(self._registry(registry_id), address)

    def address(self, version: "Version") -> str:
        """Where the files of a version are, as its backend says now; empty where it does not."""
        registry = self._registry(version.registry_id)
        with _translated(), self._asked(registry) as connected:
            found = connected.call("files_address", lambda one: one.files_address(version.record))
        return found or ""

    def list(self, version: "Version", folder: str) -> Sequence[ArtifactFile]:
        """What is in a folder of a version's files."""
        registry, address = self._registry(version.registry_id), version.record.artifact_uri or ""
        with _translated():
            if _reaches(registry, address):
                return _room(address).folder(folder)
            with self._asked(registry) as connected:
                return connected.call("list_files", lambda one: one.list_files(version.record, folder))

    @contextmanager
    def open(self, version: "Version", path: str, span: ByteSpan | None) -> Iterator[ArtifactStream]:
        """A file, or a part of it; errors also while the pieces come."""
        registry, address = self._registry(version.registry_id), version.record.artifact_uri or ""
        with _translated():
            if _reaches(registry, address):
                with _room(address).part(path, span) as stream:
                    yield stream
                return
            with (
                self._asked(registry) as connected,
                connected.adapter.open_file(version.record, path, span) as stream,
            ):
                yield stream

    def _registry(self, registry_id: int) -> Row[Any]:
        with reading(self._engine) as connection:
            query = select(tables.registry).where(tables.registry.c.id == registry_id)
            return connection.execute(query).one()

    @contextmanager
    def _asked(self, registry: Row[Any]) -> "Iterator[OpenAdapter]":
        """The connection to a registry, if it is still that one which answers."""
        with self._connections().to(registry) as connected:
            if registry.identity is not None:
                connected.identify(registry)
            yield connected


def _room(address: str) -> StoredRoom | ArchivedRoom:
    return ArchivedRoom(address) if is_archive(address) else StoredRoom(address)


def _reaches(registry: Row[Any], address: str) -> bool:
    return any(is_below(address, allowed) for allowed in registry.config.get("artifacts") or ())


@contextmanager
def _translated() -> Iterator[None]:
    """What adapters say, as the federation says it."""
    try:
        yield
    except NotFoundError as error:
        raise UnknownError(str(error)) from None
    except UnsupportedError as error:
        raise InvalidRequestError(str(error), code="unsupported") from None
    except RejectedError as error:
        raise StateError(str(error)) from None
    except AdapterError as error:
        raise UnavailableError(str(error)) from None
