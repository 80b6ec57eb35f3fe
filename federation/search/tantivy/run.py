"""One search over one state of the index: what matches inside a view, best first, grouped, counted, explained."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tantivy import DocAddress, FieldType, Query

from federation.access import View
from federation.search import cursor, language, ranking
from federation.search import plan as plans
from federation.search.answer import Correction, Hit, SearchError, SearchRequest
from federation.search.cursor import PagePosition
from federation.search.highlight import Marker
from federation.search.plan import PlanNode, Slot
from federation.search.sorting import Sort, fingerprint, read_sort
from federation.search.synonyms import Synonyms
from federation.search.tantivy import facets, folder, queries, schema
from federation.search.tantivy.clauses import Compiler
from federation.search.tantivy.facets import ResultCounts
from federation.search.tantivy.order import BROWSE, RANK, Leg, Legs, Ranked, SortKey
from federation.search.tantivy.state import IndexState, visible
from federation.search.words import fold, parts, spans, within_one_edit

LITTLE = 3
"""A word that finds fewer documents than this in the view may have been mistyped."""
MORE, MORE_BY_METRIC = 3, 10
"""Versions read at once for each model wanted: one more search costs more than some rows, by a metric most of all."""
MAX_BATCH = 1_000


def find(
    state: IndexState, view: View, request: SearchRequest, stale: frozenset[int], synonyms: Synonyms
) -> "Found":
    """What a request finds in one state of the index. Errors: as `Search.query`, and `IndexMissingError`."""
    columns = facets.columns(request.facets)
    sort = read_sort(request.sort)
    position = cursor.decode(request.cursor, fingerprint(request)) if request.cursor else None
    planned = plans.plan(language.parse(request.q), synonyms, len(request.q))
    compiler = Compiler(state.reader.index, state.reader.searcher, stale)
    with folder.engine_errors():
        return SearchRun(state, view, request, compiler, planned, columns, sort).answer(position)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: how much, the hits of one page, and where to go on."""

    counts: ResultCounts
    hits: tuple[Hit, ...]
    corrections: tuple[Correction, ...]
    next_cursor: str | None


