"""Answers searches: what matches inside a view, best first, grouped, counted, explained."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import get_args

import msgspec
from tantivy import DocAddress, FieldType, Query

from federation.access import View
from federation.search import clauses, cursor, encoding, facets, folder, language, queries, ranking, schema
from federation.search.answer import (
    MAX_LIMIT,
    Correction,
    Freshness,
    Group,
    Hit,
    SearchAnswer,
    SearchError,
    SearchRequest,
    Suggestion,
)
from federation.search.clauses import Compiler, PlanNode, Slot
from federation.search.cursor import Position
from federation.search.encoding import Stored
from federation.search.facets import Counts
from federation.search.folder import Generation, IndexMissingError
from federation.search.highlight import Marker, Text, texts_of
from federation.search.order import BROWSE, RANK, Key, Leg, Legs, Reader, Row
from federation.search.sorting import Sort, fingerprint, read_sort
from federation.search.suggest import Vocabulary, suggest
from federation.search.synonyms import Synonyms
from federation.search.words import fold, one_slip, parts, spans
from federation.whole import Suspicion

LITTLE = 3
"""A word that finds fewer documents than this in the view may have been mistyped."""
MORE, MORE_BY_METRIC = 3, 10
"""Versions read at once for each model wanted: one more search costs more than some rows, by a metric most of all."""
MAX_BATCH = 1_000
MAX_SUGGEST = 500
MOST_VIEWS = 64
"""Of so many views it is kept what an answer says of their registries."""
KEPT, MOST_REMEMBERED = 256, 50
"""So many answers are remembered in each process, of those with at most so many hits."""
MOST_SHOWN = 1_000
"""Of so many hits it is kept what they show."""
FEW_REGISTRIES = 64
"""Up to so many are looked for one by one, which is faster than the set of them."""
UNREADABLE = frozenset({"partial", "failing", "never"})


@dataclass(frozen=True, slots=True)
class RegistryState:
    """How fresh one registry is: its id, and what the answer says of it."""

    id: int
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class _Covered:
    """What an answer says of the registries of a view, as it follows from `states`."""

    states: Sequence[RegistryState]
    freshness: tuple[Freshness, ...]
    json: msgspec.Raw
    stale: frozenset[int]
    unread: bool

    @classmethod
    def of(cls, states: Sequence[RegistryState]) -> "_Covered":
        freshness = tuple([one.freshness for one in states])
        return cls(
            states,
            freshness,
            msgspec.Raw(msgspec.json.encode(freshness)),
            frozenset([one.id for one in states if one.freshness.state == "stale"]),
            any(one.freshness.state in UNREADABLE for one in states),
        )


@dataclass(frozen=True, slots=True)
class _State:
    """One opened state of the index, with the registries that it holds. `commit` tells it from others."""

    reader: Reader
    position: int
    registries: facets.Registries
    registry_ids: frozenset[int]
    commit: tuple[str, int, int, int]
    _shown: dict[int, tuple[Stored, tuple[Text, ...]]] = field(default_factory=dict)
    """What was shown lately, by tie: what stands first in one answer often stands in others."""

    @classmethod
    def of(cls, generation: Generation, known: "_State | None") -> "_State":
        """The newest state of a generation: the known one while that is it."""
        searcher = generation.index.searcher()
        position = folder.position(searcher)
        commit = (generation.name, position, searcher.num_segments, searcher.num_docs)
        if known is not None and known.commit == commit:
            return known
        held = schema.registries(searcher)
        return cls(Reader(generation.index, searcher), position, held, frozenset(held), commit)

    def shown(self, row: Row, address: DocAddress) -> tuple[Stored, tuple[Text, ...]]:
        """What a hit shows."""
        tie = int(row.values[-1])
        found = self._shown.get(tie)
        if found is None:
            stored = encoding.read_stored(self.reader.searcher.doc(address))
            if len(self._shown) >= MOST_SHOWN:
                self._shown.clear()
            found = self._shown[tie] = stored, texts_of(stored)
        return found

    def find(self, view: View, request: SearchRequest, stale: frozenset[int], synonyms: Synonyms) -> "_Found":
        """What a request finds. Errors: as `Search.query`, and `IndexMissingError`."""
        columns = facets.columns(request.facets)
        sort = read_sort(request.sort)
        position = cursor.decode(request.cursor, fingerprint(request)) if request.cursor else None
        planned = clauses.plan(language.parse(request.q), synonyms, len(request.q))
        compiler = Compiler(self.reader.index, self.reader.searcher, stale)
        with folder.engine_errors():
            return _Run(self, view, request, compiler, planned, columns, sort).answer(position)


class _Served:
    """A state, and what was found in it lately: in one state that cannot change."""

    def __init__(self, state: _State, kept: int) -> None:
        self.state = state
        self.find = lru_cache(kept)(state.find)


class Search:
    """The reading side of the index in a folder; one per process, used by many threads.

    `registries` gives the registries of a view and their freshness, the same sequence for as long as they are the
    same; `behind` says whether an index at a position lacks what a view should find by now. The last `kept` answers
    are remembered for as long as nothing changes in the index.
    """

    def __init__(
        self,
        path: Path,
        registries: Callable[[View], Sequence[RegistryState]],
        synonyms: Synonyms,
        behind: Callable[[View, int], bool] = lambda _view, _position: False,
        kept: int = KEPT,
    ) -> None:
        self._path = path
        self._kept = kept
        self._registries = registries
        self._behind = behind
        self.synonyms = synonyms
        self._generation: Generation | None = None
        self._served: _Served | None = None
        self._covered: dict[View, _Covered] = {}
        self._lock = threading.Lock()
        self._suspicion = Suspicion(path)
        language.parse("")

    def reload(self) -> int:
        """Looks at the newest commit; to be called when the worker says so. Returns the position now served, -1 while
        there is no index. An index that disappears is served on as long as it is open."""
        with self._lock:
            with suppress(IndexMissingError):  # there is none yet, or for a moment
                self._refresh()
            return self.position

    def _refresh(self) -> None:
        if self._generation is not None and folder.is_set_aside(self._path, self._generation.name):
            self._generation = self._served = None
        name = folder.current(self._path)
        if self._generation is None or self._generation.name != name:
            self._generation = folder.open_current(self._path)
        with folder.engine_errors():
            self._generation.index.reload()
            known = None if self._served is None else self._served.state
            state = _State.of(self._generation, known)
            if state is not known:
                self._served = _Served(state, self._kept)

    @property
    def position(self) -> int:
        """The change position that is served, -1 while there is no index."""
        return -1 if self._served is None else self._served.state.position

    def query(self, view: View, request: SearchRequest) -> SearchAnswer:
        """Everything the view may see that a request asks for.

        Errors: `QuerySyntaxError` for the query, `SearchError` for another parameter. While there is no index the
        answer is empty and `partial`.
        """
        return self._query(self._covers(view), view, request)

    def query_json(self, view: View, request: SearchRequest) -> bytes:
        """What `query` answers, as JSON: what it says of the registries is encoded when that changes, not at every
        search. Errors: as `query`."""
        covered = self._covers(view)
        answer = self._query(covered, view, request)
        return msgspec.json.encode(msgspec.structs.replace(answer, registries=covered.json))

    def _query(self, covered: _Covered, view: View, request: SearchRequest) -> SearchAnswer:
        language.parse(request.q)
        if not 1 <= request.limit <= MAX_LIMIT:
            raise SearchError("limit", f"limit is a number from 1 to {MAX_LIMIT}.")
        if request.group not in get_args(Group):
            raise SearchError("group", f"Hits are grouped by model or version, not by {request.group}.")
        facets.columns(request.facets)
        read_sort(request.sort)
        served = self._served
        if served is None:
            return SearchAnswer(query=request.q, partial=True, registries=covered.freshness)
        find = served.find if request.limit <= MOST_REMEMBERED else served.state.find
        try:
            answer = find(view, request, covered.stale, self.synonyms)
        except IndexMissingError:
            self._suspicion.mark(served.state.commit[0])
            return SearchAnswer(query=request.q, partial=True, registries=covered.freshness)
        partial = covered.unread or self._behind(view, served.state.position)
        return SearchAnswer(
            query=request.q, total=answer.counts.documents, versions=answer.counts.versions,
            models=answer.counts.models, hits=answer.hits, facets=answer.counts.facets,
            corrections=answer.corrections, next_cursor=answer.next_cursor, partial=partial,
            registries=covered.freshness,
        )  # fmt: skip

    def _covers(self, view: View) -> _Covered:
        """Worked out again when the states are others, which they are once a second, not at every search."""
        states = self._registries(view)
        known = self._covered.get(view)
        if known is None or known.states is not states:
            if len(self._covered) >= MOST_VIEWS:
                self._covered.clear()
            known = self._covered[view] = _Covered.of(states)
        return known

    def suggest(self, view: View, text: str) -> list[Suggestion]:
        """Completions for a query being typed; none while there is no index."""
        if self._served is None:
            return []
        state = self._served.state
        vocabulary = Vocabulary(state.reader, registries_seen(view, state.registry_ids))
        try:
            with folder.engine_errors():
                return suggest(vocabulary, text[-MAX_SUGGEST:])
        except IndexMissingError:
            self._suspicion.mark(state.commit[0])
            return []


@dataclass(frozen=True, slots=True)
class _Found:
    counts: Counts
    hits: tuple[Hit, ...]
    corrections: tuple[Correction, ...]
    next_cursor: str | None


@dataclass(slots=True)
class _Run:
    """One search over one state of the index."""

    state: _State
    view: View
    request: SearchRequest
    compiler: Compiler
    plan: PlanNode
    columns: Mapping[str, str]
    sort: Sort

    def answer(self, position: Position | None) -> _Found:
        corrected = frozenset[str]() if position is None else position.corrected
        plan, counts = self._counted(corrected)
        if position is None and counts.documents < LITTLE:
            corrected, plan, counts = self._forgiving(plan, counts)
        legs = Legs(self._legs(plan))
        rows, more = self._rows(legs, position, counts)
        slots = [*clauses.positive_slots(plan), *map(clauses.as_slot, clauses.phrases(plan))]
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
            after = cursor.encode(Position(leg, row.values, corrected), fingerprint(self.request))
        return _Found(counts, hits, _corrections(hits, corrected), after)

    # --- what matches -------------------------------------------------------------------------------

    def _bounded(self, query: Query) -> Query:
        return visible(query, self.view, self.state.registry_ids)

    def _counted(self, corrected: frozenset[str]) -> tuple[PlanNode, Counts]:
        plan = clauses.with_corrections(self.plan, corrected) if corrected else self.plan
        query = self._bounded(self.compiler.matching(plan, self.request.q))
        return plan, facets.count(self.state.reader.searcher, query, self.columns, self.state.registries)

    def _forgiving(self, plan: PlanNode, counts: Counts) -> tuple[frozenset[str], PlanNode, Counts]:
        """The words that find little in the view may have a typo; if nothing is found, all of them may."""
        slots = [slot for slot in clauses.positive_slots(plan) if clauses.may_be_corrected(slot)]
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
            field = schema.column("m", self.sort.metric)
            having = Query.exists_query(field)
            column = Key(field, FieldType.Json, self.sort.descending)
            return [
                Leg(self._bounded(queries.all_of([matching, having])), (column, *RANK), why="has the metric"),
                Leg(self._bounded(queries.without(matching, having)), RANK, why="has not the metric"),
            ]
        column = {
            "updated": Key("updated", FieldType.Integer, self.sort.descending),
            "created": Key("created", FieldType.Integer, self.sort.descending),
            "name": Key("sort_name", FieldType.Text, self.sort.descending),
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

    def _rows(self, legs: Legs, start: Position | None, counts: Counts) -> tuple[list[tuple[int, Row]], bool]:
        """The rows of one page, each with its leg, and whether there are more."""
        limit, grouped = self.request.limit, self.request.group == "model"
        most = counts.models if grouped and start is None else limit + 1
        leg, after = (start.leg, start.values) if start else (0, None)
        if start and not legs.take(leg, start.values):
            raise SearchError("cursor", "The cursor is damaged: begin again without it.")
        rows: list[tuple[int, Row]] = []
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

    def _fresh(self, rows: list[Row], seen: set[int], legs: Legs, start: Position | None) -> Iterable[Row]:
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

    def _shown_before(self, models: set[int], legs: Legs, start: Position) -> set[int]:
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
        rows: Sequence[tuple[int, Row]],
        addresses: Sequence[DocAddress],
        counts: Counts,
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
        row: Row,
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
    if len(seen) <= FEW_REGISTRIES:
        return queries.all_of([query, queries.any_of([queries.term("registry", id_) for id_ in seen])])
    if len(seen) <= len(hidden):
        return queries.all_of([query, queries.term_set("registry", seen)])
    return queries.without(query, queries.term_set("registry", hidden))


def _corrections(hits: Sequence[Hit], corrected: frozenset[str]) -> tuple[Correction, ...]:
    """For each mistyped word, the word that the best hit has instead."""
    found: list[Correction] = []
    for word in sorted(corrected):
        instead = next(
            (other for hit in hits for other in _words_of(hit) if other != word and one_slip(other, word)),
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
