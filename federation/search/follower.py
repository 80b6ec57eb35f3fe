"""Keeps the index up with the catalogue: reads changes, replaces what they name, commits the position with
it.

One process writes. The unit is the model: a change of a version replaces all documents of its model, so that
what is
counted per model is always whole.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import tantivy

from federation.changes import FeedTrimmedError
from federation.search import folder, schema
from federation.search.document import Document
from federation.search.folder import Generation, IndexMissingError

WRITER_MEMORY = 128_000_000
BATCH_CHANGES = 2_000
BATCH_SECONDS = 0.5
FAILURES_TO_REBUILD = 3


@dataclass(frozen=True, slots=True)
class Affected:
    """What changes up to `position` touched: these models, and these registries as a whole."""

    position: int
    models: frozenset[int]
    registries: frozenset[int] = frozenset()


class Source(Protocol):
    """The catalogue, as the index reads it. Documents of one model follow each other."""

    def affected(self, after: int, limit: int) -> Affected | None:
        """What up to `limit` changes after a position touched, None when there are none. Errors:
        `FeedTrimmedError`."""

    def models(self, ids: Collection[int]) -> Iterable[Document]:
        """The documents of those of these models that live."""

    def registry(self, registry_id: int) -> Iterable[Document]:
        """The documents of a registry, none when it was forgotten."""

    def everything(self) -> tuple[int, Iterator[Document]]:
        """A position, and every document as of that position or later."""


@dataclass(slots=True)
class Follower:
    """The writer of the index in `path`. `committed` is called with the position after every commit."""

    path: Path
    source: Source
    committed: Callable[[int], None] = lambda _position: None
    position: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _generation: Generation | None = field(default=None, init=False)
    _writer: tantivy.IndexWriter | None = field(default=None, init=False)

    def step(self) -> bool:
        """Catches up by one commit; False when there was nothing to do. An index that is missing, damaged or
        of
        another schema, or that the feed no longer reaches, is rebuilt.

        Errors: `OSError` and `IndexMissingError` when the folder cannot be written (call again later), and
        whatever the source raises.
        """
        try:
            self._open()
        except IndexMissingError:
            self.rebuild()
            return True
        try:
            found = self._catch_up()
        except FeedTrimmedError:
            self.rebuild()
            return True
        except BaseException as error:
            self._failed(error)
            raise
        self._failures = 0
        return found

    def rebuild(self) -> None:
        """Builds a new generation from the catalogue; the old one serves until it is done."""
        self.path.mkdir(parents=True, exist_ok=True)
        folder.remove_others(self.path, folder.current(self.path) or "")
        position, documents = self.source.everything()
        with folder.engine_errors():
            generation = folder.create(self.path)
            writer = generation.index.writer(WRITER_MEMORY, 2)
        _add(writer, documents)
        with folder.engine_errors():
            writer.add_document(folder.position_document(position))
            writer.commit()
            writer.wait_merging_threads()
        self.close()
        folder.publish(self.path, generation)
        self._generation, self.position = generation, position
        self.committed(position)

    def close(self) -> None:
        """Lets go of the index; what was not committed is dropped and will be read again."""
        self._writer = self._generation = None

    def _failed(self, error: BaseException) -> None:
        """A full disk passes, a damaged index does not: after some failures in a row it is built anew."""
        self.close()
        self._failures += isinstance(error, IndexMissingError)
        if self._failures >= FAILURES_TO_REBUILD:
            self._failures = 0
            self.rebuild()

    def _open(self) -> None:
        if self._generation is not None and folder.current(self.path) != self._generation.name:
            self.close()
        if self._generation is None:
            self._generation = folder.open_current(self.path)
            self.position = folder.position(self._generation.index.searcher())
        elif not (self.path / self._generation.name / "meta.json").exists():
            raise IndexMissingError(f"the files of {self._generation.name} are gone")

    def _catch_up(self) -> bool:
        end = time.monotonic() + BATCH_SECONDS
        position = self.position
        while time.monotonic() < end:
            affected = self.source.affected(position, BATCH_CHANGES)
            if affected is None:
                break
            self._replace(affected)
            position = affected.position
        if position == self.position:
            return False
        self._commit(position)
        return True

    def _replace(self, affected: Affected) -> None:
        documents: list[Iterable[Document]] = [
            self.source.registry(id_) for id_ in sorted(affected.registries)
        ]
        singles = self.source.models(affected.models) if affected.models else ()
        documents.append(one for one in singles if one.registry_id not in affected.registries)
        with folder.engine_errors():
            writer = self._open_writer()
            _delete(writer, "registry", affected.registries)
            _delete(writer, "model", affected.models)
        for group in documents:
            _add(writer, group)

    def _commit(self, position: int) -> None:
        with folder.engine_errors():
            writer = self._open_writer()
            writer.delete_documents_by_term("meta", folder.POSITION)
            writer.add_document(folder.position_document(position))
            writer.commit()
        self.position = position
        self.committed(position)

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            if self._generation is None:
                raise IndexMissingError("the index is not open")
            self._writer = self._generation.index.writer(WRITER_MEMORY, 1)
        return self._writer


def _delete(writer: tantivy.IndexWriter, field: str, ids: Collection[int]) -> None:
    for id_ in sorted(ids):
        writer.delete_documents_by_term(field, id_)


def _add(writer: tantivy.IndexWriter, documents: Iterable[Document]) -> None:
    """Errors of the engine are ours, those of the source pass."""
    for document in schema.encode(documents):
        with folder.engine_errors():
            writer.add_document(document)
