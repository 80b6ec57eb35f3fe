"""Files in object stores and folders, by `obstore`: S3, Google Cloud Storage, Azure, and what lies on this machine.

Whose address it is was said by strangers: only what lies below an address of the configuration is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from adapters import (
    Adapter,
    AdapterConfig,
    AdapterError,
    ArtifactFile,
    ArtifactRoom,
    ArtifactStream,
    ByteSpan,
    NotFoundError,
    TransientError,
    UnsupportedError,
    VersionRecord,
)

if TYPE_CHECKING:
    from obstore.store import RetryConfig

LACKING = "object stores are read by obstore: pip install 'waypost[artifacts]'"
PIECE = 8 << 20
"""Bytes that are handed on at once."""
HANDED_ON = 1 << 20
"""The same for whoever takes them one by one."""
NO_LONGER: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
DEEPEST = 32
"""Folders inside each other."""
STRANGE = ("", ".", "..")
REFUSED = ("PermissionDeniedError", "UnauthenticatedError", "InvalidPathError")


class StoredRoom(ArtifactRoom):
    """Files below an address of an object store or a folder, to be read and written."""

    def __init__(self, address: str) -> None:
        self.source = address
        self._store = _opened(address)

    def list(self) -> Iterator[ArtifactFile]:
        """Every file."""
        import obstore

        with _translated(self.source):
            for some in obstore.list(self._store):
                for one in some:
                    yield ArtifactFile(str(one["path"]), int(one["size"]))

    @contextmanager
    def read(self, path: str) -> Iterator[Iterator[bytes]]:
        import obstore

        with _translated(self.source):
            yield (bytes(piece) for piece in obstore.get(self._store, path).stream(min_chunk_size=PIECE))

    def folder(self, path: str) -> Sequence[ArtifactFile]:
        """What is in one folder."""
        import obstore

        with _translated(self.source):
            found = obstore.list_with_delimiter(self._store, _inside(path) or None)
        folders = [ArtifactFile(str(name).rstrip("/"), is_folder=True) for name in found["common_prefixes"]]
        return [*folders, *(ArtifactFile(str(one["path"]), int(one["size"])) for one in found["objects"])]

    @contextmanager
    def part(self, path: str, span: ByteSpan | None) -> Iterator[ArtifactStream]:
        """A file, or a part of it."""
        import obstore

        with _translated(self.source):
            size = int(obstore.head(self._store, _inside(path))["size"])
            first, last = (0, None) if span is None else (span.first, span.last)
            end = size if last is None else min(size, last + 1)
            if span is not None and first >= size:
                raise UnsupportedError(f"the file has {size} bytes: a part of it begins before that")
            whole = span is None or not size
            found = obstore.get(self._store, _inside(path), options={} if whole else {"range": (first, end)})
            pieces = (bytes(piece) for piece in found.stream(min_chunk_size=HANDED_ON))
            yield ArtifactStream(pieces, end - first, size, is_part=span is not None)

    def put(self, path: str, content: BinaryIO, size: int) -> None:
        import obstore

        with _translated(self.source):
            obstore.put(self._store, path, content)

    def rename(self, path: str, other: str) -> None:
        """Call a file otherwise. Errors: `NotFoundError` and every other `AdapterError`, as of all methods."""
        import obstore

        with _translated(self.source):
            obstore.rename(self._store, path, other)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files, in this order; those that are gone already are passed over."""
        import obstore

        for path in paths:
            with suppress(NotFoundError), _translated(self.source):
                obstore.delete(self._store, path)


class GivenFiles:
    """The files of a version, as its backend gives them away."""

    def __init__(self, adapter: Adapter, version: VersionRecord) -> None:
        self._adapter, self._version = adapter, version

    def list(self, folder: str = "", depth: int = DEEPEST) -> Iterator[ArtifactFile]:
        """Every file below a folder. Errors: any `AdapterError`."""
        if not depth:
            raise UnsupportedError(f"the artifact has folders inside each other more than {DEEPEST} deep")
        for one in self._adapter.list_files(self._version, folder):
            if one.is_folder:
                yield from self.list(one.path, depth - 1)
            else:
                yield one

    @contextmanager
    def read(self, path: str) -> Iterator[Iterator[bytes]]:
        """A file, piece by piece. Errors: any `AdapterError`."""
        with self._adapter.open_file(self._version, path, None) as stream:
            yield stream.pieces


def files_of(adapter: Adapter, config: AdapterConfig, version: VersionRecord) -> StoredRoom | GivenFiles:
    """The files of a version: below an address of its registry's configuration, or as its backend gives them away.

    Errors: any `AdapterError`.
    """
    address = version.artifact_uri or ""
    if any(is_below(address, allowed) for allowed in config.artifacts):
        return StoredRoom(address)
    return GivenFiles(adapter, version)


def room_in(adapter: Adapter, config: AdapterConfig, model: str, token: str) -> ArtifactRoom:
    """Where the files of a version that is to be registered are put. Errors: any `AdapterError`."""
    if not config.artifacts:
        return adapter.room(model, token)
    return StoredRoom(f"{config.artifacts[0].rstrip('/')}/{quote(model, safe='')}/{token}")


def is_below(address: str, allowed: str) -> bool:
    """Whether an address lies below one of the configuration, however it is written."""
    one, other = urlsplit(address), urlsplit(allowed)
    if (one.scheme, one.netloc) != (other.scheme, other.netloc) or one.query or one.fragment:
        return False
    steps, base = ([part for part in unquote(each.path).split("/") if part] for each in (one, other))
    if any(step in STRANGE for step in unquote(one.path).strip("/").split("/")):
        return False
    return len(steps) > len(base) and steps[: len(base)] == base


def _inside(path: str) -> str:
    """A path that stays below the store's address. Errors: `NotFoundError` for any other."""
    if path and any(step in STRANGE for step in path.split("/")):
        raise NotFoundError(f"there is no object {path[:200]!a}")
    return path


def _opened(address: str) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        raise UnsupportedError(LACKING) from None
    try:
        if address.startswith("file:"):
            return from_url(address, mkdir=True)
        return from_url(address, retry_config=NO_LONGER)
    except Exception as error:  # the library's errors have no root of their own
        raise UnsupportedError(f"{address[:200]} cannot be opened: {type(error).__name__}") from None


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """What an object store says, as adapters say it: the kind alone, for its text may hold what it was sent."""
    host = urlsplit(address).netloc or "this machine"
    try:
        yield
    except AdapterError:
        raise
    except FileNotFoundError:
        raise NotFoundError(f"{host} has no such object") from None
    except Exception as error:
        name = type(error).__name__
        if name in REFUSED:
            raise UnsupportedError(f"{host} refuses it ({name})") from None
        raise TransientError(f"{host} could not be used ({name}): it is tried again") from None
