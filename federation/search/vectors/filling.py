"""Keeps the vectors of a generation of the index, while its documents pass by on their way into it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from federation.search.document import Document, about
from federation.search.vectors.embedding import Embedding
from federation.search.vectors.layout import is_complete
from federation.search.vectors.store import VectorWriter

AT_ONCE = 256


@dataclass(slots=True)
class VectorFilling:
    """The vectors of one generation of the index. Errors of every method: `OSError`."""

    generation: Path
    embedding: Embedding
    _writer: VectorWriter = field(init=False)
    _is_dirty: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._writer = VectorWriter(self.generation)

    @property
    def is_complete(self) -> bool:
        """Whether every model of the index has its vector."""
        return is_complete(self.generation)

    def noting(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The same documents; the vectors of their models are kept. Those of one model follow each other."""
        waiting: dict[int, Document] = {}
        for _, group in groupby(documents, key=lambda document: document.model_id):
            for document in group:
                yield document
            waiting[document.model_id] = document
            if len(waiting) == AT_ONCE:
                self._put(waiting)
        self._put(waiting)

    def _put(self, waiting: dict[int, Document]) -> None:
        if waiting:
            texts = ["\n".join(about(document)) for document in waiting.values()]
            vectors = self.embedding.vectors(texts)
            registries = [document.registry_id for document in waiting.values()]
            self._writer.put(list(waiting), registries, vectors)
            self._is_dirty = True
            waiting.clear()

    def fill(self, documents: Iterable[Document]) -> None:
        """Keep the vectors of all of these: those of an index that has none yet."""
        for _ in self.noting(documents):
            pass
        self._writer.complete()

    def drop(self, models: Iterable[int], registries: Iterable[int]) -> None:
        """These models, and all of these registries, are gone, or come anew."""
        self._is_dirty = True
        self._writer.drop(models)
        for registry in registries:
            self._writer.drop_registry(registry)

    def complete(self) -> None:
        """All models have passed by."""
        self._writer.complete()

    def flush(self) -> None:
        """Write what was changed to the disk."""
        if self._is_dirty:
            self._writer.flush()
        self._is_dirty = False