@dataclass(slots=True)
class SearchRun:
    """One search over one state of the index."""

    state: IndexState
    view: View
    request: SearchRequest
    compiler: Compiler
    plan: PlanNode
    columns: Mapping[str, str]
    sort: Sort

    def answer(self, position: PagePosition | None) -> Found:
        corrected = frozenset[str]() if position is None else position.corrected
        plan, counts = self._counted(corrected)
        if position is None and counts.documents < LITTLE:
            corrected, plan, counts = self._forgiving(plan, counts)
        legs = Legs(self._legs(plan))
        rows, more = self._rows(legs, position, counts)
        slots = [*plans.positive_slots(plan), *map(plans.as_slot, plans.phrases(plan))]
        addresses = self.state.reader.addresses([row for _, row in rows])
        others = self._others(plan, rows, addresses, counts)
        marker = Marker.of(slots, self.compiler.alike)
        hits = tuple(
            [
                self._hit(legs[leg], row, address, slots, marker, others)
                for (leg, row), address in zip(rows, addresses, strict=True)
            ]
        )
        after = None
        if more:
            leg, row = rows[-1]
            after = cursor.encode(PagePosition(leg, row.values, corrected), fingerprint(self.request))
        return Found(counts, hits, _corrections(hits, corrected), after)

    # --- what matches -------------------------------------------------------------------------------

    def _bounded(self, query: Query) -> Query:
        return visible(query, self.view, self.state.registry_ids)

    def _counted(self, corrected: frozenset[str]) -> tuple[PlanNode, ResultCounts]:
        plan = plans.with_corrections(self.plan, corrected) if corrected else self.plan
        query = self._bounded(self.compiler.matching(plan, self.request.q))
        return plan, facets.count(self.state.reader.searcher, query, self.columns, self.state.registries)

    def _forgiving(
        self, plan: PlanNode, counts: ResultCounts
    ) -> tuple[frozenset[str], PlanNode, ResultCounts]:
        """The words that find little in the view may have a typo; if nothing is found, all of them may."""
        slots = [slot for slot in plans.positive_slots(plan) if plans.may_be_corrected(slot)]
        rare = frozenset(slot.word for slot in slots if self._finds_little(slot))
        for words in (rare, frozenset(slot.word for slot in slots)):
            if words and (words == rare or counts.documents == 0):
                forgiving, found = self._counted(words)
                if found.documents > counts.documents:
                    return words, forgiving, found
        return frozenset(), plan, counts

    def _finds_little(self, slot: Slot) -> bool:
        query = self._bounded(self.compiler.clause(slot, "all", reach="open"))
        return len(self.state.reader.searcher.search(query, limit=LITTLE, count=False).hits) < LITTLE

    # --- in which order -----------------------------------------------------------------------------

    def _legs(self, plan: PlanNode) -> Iterable[Leg]:
        if self.sort.field == "relevance":
            return self._relevance(plan)
        matching = self.compiler.matching(plan, self.request.q)
        if self.sort.field == "metric":
            field = schema.number_column("metric", self.sort.metric)
            having = Query.exists_query(field)
            column = SortKey(field, FieldType.Json, self.sort.descending)
            return [
                Leg(self._bounded(queries.all_of([matching, having])), (column, *RANK), why="has the metric"),
                Leg(self._bounded(queries.without(matching, having)), RANK, why="has not the metric"),
            ]
        column = {
            "updated": SortKey("updated", FieldType.Integer, self.sort.descending),
            "created": SortKey("created", FieldType.Integer, self.sort.descending),
            "name": SortKey("sort_name", FieldType.Text, self.sort.descending),
        }[self.sort.field]
        return [Leg(self._bounded(matching), (column, *RANK))]

    def _relevance(self, plan: PlanNode) -> Iterator[Leg]:
        """A tier that says the same as an earlier one finds nothing, but keeps its number. Where a tier has models as a
        whole and one version of each is shown, the others need not be looked at."""
        earlier: list[Query] = []
        grouped = self.request.group == "model"
        for tier in self.compiler.tiers(plan, self.request.q):
            again = any(tier.query is query for query in earlier)
            query = queries.NOTHING if again else queries.without(tier.query, queries.any_of(earlier))
            keys = RANK if tier.words else BROWSE
            firsts = grouped and tier.whole
            if firsts:
                query = queries.all_of([query, queries.term("meta", schema.FIRST_BY[keys[0].field])])
            yield Leg(self._bounded(query), keys, tier.weight, tier.why, firsts)
            if not again and tier.query is not queries.NOTHING:
                earlier.append(tier.query)

    def _rows(
        self, legs: Legs, start: PagePosition | None, counts: ResultCounts
    ) -> tuple[list[tuple[int, Ranked]], bool]:
        """The rows of one page, each with its leg, and whether there are more."""
        limit, grouped = self.request.limit, self.request.group == "model"
        most = counts.models if grouped and start is None else limit + 1
        leg, after = (start.leg, start.values) if start else (0, None)
        if start and not legs.take(leg, start.values):
            raise SearchError("cursor", "The cursor is damaged: begin again without it.")
        rows: list[tuple[int, Ranked]] = []
        seen: set[int] = set()
        more = MORE_BY_METRIC if self.sort.field == "metric" else MORE
        read, batch = 0, limit + 1
        while len(rows) < min(most, limit + 1) and read < counts.documents and legs.reach(leg):
            size = batch * more if grouped and not legs[leg].firsts else batch
            found = self.state.reader.rows(legs[leg], after, size)
            read += len(found)
            rows += [(leg, row) for row in self._fresh(found, seen, legs, start)]
            if len(found) < size:
                leg, after = leg + 1, None
            else:
                after, batch = found[-1].values, min(2 * batch, MAX_BATCH)
        return rows[:limit], len(rows) > limit

    def _fresh(
        self, rows: list[Ranked], seen: set[int], legs: Legs, start: PagePosition | None
    ) -> Iterable[Ranked]:
        if self.request.group == "version":
            yield from rows
            return
        new = {row.model for row in rows} - seen
        if start and new:
            seen |= self._shown_before(new, legs, start)
        for row in rows:
            if row.model not in seen:
                seen.add(row.model)
                yield row

    def _shown_before(self, models: set[int], legs: Legs, start: PagePosition) -> set[int]:
        """Which of these models have a version at the cursor or before it: an earlier page showed them."""
        earlier = [leg.query for leg in legs.before(start.leg)]
        before = queries.any_of([*earlier, self.state.reader.before(legs[start.leg], start.values)])
        return set(self._per_model(before, models))

    def _per_model(self, query: Query, models: Iterable[int]) -> dict[int, int]:
        """How many documents a query finds of each of these models."""
        ids = sorted(models)
        asked = {
            "models": {"terms": {"field": "model", "size": len(ids), "segment_size": facets.EVERY_BUCKET}}
        }
        inside = queries.all_of([query, queries.any_of([queries.term("model", id_) for id_ in ids])])
        buckets = self.state.reader.searcher.aggregate(inside, asked)["models"]["buckets"]
        return {int(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}

    # --- what a hit says ----------------------------------------------------------------------------

    def _others(
        self,
        plan: PlanNode,
        rows: Sequence[tuple[int, Ranked]],
        addresses: Sequence[DocAddress],
        counts: ResultCounts,
    ) -> Mapping[int, int]:
        if self.request.group == "version" or not rows or counts.documents == counts.models:
            return {}
        if counts.whole:
            siblings = self.state.reader.searcher.fast_field_values("siblings", list(addresses))
            return {row.model: int(held or 0) for (_, row), held in zip(rows, siblings, strict=True)}
        query = self.compiler.matching(plan, self.request.q)  # who sees a model sees all its versions
        return self._per_model(query, {row.model for _, row in rows})

    def _hit(
        self,
        leg: Leg,
        row: Ranked,
        address: DocAddress,
        slots: Sequence[Slot],
        marker: Marker,
        others: Mapping[int, int],
    ) -> Hit:
        stored, texts = self.state.shown(row, address)
        prior = ranking.prior_of_rank(int(row.values[-2]))
        found = marker.highlights(texts)
        explanation = None
        if self.request.explain:
            explanation = {
                "matched": leg.why, "weight": leg.weight, "prior": prior, "stage": stored.stage,
                "updated": stored.updated, "words": [slot.word for slot in slots],
                "fields": [highlight.field for highlight in found],
            }  # fmt: skip
        return Hit(
            ref=stored.ref, registry=stored.registry, model=stored.model, version=stored.version, title=stored.title,
            stage=stored.stage, team=stored.team, aliases=stored.aliases, framework=stored.framework,
            owner=stored.owner, license=stored.license, type=stored.type, created=stored.created,
            updated=stored.updated, score=round(leg.weight * prior, 6),
            others=max(others.get(row.model, 1) - 1, 0), highlights=found, explanation=explanation,
        )  # fmt: skip


def _corrections(hits: Sequence[Hit], corrected: frozenset[str]) -> tuple[Correction, ...]:
    """For each mistyped word, the word that the best hit has instead."""
    found: list[Correction] = []
    for word in sorted(corrected):
        instead = next(
            (
                other
                for hit in hits
                for other in _words_of(hit)
                if other != word and within_one_edit(other, word)
            ),
            None,
        )
        if instead is not None:
            found.append(Correction(word, instead))
    return tuple(found)


def _words_of(hit: Hit) -> Iterable[str]:
    for highlight in hit.highlights:
        for start, end in highlight.ranges:
            yield fold(highlight.text[start:end])
    for text in (hit.model, hit.title, hit.team, hit.owner, hit.framework):
        for _, _, written in spans(text):
            yield fold(written)
            yield from parts(written)
