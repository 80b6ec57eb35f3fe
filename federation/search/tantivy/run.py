"""One search over one state of the index: what matches inside a view, best first, grouped, counted, explained."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from tantivy import DocAddress, FieldType, Query

from federation.access import View
from federation.search import cursor, language, ranking, understanding
from federation.search import plan as plans
from federation.search.answer import Chip, Correction, Hit, SearchError, SearchRequest, Unknown
from federation.search.corrections import corrections
from federation.search.cursor import PagePosition
from federation.search.fields import BY_NAME
from federation.search.highlight import Marker
from federation.search.lexicon import Lexicon
from federation.search.plan import PlanNode, Slot
from federation.search.sorting import Sort, fingerprint, read_sort
from federation.search.syntax import Between, Qualifier, leaves
from federation.search.tantivy import facets, folder, hybrid, nearest, queries, relaxing, schema
from federation.search.tantivy.clauses import Compiler, People, Tier
from federation.search.tantivy.facets import ResultCounts
from federation.search.tantivy.order import BROWSE, RANK, Leg, Legs, Ranked, SortKey
from federation.search.tantivy.state import IndexState, registries_seen, visible
from federation.search.tantivy.vocabulary import IndexVocabulary
from federation.search.understanding import GUESSES
from federation.search.words import fold

if TYPE_CHECKING:
    from federation.search.vectors.store import Near

LITTLE = 3
"""A word that finds fewer documents than this in the view may have been mistyped."""
MORE, MORE_BY_METRIC = 3, 10
"""Versions read at once for each model wanted: one more search costs more than some rows, by a metric most of all."""
MAX_BATCH = 1_000


def find(
    state: IndexState,
    view: View,
    request: SearchRequest,
    stale: frozenset[int],
    lexicon: Lexicon,
    today: date,
    people: People = (),
) -> "Found":
    """What a request finds in one state of the index. Errors: as `Search.query`, and `IndexMissingError`."""
    columns, sort = facets.columns(request.facets), read_sort(request.sort)
    position = cursor.decode(request.cursor, fingerprint(request)) if request.cursor else None
    literal = frozenset(map(fold, request.literal))
    typed = _planned(plans.Typed(request.q, lexicon, today, literal, request.strict))
    sort = (understood_sort(typed) or sort) if sort.field == "relevance" else sort
    searcher = state.reader.searcher
    compiler = Compiler(state.reader.index, searcher, stale, state.forms, state.alike, dict(people))
    with folder.engine_errors():
        return SearchRun(state, view, request, compiler, typed, columns, sort, lexicon).answer(position)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: how much, the hits of one page, and where to go on."""

    counts: ResultCounts
    hits: tuple[Hit, ...]
    corrections: tuple[Correction, ...] = ()
    next_cursor: str | None = None
    understood: tuple[Chip, ...] = ()
    relaxed: tuple[str, ...] = ()
    near: tuple[Hit, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    by_meaning: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What a hit has to have: all of a plan, or with `steps` what one of these masks leaves of it. `corrected` are its
    words that may have a typo."""

    whole: PlanNode
    corrected: frozenset[str] = frozenset()
    steps: tuple[int, ...] = ()
    near: "Sequence[Near]" = ()
    """Models that are close in meaning, which a hit may be one of where what has some of the words does not fit."""

    @property
    def is_relaxed(self) -> bool:
        """Whether a hit need not have all of it."""
        return bool(self.steps or self.near)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the best of the relaxed need not have, as it was typed."""
        return relaxing.left_out(self.whole, next(iter(self.steps), 0)) if self.is_relaxed else ()

    @property
    def fits(self) -> bool:
        """Whether what is found fits the request, or comes near at best."""
        return relaxing.fits(self.whole, next(iter(self.steps), 0)) if self.is_relaxed else True

    @property
    def plans(self) -> Sequence[PlanNode]:
        """Of which a hit has to have one, best first."""
        return [relaxing.kept(self.whole, mask) for mask in self.steps] or [self.whole]


@dataclass
class SearchRun:
    """One search over one state of the index."""

    state: IndexState
    view: View
    request: SearchRequest
    compiler: Compiler
    typed: PlanNode
    columns: Mapping[str, str]
    sort: Sort
    lexicon: Lexicon

    def answer(self, position: PagePosition | None) -> Found:
        """What is found after a position, None for the first page."""
        demand, counts = self._demand(position)
        hits, after = self._page(demand, position, counts)
        found = Found(
            counts.told, hits, corrections(hits, demand.corrected), after, self._chips(),
            tuple(dict.fromkeys(demand.lacks)), by_meaning=bool(demand.near),
        )  # fmt: skip
        if not demand.fits:
            found = replace(found, counts=facets.NONE, hits=(), next_cursor=None, near=hits)
        return found if found.hits else replace(found, unknown=self._unknown())

    def _demand(self, position: PagePosition | None) -> tuple[Demand, ResultCounts]:
        """What a hit has to have: all words, or where nothing has, those with a typo, or else some of them."""
        plan = plans.wanted(self.typed)
        if position is not None:
            if position.steps:
                plan = self._relaxable(plan)
            whole = plans.with_corrections(plan, position.corrected)
            demand = Demand(whole, position.corrected, position.steps)
            return demand, self._counted(demand)
        demand = Demand(plan)
        counts = self._counted(demand)
        if counts.documents < LITTLE:
            demand, counts = self._forgiving(demand, counts)
        # Where the view sees nothing at all, nothing comes near, and what knows about meaning need not be loaded.
        holds = any(map(self.view.sees, self.state.registry_ids))
        if counts.documents == 0 and holds and not self.request.strict:
            slots = [slot for slot in _correctable(plan) if len(slot.word) >= relaxing.MIN_TYPO]
            rare = frozenset(
                slot.word for slot in slots if self._finds_little(slot) and not self._is_unheard(slot)
            )
            whole = plans.with_corrections(self._relaxable(plan), rare)
            relaxed = Demand(whole, rare, relaxing.steps(whole, self._finds))
            if not (relaxed.steps and relaxed.fits):
                relaxed = replace(relaxed, near=self._close_in_meaning(whole))
            if relaxed.is_relaxed:
                demand, counts = relaxed, self._counted(relaxed)
        return demand, counts

    def _relaxable(self, plan: PlanNode) -> PlanNode:
        """The plan in parts that may be left out, with the task that it seems to mean where it names none."""
        apart = plans.taken_apart(plan, lambda slot: self._finds([slot]))
        if any(slot.reading and slot.reading.meaning == "task" for slot in plans.slots_of(apart)):
            return apart
        meaning = self._meaning
        task = None if meaning is None else hybrid.guess(meaning, self.lexicon)
        return apart if task is None else plans.with_guess(apart, understanding.guessed(task))

    def _page(
        self, demand: Demand, position: PagePosition | None, counts: ResultCounts
    ) -> tuple[tuple[Hit, ...], str | None]:
        """The hits of a page, and the cursor of the next."""
        legs = Legs(self._legs(demand, counts))
        rows, more = self._rows(legs, position, counts)
        plan = demand.whole
        slots = [*plans.positive_slots(plan), *map(plans.as_slot, plans.phrases(plan))]
        addresses = self.state.reader.addresses([row for _, row in rows])
        others = self._others(demand, rows, addresses, counts)
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
            place = PagePosition(leg, row.values, demand.corrected, demand.steps)
            after = cursor.encode(place, fingerprint(self.request))
        return hits, after

    # --- what is said of the query ------------------------------------------------------------------

    def _chips(self) -> tuple[Chip, ...]:
        """What was understood; a guess only where something in the view bears it out."""
        chips = dict.fromkeys(
            Chip(self.request.q[one.start : one.end], one.meaning, one.query, one.sort)
            for slot in plans.positive_slots(self.typed)
            if (one := slot.reading) is not None and (one.query or one.sort)
            if one.meaning not in GUESSES or (slot.facts is not None and self._finds([slot.facts]))
        )
        return tuple(chips)

    def _unknown(self) -> tuple[Unknown, ...]:
        """The qualifiers of the query with a value that nothing in the view has."""
        seen = registries_seen(self.view, self.state.registry_ids)
        return nearest.unknown(language.parse(self.request.q), IndexVocabulary(self.state.reader, seen))

    # --- what matches -------------------------------------------------------------------------------

    def _bounded(self, query: Query) -> Query:
        return visible(query, self.view, self.state.registry_ids)

    def _matching(self, demand: Demand) -> Query:
        """Everything that is found, hidden or not."""
        text = "" if demand.steps else self.request.q
        found = [self.compiler.matching(plan, text) for plan in demand.plans]
        if demand.near:
            models = queries.term_set("model", [one.model for one in demand.near])
            found.append(queries.all_of([self._kept_whatever(demand.whole), models]))
        return queries.any_of(found)

    def _kept_whatever(self, plan: PlanNode) -> Query:
        """What of a query holds whatever else is left out: qualifiers, phrases, groups and what is excluded."""
        return self.compiler.clause(relaxing.without_words(plan), "all", reach="own")

    def _close_in_meaning(self, plan: PlanNode) -> "Sequence[Near]":
        """The models in the view that are closest to what was typed, and have what holds whatever else is left out."""
        meaning = self._meaning
        if meaning is None or self.sort.field != "relevance":
            return ()
        found = meaning.nearest(self.view)
        held = self._per_model(self._bounded(self._kept_whatever(plan)), [one.model for one in found])
        return [one for one in found if one.model in held][: hybrid.MOST]

    @cached_property
    def _meaning(self) -> hybrid.RequestVector | None:
        """What all that was typed in words is about."""
        words = [*(slot.typed for slot in plans.positive_slots(self.typed)), *plans.phrases(self.typed)]
        return hybrid.RequestVector.of(" ".join(words), self.state.vectors)

    def _counted(self, demand: Demand) -> ResultCounts:
        """What is found; what only comes near is not counted, because nobody is told how much that is."""
        if not demand.fits:
            return facets.uncounted(whole=self._is_of_models(demand))
        query = self._bounded(self._matching(demand))
        if self._is_listed_anyway(demand):
            listed = self.state.reader.listed(query, BROWSE[0], facets.FEW)
            if listed is not None:
                return facets.count_listed(self.state.reader.searcher, query, listed)
        return facets.count(self.state.reader.searcher, query, self.columns, self.state.registries)

    def _is_listed_anyway(self, demand: Demand) -> bool:
        """Whether it asks for a range of numbers, which the versions of a model have or have not: no sum tells how many
        models that are. Where no words give an order and no facets are counted, to list it all is then all there is
        to do."""
        if self.columns or demand.is_relaxed or any(True for _ in plans.positive_slots(demand.whole)):
            return False
        return any(
            BY_NAME[leaf.name].match == "number" and any(isinstance(match, Between) for match in leaf.matches)
            for leaf, _ in leaves(language.parse(self.request.q))
            if isinstance(leaf, Qualifier)
        )

    def _is_of_models(self, demand: Demand) -> bool:
        """Whether all versions of a model answer it alike."""
        return all(map(self.compiler.is_of_models, [demand.whole, *demand.plans]))

    def _finds(self, nodes: Sequence[PlanNode]) -> int:
        """How many documents in the view one of these finds, `relaxing.ENOUGH` for more."""
        found = queries.any_of([self.compiler.clause(node, "all", reach="open") for node in nodes])
        result = self.state.reader.searcher.search(self._bounded(found), limit=relaxing.ENOUGH, count=False)
        return len(result.hits)

    def _forgiving(self, demand: Demand, counts: ResultCounts) -> tuple[Demand, ResultCounts]:
        """The words that find little in the view may have a typo; if nothing is found, all of them may."""
        slots = _correctable(demand.whole)
        rare = frozenset(slot.word for slot in slots if self._finds_little(slot))
        if any(slot.word in rare and self._is_unheard(slot) for slot in plans.slots_of(demand.whole)):
            return demand, counts  # whatever typos others have
        for words in (rare, frozenset(slot.word for slot in slots)):
            if words and (words == rare or counts.documents == 0):
                forgiving = Demand(plans.with_corrections(demand.whole, words), words)
                found = self._counted(forgiving)
                if found.documents > counts.documents:
                    return forgiving, found
        return demand, counts

    def _finds_little(self, slot: Slot) -> bool:
        query = self._bounded(self.compiler.clause(slot, "all", reach="open"))
        return len(self.state.reader.searcher.search(query, limit=LITTLE, count=False).hits) < LITTLE

    def _is_unheard(self, slot: Slot) -> bool:
        """Whether nothing in the view has the word, and the index has none that is one slip away."""
        alike = self.compiler.alike(slot.word)
        return alike is not None and not alike and not self._finds([slot])

    # --- in which order -----------------------------------------------------------------------------

    def _legs(self, demand: Demand, counts: ResultCounts) -> Iterable[Leg]:
        if self.sort.field == "relevance":
            return self._relevance(demand, counts)
        matching = self._matching(demand)
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

    def _tiers(self, demand: Demand) -> Iterator[Tier]:
        if not demand.steps:
            typed = plans.with_corrections(self.typed, demand.corrected)
            return self.compiler.tiers(demand.whole, self.request.q, typed)
        return chain.from_iterable(map(self.compiler.lesser_tiers, demand.plans))

    def _relevance(self, demand: Demand, counts: ResultCounts) -> Iterator[Leg]:
        """A tier that says the same as an earlier one finds nothing, but keeps its number. Where a tier has models as a
        whole and one version of each is shown, the others need not be looked at."""
        earlier: list[Query] = []
        grouped = self.request.group == "model"
        if demand.is_relaxed:
            ranked = self._ranked(demand)
            rows = self._firsts(demand, ranked) if grouped and self._is_of_models(demand) else None
            for one in ranked:
                query = queries.all_of([self._matching(demand), queries.term_set("model", one.models)])
                found = None if rows is None else [row for row in rows if row.model in one.models]
                yield Leg(self._bounded(query), RANK, one.score, one.why, found=found)
            earlier.append(queries.term_set("model", [model for one in ranked for model in one.models]))
        for tier in self._tiers(demand):
            again = any(tier.query is query for query in earlier)
            query = queries.NOTHING if again else queries.without(tier.query, queries.any_of(earlier))
            keys = RANK if tier.words else BROWSE
            firsts = grouped and tier.whole
            if firsts:
                query = queries.all_of([query, queries.term("meta", schema.FIRST_BY[keys[0].field])])
            # What is listed has no words, and so one tier, which holds it all.
            yield Leg(self._bounded(query), keys, tier.weight, tier.why, firsts, listed=counts.listed)
            if not again and tier.query is not queries.NOTHING:
                earlier.append(tier.query)

    def _firsts(self, demand: Demand, ranked: Sequence[hybrid.Placed]) -> Sequence[Ranked]:
        """Of each of these models the version that stands first, all read at once."""
        models = [model for one in ranked for model in one.models]
        firsts = queries.term("meta", schema.FIRST_BY["rank"])
        query = queries.all_of([self._matching(demand), firsts, queries.term_set("model", models)])
        return self.state.reader.rows(Leg(self._bounded(query), RANK), None, len(models))

    def _ranked(self, demand: Demand) -> Sequence[hybrid.Placed]:
        """Those that stand first: by how much of the request they have in words, and by how close they are to it."""
        models = dict.fromkeys(one.model for one in demand.near)
        for plan in demand.plans if demand.steps else ():
            if len(models) >= 2 * hybrid.MOST:
                break
            leg = Leg(self._bounded(self.compiler.matching(plan, "")), RANK)
            models.update(dict.fromkeys(row.model for row in self.state.reader.rows(leg, None, hybrid.MOST)))
        chosen = list(models)[: 2 * hybrid.MOST]
        parts = []
        for slot in plans.slots_of(demand.whole):
            query = self._bounded(self.compiler.clause(slot, "all", reach="open"))
            parts.append((slot.cost, self._per_model(query, chosen).keys()))
        return hybrid.standings(chosen, parts, self._meaning)

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
        if not ids:
            return {}
        asked = {
            "models": {"terms": {"field": "model", "size": len(ids), "segment_size": facets.EVERY_BUCKET}}
        }
        inside = queries.all_of([query, queries.any_of([queries.term("model", id_) for id_ in ids])])
        buckets = self.state.reader.searcher.aggregate(inside, asked)["models"]["buckets"]
        return {int(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}

    # --- what a hit says ----------------------------------------------------------------------------

    def _others(
        self,
        demand: Demand,
        rows: Sequence[tuple[int, Ranked]],
        addresses: Sequence[DocAddress],
        counts: ResultCounts,
    ) -> Mapping[int, int]:
        if self.request.group == "version" or not rows or counts.documents == counts.models:
            return {}
        if counts.whole:
            siblings = self.state.reader.searcher.fast_field_values("siblings", list(addresses))
            return {row.model: int(held or 0) for (_, row), held in zip(rows, siblings, strict=True)}
        models = {row.model for _, row in rows}
        query = self._matching(demand)  # who sees a model sees all its versions
        return counts.per_model or self._per_model(query, models)

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


@lru_cache(1_024)
def _planned(typed: plans.Typed) -> PlanNode:
    """Plans are frozen and kept, as trees are."""
    return plans.plan(language.parse(typed.text), typed)


def understood_sort(typed: PlanNode) -> Sort | None:
    """What the words of a query say that hits are to be sorted by, where they do."""
    said = (slot.reading.sort for slot in plans.positive_slots(typed) if slot.reading and slot.reading.sort)
    return next(map(read_sort, said), None)


def _correctable(plan: PlanNode) -> list[Slot]:
    return [slot for slot in plans.positive_slots(plan) if plans.may_be_corrected(slot)]
