"""Keeps the index up with the catalogue: reads changes, replaces what they name, commits the position with it.

One process writes. The unit is the model: a change of a version replaces all documents of its model, so that what is
counted per model is always whole.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import tantivy

from federation.changes import FeedTrimmedError
from federation.followers import Fetch, Linked, nothing
from federation.logs import Log
from federation.search.document import Document
from federation.search.source import ChangeSet, DocumentSource
from federation.search.tantivy import apart, folder, queries
from federation.search.tantivy.folder import DamagedIndexError, Generation, IndexMissingError
from federation.search.tantivy.schema import SCHEMA
from federation.search.vectors.embedding import embedding
from federation.search.vectors.filling import VectorFilling
from federation.whole import Suspicion

log = Log(__name__)
WRITER_MEMORY, THREADS = 128_000_000, 2
BATCH, BATCHES_AHEAD = 128, 4
"""So many documents are handed to the engine at once, and so many times that may wait for it: about 1 MB."""
BATCH_CHANGES = 2_000
BATCH_SECONDS = 0.5
FAILURES_TO_REBUILD = 3
CHECK_EVERY = 5.0
"""Seconds after which the index is opened anew, as a reader would: what is open here outlives its files."""


@dataclass(slots=True)
class IndexFollower:
    """The writer of the index in `path`. `committed` is called with the position after every commit; `fetch` gets what
    another machine made, where there is none here."""

    path: Path
    source: DocumentSource
    committed: Callable[[int], None] = lambda _position: None
    fetch: Fetch = nothing
    position: int = field(default=0, init=False)
    _suspicion: Suspicion = field(init=False)
    _failures: int = field(default=0, init=False)
    _checked: float = field(default=0.0, init=False)
    _added: dict[int, tuple[str, str]] = field(default_factory=dict, init=False)
    _generation: Generation | None = field(default=None, init=False)
    _vectors: VectorFilling | None = field(default=None, init=False)
    _writer: tantivy.IndexWriter | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._suspicion = Suspicion(self.path)

    def step(self) -> bool:
        """Catches up by one commit; False when there was nothing to do. An index that is missing, damaged or of
        another schema, or that the feed no longer reaches, is rebuilt.

        Errors: `OSError` and `IndexMissingError` when the folder cannot be written (call again later), and
        whatever the source raises.
        """
        try:
            self._examine()
            self._open()
        except IndexMissingError as error:
            self._build_anew(error)
            return True
        try:
            found = self._catch_up()
            if not found:
                self._prove()
        except FeedTrimmedError:
            self._obtain()
            return True
        except DamagedIndexError as error:
            self._build_anew(error)
            return True
        except BaseException as error:
            self._failed(error)
            raise
        self._failures = 0
        return found

    def _build_anew(self, error: IndexMissingError) -> None:
        """What cannot be used is set aside, so that no reader takes it for whole, and made again."""
        name = folder.current(self.path)
        self.close()
        if name is not None:
            log.error("the search index cannot be used and is built anew", reason=str(error))
            folder.set_aside(self.path, name)
        self._obtain()

    def _obtain(self) -> None:
        """What another machine made, to go on from there; else all of it from the catalogue."""
        self.path.mkdir(parents=True, exist_ok=True)
        folder.remove_others(self.path, folder.current(self.path) or "")
        if not folder.adopt(self.path, self.fetch):
            self.rebuild()

    def stands(self) -> Linked:
        """How the index is now; an index has no generations of the tables."""
        return Linked(SCHEMA, 0, self.position)

    def link(self, into: Path) -> Linked:
        """Have its files, as of one commit, in an empty folder. Errors: `IndexMissingError`, `OSError`."""
        return Linked(SCHEMA, 0, folder.link(self.path, into))

    def _examine(self) -> None:
        """A reader could not use the index: read all of it again. Errors: `DamagedIndexError`."""
        name = self._suspicion.take()
        if name is None or self._generation is None or name != self._generation.name:
            return
        if (damage := self._generation.proof.damage(thorough=True)) is not None:
            raise DamagedIndexError(f"{name}/{damage} is not what was written")
        if self._suspicion.may_build_anew():
            log.error("the search index is whole and cannot be used: it is built anew", name=name)
            self.rebuild()

    def _prove(self) -> None:
        """Record what was written since, and read something again where it is time. Errors: `DamagedIndexError`,
        `OSError`."""
        assert self._generation is not None
        proof = self._generation.proof
        proof.record()
        if self._vectors is not None:
            self._vectors.flush()
        if (damage := proof.read_on()) is not None:
            raise DamagedIndexError(f"{self._generation.name}/{damage} is not what was written")

    def rebuild(self) -> None:
        """Builds a new generation from the catalogue; the old one serves until it is done."""
        self.path.mkdir(parents=True, exist_ok=True)
        folder.remove_others(self.path, folder.current(self.path) or "")
        position, documents = self.source.everything()
        with folder.engine_errors():
            generation = folder.create(self.path)
            writer = generation.index.writer(WRITER_MEMORY, THREADS)
        vectors = self._vectors_of(generation)
        _add(writer, documents if vectors is None else vectors.noting(documents))
        with folder.engine_errors():
            writer.add_document(folder.position_document(position))
            writer.commit()
            writer.wait_merging_threads()
        generation.proof.record()
        if vectors is not None:
            vectors.complete()
        self.close()
        folder.publish(self.path, generation)
        self._generation, self._vectors, self.position = generation, vectors, position
        self.committed(position)

    def close(self) -> None:
        """Lets go of the index; what was not committed is dropped and will be read again."""
        self._added.clear()
        self._writer = self._generation = self._vectors = None

    def _vectors_of(self, generation: Generation) -> VectorFilling | None:
        """Where the vectors of a generation are kept; None without the words for it."""
        words = embedding()
        return None if words is None else VectorFilling(self.path / generation.name, words)

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
            self._vectors = self._vectors_of(self._generation)
            if self._vectors is not None and not self._vectors.is_complete:
                self._vectors.fill(self.source.everything()[1])
        elif time.monotonic() - self._checked > CHECK_EVERY:
            if (damage := self._generation.proof.damage()) is not None:
                raise DamagedIndexError(f"{self._generation.name}/{damage} is not what was written")
            folder.open_current(self.path)
            self._checked = time.monotonic()
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

    def _replace(self, affected: ChangeSet) -> None:
        gone, renamed = self._registries(affected.registries)
        with folder.engine_errors():
            writer = self._open_writer()
            _delete(writer, "registry", gone | renamed)
            _delete(writer, "model", affected.models)
        if self._vectors is not None:
            self._vectors.drop(affected.models, gone | renamed)
        for id_ in sorted(renamed):
            self._add(self.source.registry(id_))
        singles = self.source.models(affected.models) if affected.models else ()
        self._add(one for one in singles if one.registry_id not in renamed)

    def _registries(self, touched: Collection[int]) -> tuple[set[int], set[int]]:
        """Of registries that changed, those that are gone and those whose documents hold another name or team. Most
        changes of a registry are of its state, which is not indexed."""
        if not touched:
            return set(), set()
        names = self.source.names(touched)
        gone = set(touched) - names.keys()
        held = {id_: {self._held_name(id_), self._added.get(id_)} - {None} for id_ in names}
        return gone, {id_ for id_, name in names.items() if held[id_] - {name}}

    def _held_name(self, registry_id: int) -> tuple[str, str] | None:
        assert self._generation is not None
        with folder.engine_errors():
            searcher = self._generation.index.searcher()
            found = searcher.search(queries.term("registry", registry_id), limit=1, count=False).hits
            if not found:
                return None
            stored = json.loads(bytes(searcher.doc(found[0][1])["stored"][0]))
        return stored["registry"], stored["team"]

    def _add(self, documents: Iterable[Document]) -> None:
        writer = self._open_writer()
        noted = (self._noted(document) for document in documents)
        _add(writer, noted if self._vectors is None else self._vectors.noting(noted))

    def _noted(self, document: Document) -> Document:
        self._added[document.registry_id] = document.registry, document.team
        return document

    def _commit(self, position: int) -> None:
        with folder.engine_errors():
            writer = self._open_writer()
            writer.delete_documents_by_term("meta", folder.POSITION)
            writer.add_document(folder.position_document(position))
            writer.commit()
            if self._generation is not None:
                self._generation.index.reload()
        self._added.clear()
        self.position = position
        self.committed(position)

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            if self._generation is None:
                raise IndexMissingError("the index is not open")
            self._writer = self._generation.index.writer(WRITER_MEMORY, 1)
        return self._writer


def _delete(writer: tantivy.IndexWriter, field: str, ids: Collection[int]) -> None:
    """By query, because the engine's deletion by term takes a whole number for a signed one and finds nothing."""
    if ids:
        writer.delete_documents_by_query(queries.term_set(field, sorted(ids)))


def _add(writer: tantivy.IndexWriter, documents: Iterable[Document]) -> None:
    """Errors of the engine are ours, those of the source pass. The engine lets go of the interpreter while it reads a
    text, so the next ones are made meanwhile."""
    texts, waiting = apart.encode(documents), deque[Future[None]]()
    batch = list(islice(texts, BATCH))
    if len(batch) < BATCH:  # most changes: a thread would cost more than it saves
        _add_texts(writer, batch)
        return
    with ThreadPoolExecutor(1) as adding:
        while batch:
            waiting.append(adding.submit(_add_texts, writer, batch))
            if len(waiting) > BATCHES_AHEAD:
                waiting.popleft().result()
            batch = list(islice(texts, BATCH))
        # None is held by name: one that failed would hold the frame that holds it, and with that the writer.
        while waiting:
            waiting.popleft().result()


def _add_texts(writer: tantivy.IndexWriter, texts: Iterable[str]) -> None:
    guarded = folder.engine_errors()
    for text in texts:
        with guarded:
            writer.add_json(text)
