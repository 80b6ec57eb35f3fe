"""A scan: the models, then their versions, read by many threads and given in the order of their names.

Every scan lists everything. What costs is only what changed: the rest is known by inode, time of change and size.
"""

import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from adapters.errors import BadRecordError, InvalidError, TransientError
from adapters.folder.keys import Names, is_name
from adapters.folder.reads import Reader
from adapters.records import Record, VersionRecord
from adapters.scanning import Readers, awaited, one_of_many

T = TypeVar("T")


class Scan:
    """One scan of a share."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._config = reader, reader.share.config
        self._readers = Readers(self._config.concurrency)
        self._moved = time.monotonic()

    def found(self) -> Iterator[Record | BadRecordError | None]:
        """What is there, one thing after another. Errors: any `AdapterError` that concerns the whole share."""
        with self._readers as readers:
            identity = yield from self._waited(readers.submit(self._reader.share.identity))
            versions = yield from self._models()
            for names, future in readers.ahead(versions, self._version):
                yield (yield from self._outcome(names, future))
            if (yield from self._waited(readers.submit(self._reader.share.identity))) != identity:
                raise TransientError("another share was mounted while it was read: it is read again")
            with suppress(OSError):  # `probe` says where it cannot be written
                self._reader.memory.keep(versions)

    def _models(self) -> Generator[Record | BadRecordError | None, None, list[Names]]:
        """The models; returns where their versions lie."""
        folders: list[Names] = [()]
        for _ in range(self._config.levels):
            inner: list[Names] = []
            for names, future in self._readers.ahead(folders, lambda names: self._reader.folders(*names)):
                listed = yield from self._outcome(names, future)
                inner += yield from self._named(names, listed)
            folders = inner
        versions: list[Names] = []
        for names, reading in self._readers.ahead(folders, self._reader.model):
            found = yield from self._outcome(names, reading)
            if isinstance(found, tuple):
                yield found[0]
                versions += yield from self._named(names, found[1])
            else:
                yield found
        return versions

    @staticmethod
    def _named(
        names: Names, listed: list[str] | BadRecordError | None
    ) -> Generator[BadRecordError, None, list[Names]]:
        """The folders that can be models or versions; the others are bad records."""
        if isinstance(listed, BadRecordError):
            yield listed
        inside = listed if isinstance(listed, list) else []
        for name in inside:
            if not is_name(name):
                yield BadRecordError(
                    f"the name of a folder is no text: {name!a:.200}", native=ascii(name)[:200]
                )
        return [(*names, name) for name in inside if is_name(name)]

    def _version(self, names: Names) -> VersionRecord:
        return self._reader.version(names[:-1], names[-1], self._going)

    def _outcome(self, names: Names, future: Future[T]) -> Generator[None, None, T | BadRecordError | None]:
        """As of `one_of_many`. The top of the share has to be read, whatever it takes."""
        if names:
            return (yield from one_of_many(self._waited(future), "/".join(names)))
        try:
            return (yield from self._waited(future))
        except BadRecordError as error:
            raise InvalidError(str(error)) from None

    def _waited(self, future: Future[T]) -> Generator[None, None, T]:
        """Errors: `TransientError` when nothing moves."""
        self._moved = time.monotonic()
        return awaited(future, self._look)

    def _look(self) -> None:
        if time.monotonic() - self._moved > self._config.timeout:
            raise TransientError(f"the share has not answered for {self._config.timeout:g} s")

    def _going(self) -> None:
        """Something large is being read. Errors: `TransientError` where nobody waits for it any more."""
        self._moved = time.monotonic()
        if self._readers.is_closed:
            raise TransientError("the scan was closed while it was being read")
