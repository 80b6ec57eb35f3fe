"""One opened state of the index, and what a view may see of it."""

from dataclasses import dataclass, field
from pathlib import Path

from tantivy import DocAddress, Query

from federation.access import View
from federation.search.document import Stored
from federation.search.highlight import Text, texts_of
from federation.search.tantivy import encoding, facets, folder, queries, schema, stems
from federation.search.tantivy.folder import Generation
from federation.search.tantivy.order import IndexReader, Ranked
from federation.search.vectors.files import VectorFiles
from federation.search.words import edits, joined

MOST_SHOWN, MOST_FORMS = 1_000, 10_000
"""Of so many hits it is kept what they show, of so many words what forms they have."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """One opened state of the index, with the registries that it holds. `commit` tells it from others."""

    reader: IndexReader
    position: int
    registries: facets.Registries
    registry_ids: frozenset[int]
    commit: tuple[str, int, int, int]
    vectors: VectorFiles | None
    """What its models are about, where that is kept."""
    _shown: dict[int, tuple[Stored, tuple[Text, ...]]] = field(default_factory=dict)
    """What was shown lately, by tie: what stands first in one answer often stands in others."""
    _forms: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _alike: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, generation: Generation, path: Path, known: "IndexState | None") -> "IndexState":
        """The newest state of a generation, in a folder of its own in `path`: the known one while that is it."""
        searcher = generation.index.searcher()
        position = folder.position(searcher)
        commit = (generation.name, position, searcher.num_segments, searcher.num_docs)
        vectors = VectorFiles.of(path / generation.name, None if known is None else known.vectors)
        if known is not None and (known.commit, known.vectors) == (commit, vectors):
            return known
        held = schema.registries(searcher)
        return cls(IndexReader(generation.index, searcher), position, held, frozenset(held), commit, vectors)

    def shown(self, row: Ranked, address: DocAddress) -> tuple[Stored, tuple[Text, ...]]:
        """What a hit shows."""
        tie = int(row.values[-1])
        found = self._shown.get(tie)
        if found is None:
            stored = encoding.read_stored(self.reader.searcher.doc(address))
            if len(self._shown) >= MOST_SHOWN:
                self._shown.clear()
            found = self._shown[tie] = stored, texts_of(stored)
        return found

    def forms(self, column: str, word: str) -> tuple[str, ...]:
        """The words of the index that are forms of this one: `fraud` and `frauds` of `fraudulent`."""
        found = self._forms.get((column, word))
        if found is None:
            begun = stems.beginning(word)
            terms = self.reader.searcher.terms_with_prefix(column, begun) if begun else ()
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
            found = tuple(term for term, _ in terms if term != word and stems.are_forms(word, term))
            self._forms[column, word] = found
        return found

    def alike(self, word: str) -> tuple[str, ...]:
        """The words of the index that are one edit away, of a word whose edits are few: to find them a thousand others
        are looked for, which takes longer than all that is done with them."""
        found = self._alike.get(word)
        if found is None:
            searcher = self.reader.searcher
            forms = (form for edit in edits(word) for form in (edit, joined(edit)))
            if len(self._alike) >= MOST_FORMS:
                self._alike.clear()
            found = tuple(sorted(form for form in forms if searcher.doc_freq("all", form)))
            self._alike[word] = found
        return found


def registries_seen(view: View, present: frozenset[int]) -> Query | None:
    """What a view sees, None for everything."""
    if view.registry_ids is None or present <= view.registry_ids:
        return None
    seen = sorted(present & view.registry_ids)
    return queries.term_set("registry", seen) if seen else queries.NOTHING


def visible(query: Query, view: View, present: frozenset[int]) -> Query:
    """A query inside a view, by the smaller of two clauses: the registries it sees, or those it does not."""
    if view.registry_ids is None or present <= view.registry_ids:
        return query
    seen, hidden = sorted(present & view.registry_ids), sorted(present - view.registry_ids)
    if not seen:
        return queries.NOTHING
    if len(seen) <= max(len(hidden), queries.FEW):
        return queries.all_of([query, queries.term_set("registry", seen)])
    return queries.without(query, queries.term_set("registry", hidden))
