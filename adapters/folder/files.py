"""The files of a version, as the share has them: those that its digest is of, and no other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from adapters.artifacts import checked
from adapters.calls import proceed
from adapters.contract import ArtifactFile, ArtifactStream, ByteSpan
from adapters.errors import InvalidError, NotFoundError, TransientError
from adapters.files import File, translated
from adapters.folder.keys import names_of, version_key
from adapters.folder.reads import CHUNK, Reader
from adapters.folder.records import digest_of
from adapters.records import VersionRecord


class VersionFiles:
    """What is handed out. Links are not among it. Errors: any `AdapterError`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def listed(self, version: VersionRecord, path: str) -> Sequence[ArtifactFile]:
        """What is in a folder of a version's files."""
        inside = f"{checked(path)}/" if path else ""
        found: dict[str, ArtifactFile] = {}
        for file in self._files(version):
            if file.name.startswith(inside):
                name, slash, _ = file.name[len(inside) :].partition("/")
                known = ArtifactFile(inside + name, None if slash else file.sign[2], bool(slash))
                found.setdefault(name, known)
        return [*found.values()]

    @contextmanager
    def opened(self, version: VersionRecord, path: str, span: ByteSpan | None) -> Iterator[ArtifactStream]:
        """One of the files, which is what was digested, before and after it is read."""
        names = names_of(version.key, self._reader.share.config.levels)
        file = next((one for one in self._files(version) if one.name == checked(path)), None)
        if file is None:
            raise NotFoundError(f"there is no file {path[:200]!a}")
        size, first = file.sign[2], span.first if span is not None else 0
        if span is not None and first >= size:
            raise InvalidError(f"the file has {size:,} bytes: none is behind {first:,}")
        end = size if span is None or span.last is None else min(size, span.last + 1)
        folders = file.name.split("/")[:-1]
        share = self._reader.share
        with translated(names), share.folder(*names, *folders) as at, share.opened(at, file) as body:
            body.seek(first)
            yield ArtifactStream(_pieces(body, end - first), end - first, size, span is not None)

    def _files(self, version: VersionRecord) -> list[File]:
        names = names_of(version.key, self._reader.share.config.levels)
        content = self._reader.content(names, proceed)
        if version_key(names[:-1], names[-1], digest_of(content)) != version.key:
            raise NotFoundError(f"{'/'.join(names)} has other files by now")
        return [file for file in content.files if file.link is None]


def _pieces(body: BinaryIO, length: int) -> Iterator[bytes]:
    """So many bytes. Errors: `TransientError` where the file ends before."""
    while length > 0:
        piece = body.read(min(length, CHUNK))
        if not piece:
            raise TransientError("the file became shorter while it was read")
        length -= len(piece)
        yield piece
