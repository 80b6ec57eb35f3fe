"""Other models that are like a version, in one state of the index and inside a view."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tantivy import DocAddress, Occur, Query

from federation.access import View
from federation.search.answer import Likeness, Shown, Similar
from federation.search.document import Document
from federation.search.lexicon import Lexicon
from federation.search.likeness import WEIGHTS, Trait, counts, traits_of
from federation.search.tantivy import hybrid, queries, schema
from federation.search.tantivy.clauses import Compiler
from federation.search.tantivy.order import RANK, Leg, Ranked
from federation.search.tantivy.state import IndexState, visible

COMPARED, MOST_ALIKE = 200, 5_000
"""So many models are compared; where those that come last are alike, so many are looked at to find out."""
LEAST = 0.05
"""What is less alike is not."""
FINE = 1_000
"""Scores of the engine are whole numbers, which have the same sum in any order."""


@dataclass(slots=True)
class SimilarRun:
    """One search for what is like a version. Errors: `IndexMissingError` of its engine."""

    state: IndexState
    view: View
    document: Document
    lexicon: Lexicon
    traits: Sequence[Trait] = field(init=False)
    _meaning: hybrid.RequestVector | None = field(init=False)
    _others: Query = field(init=False)
    _queries: Mapping[Trait, Query] = field(init=False)

    def __post_init__(self) -> None:
        self.traits = traits_of(self.document, self.lexicon)
        self._meaning = hybrid.RequestVector.of_model(self.document.model_id, self.state.vectors)
        reader = self.state.reader
        compiler = Compiler(reader.index, reader.searcher, frozenset(), self.state.forms, self.state.alike)
        self._queries = {trait: compiler.clause(trait.node, "all", reach="same") for trait in self.traits}
        firsts = queries.term("meta", schema.FIRST_BY["rank"])
        others = queries.without(firsts, queries.term("model", self.document.model_id))
        self._others = visible(others, self.view, self.state.registry_ids)

    def answer(self, limit: int) -> tuple[Similar, ...]:
        """The first version of each other model in the view that is like it, most alike first."""
        among = queries.term_set("model", sorted({*self._closest(), *self._nearest()}))
        rows = self.state.reader.rows(
            Leg(queries.all_of([self._others, among]), RANK), None, COMPARED + hybrid.MOST
        )
        shared = self._shared(among, len(rows))
        models = [row.model for row in rows]
        close = (
            {} if self._meaning is None else self._meaning.vectors.similarities(self._meaning.vector, models)
        )
        found = [self._similar(row, shared.get(row.model, ()), close.get(row.model)) for row in rows]
        alike = [one for one in found if one.score >= LEAST]
        return tuple(sorted(alike, key=lambda one: -one.score)[:limit])

    def _closest(self) -> Sequence[int]:
        """The models that have most of it. Of those that have as much as the last that was read none is taken: which of
        them the engine reads depends on what nobody may see."""
        whole = counts(self.traits)
        scored = [
            (Occur.Should, Query.const_score_query(query, WEIGHTS[trait.by] * FINE // whole[trait.by]))
            for trait, query in self._queries.items()
            if query is not queries.NOTHING
        ]
        if not scored or self._others is queries.NOTHING:
            return ()
        bound = (Occur.Must, Query.const_score_query(self._others, 0))
        query = Query.boolean_query([bound, *scored], minimum_number_should_match=1)
        searcher = self.state.reader.searcher
        kept: list[tuple[float, DocAddress]] = []
        for limit in (COMPARED, MOST_ALIKE):
            hits = searcher.search(query, limit=limit, count=False).hits
            kept = hits if len(hits) < limit else [hit for hit in hits if hit[0] > hits[-1][0]]
            if len(hits) < limit or len(kept) >= hybrid.MOST:
                break
        addresses = [address for _, address in kept]
        columns = [searcher.fast_field_values(name, addresses) for name in ("rank", "tie", "model")]
        best = sorted(
            ((score, *row) for (score, _), row in zip(kept, zip(*columns, strict=True), strict=True))
        )
        return [model for *_, model in reversed(best)][:COMPARED]

    def _nearest(self) -> Collection[int]:
        """The models that are closest in meaning, where that is known."""
        if self._meaning is None:
            return ()
        near = self._meaning.nearest(self.view)
        return [one.model for one in near[: hybrid.MOST] if one.model != self.document.model_id]

    def _shared(self, among: Query, most: int) -> Mapping[int, Sequence[Trait]]:
        """What each model has of the version, in its order."""
        searcher, found = self.state.reader.searcher, defaultdict[int, list[Trait]](list)
        for trait, query in self._queries.items():
            asked = queries.all_of([query, among, self._others])
            hits = searcher.search(asked, limit=most, count=False).hits if most else ()
            models: Sequence[Any] = searcher.fast_field_values("model", [address for _, address in hits])
            for model in models:
                found[model].append(trait)
        return found

    def _similar(self, row: Ranked, shared: Sequence[Trait], closeness: float | None) -> Similar:
        because, score = [], 0.0
        whole = counts(self.traits)
        for by, most in whole.items():
            held = tuple(trait.shown for trait in shared if trait.by == by)
            share = min(len(held) / most, 1.0)
            if by == "text" and closeness is not None:
                share = (share + max(closeness, 0.0)) / 2
            if share:
                because.append(Likeness(by, round(share, 3), held))
            score += WEIGHTS[by] * share
        [address] = self.state.reader.addresses([row])
        stored, _ = self.state.shown(row, address)
        shown = {name: getattr(stored, name) for name in Shown.__struct_fields__}
        return Similar(
            **shown, score=round(score / sum(WEIGHTS[by] for by in whole), 3), because=tuple(because)
        )
