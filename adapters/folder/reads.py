"""Single models and versions, as scans and `get` read them."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from adapters.errors import BadRecordError, NotFoundError
from adapters.files import COPYING, MOST_FILES, File, translated
from adapters.folder.client import ModelShare
from adapters.folder.keys import Names
from adapters.folder.memory import Content, KnownFiles
from adapters.folder.records import Addresses, Sidecar, to_model, to_version
from adapters.formats import Header, is_model, read_header
from adapters.records import ModelRecord, VersionRecord

CHUNK = 1 << 20
Going = Callable[[], object]
"""Called now and then while something large is read; what it raises ends that."""


class Reader:
    """Reads a share. Errors of every method: any `AdapterError`, `NotFoundError` for what is not there."""

    def __init__(self, share: ModelShare, addresses: Addresses) -> None:
        self.share, self.memory = share, KnownFiles(share.config.digests)
        self._addresses = addresses

    def folders(self, *names: str) -> list[str]:
        """The folders in one of the share; links too, and stray weights, which are told when they are read."""
        with translated(names), self.share.folder(*names) as at:
            folders, links, others = self.share.names(at)
            return [*folders, *links, *filter(is_model, others)]

    def model(self, names: Names) -> tuple[ModelRecord, list[str]]:
        """A model, and the names of its versions, of links to none of them, and of weights that lie beside them."""
        with translated(names), self.share.folder(*names) as at:
            versions, links, others = self.share.names(at)
            found = to_model(self._addresses, names, self._sidecar(at), versions, links)
            strays = (*(links.keys() - found.native["links"].keys()), *filter(is_model, others))
            return found, [*versions, *strays]

    def version(self, model: Names, version: str, going: Going) -> VersionRecord:
        """A version. Errors: `BadRecordError` while it is being copied."""
        names = (*model, version)
        content = self.content(names, going)
        with translated(names), self.share.folder(*names) as at:
            return to_version(self._addresses, model, version, self._sidecar(at), content)

    def content(self, names: Names, going: Going) -> Content:
        """What the files of a version are. Errors: as of `version`."""
        with translated(names), self.share.folder(*names) as at:
            found = self._listed(at, going)
            files = tuple(filter(self._is_content, found))
            if not files:
                raise NotFoundError(f"{'/'.join(names)} holds no file")
            content = self.memory.content(names, files)
            if content is None:
                if max(file.sign[1] for file in found) / 1e9 > time.time() - self.share.config.settle:
                    raise BadRecordError(COPYING)
                content = self._content(at, files, self.memory.digests(names, files), going)
                self.memory.take(names, content)
            return content

    def _is_content(self, file: File) -> bool:
        return not file.name.endswith("/") and file.name != self.share.config.sidecar

    def _listed(self, at: int, going: Going) -> list[File]:
        found: list[File] = []
        with _whole():
            for _, file in self.share.files(at):
                going()
                found.append(file)
                if len(found) > MOST_FILES:
                    raise BadRecordError(
                        f"it holds more than {MOST_FILES:,} files and folders: it is not read"
                    )
        return found

    def _content(
        self, at: int, files: tuple[File, ...], known: tuple[str, ...] | None, going: Going
    ) -> Content:
        """What the files hold; those whose digests are known are read no further than their headers."""
        found: list[File] = []
        digests: list[str] = []
        headers: list[Header | None] = []
        with _whole():
            for descriptor, file in self.share.files(at):
                if not self._is_content(file):
                    continue
                found.append(file)
                header, sha = None, ""
                if file.link is None:
                    with self.share.opened(descriptor, file) as body:
                        header = read_header(file.name, body, file.sign[2])
                        sha = "" if known else _digest(body, going)
                headers.append(header)
                digests.append(sha)
        if tuple(found) != files:
            raise BadRecordError(COPYING)
        return Content(files, known or tuple(digests), tuple(headers))

    def _sidecar(self, at: int) -> Sidecar:
        text, found = self.share.sidecar(at)
        return Sidecar.read(text, self.share.config.sidecar, found.st_mtime if found else 0.0)


def _digest(body: BinaryIO, going: Going) -> str:
    sha, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK))
    body.seek(0)
    while length := body.readinto(buffer):  # type: ignore[attr-defined]
        going()
        sha.update(buffer[:length])
    return sha.hexdigest()


@contextmanager
def _whole() -> Iterator[None]:
    """What vanishes inside of a version that is there is no proof that the version is gone."""
    try:
        yield
    except (FileNotFoundError, NotFoundError):
        raise BadRecordError(COPYING) from None
