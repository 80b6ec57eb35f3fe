"""The terms of the index, as suggestions complete them: those that a view may see, most frequent first."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tantivy import Query

from federation.search.fields import FACETS
from federation.search.tantivy import queries
from federation.search.tantivy.encoding import MAX_BEGINNING, read_stored
from federation.search.tantivy.order import RANK, IndexReader, Leg
from federation.search.tantivy.schema import SEPARATOR, facet_column, fact
from federation.search.words import fold

EXAMINED = 50
Counted = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class IndexVocabulary:
    """A `Vocabulary` of one state of the index: of what matches `visible`, None for everything."""

    reader: IndexReader
    visible: Query | None

    @property
    def _terms(self) -> Any:
        return self.reader.searcher.terms_with_prefix

    def keys(self, field: str, beginning: str) -> Counted:
        """Names of tags, metrics or params with a beginning."""
        return self._facts(f"name of {field}", beginning)

    def values(self, field: str, key: str | None, beginning: str) -> Counted:
        """Values with a beginning that a field has, or what it holds under a name."""
        if key is not None:
            return self._facts(f"{field}.{key}", beginning)
        if field not in FACETS:
            return self._facts(field, beginning)
        found = dict(self._starting(facet_column(field), fold(beginning)))
        if self._terms("facts", fact(field, beginning), limit=1):  # seldom, and the other way is dear
            found = {**dict(self._facts(field, beginning)), **found}
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def named(self, beginning: str) -> Mapping[str, int]:
        """Names of models with a beginning, best first, and how many versions each has."""
        beginning = fold(beginning)
        if len(beginning) <= MAX_BEGINNING:
            query = queries.term("begins", beginning)
        else:
            query = queries.prefix("spelled", beginning)
        if self.visible is not None:
            query = queries.all_of([query, self.visible])
        rows = self.reader.rows(Leg(query, RANK), None, EXAMINED)
        addresses, searcher = self.reader.addresses(rows), self.reader.searcher
        found: Counter[str] = Counter()
        for address, versions in zip(
            addresses, searcher.fast_field_values("siblings", addresses), strict=True
        ):
            found[read_stored(searcher.doc(address)).model] += int(versions or 0)
        return found

    def _facts(self, field: str, beginning: str) -> Counted:
        found = self._starting("facts", fact(field, beginning))
        return [(term.partition(SEPARATOR)[2], count) for term, count in found]

    def _starting(self, column: str, beginning: str) -> Counted:
        found = self._terms(column, beginning, filter_query=self.visible, limit=EXAMINED)
        return sorted(((text, count) for text, count in found if count), key=lambda pair: (-pair[1], pair[0]))
