"""From the plan of a query to the engine's queries: one for everything that matches, and one for each tier."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Literal, TypeAlias

import tantivy
from tantivy import FieldType, Occur, Query

from federation.search.fields import BY_NAME, FACETS, SearchField
from federation.search.plan import (
    AllPlan,
    AnyPlan,
    NotPlan,
    PlanNode,
    Slot,
    positive_slots,
    slots_of,
    squeezed_text,
    with_corrections,
)
from federation.search.syntax import Between, Everything, Is, Phrase, Qualifier
from federation.search.tantivy.queries import (
    NOTHING,
    all_of,
    any_of,
    between,
    decimal,
    everything,
    prefix,
    term,
    term_set,
    typo,
    without,
)
from federation.search.tantivy.schema import (
    MAX_VALUE,
    VERSION_ORDER,
    facet_column,
    fact,
    number_column,
    schema,
)
from federation.search.words import chunks, edits_are_few, fold, joined, ordered, variants

TextField: TypeAlias = Literal["name", "fact", "near", "all"]
"""Where words are looked for; as a fact what was understood is looked for by its qualifier alone."""
Reach: TypeAlias = Literal["own", "same", "open"]
"""How far a word reaches: its own forms, its synonyms too, longer words that it begins too."""
MAX_STEPS = 6
MAX_LONGER = 24


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of relevance: its weight, why a hit stands here, and what matches. `words` is False where the query
    has none, so that there is nothing to compare a name with; `whole` says that it holds each model with all its
    versions or with none."""

    weight: float
    why: str
    query: Query
    words: bool = True
    whole: bool = False


People: TypeAlias = tuple[tuple[Is, tuple[str, ...]], ...]
"""Whom names in qualifiers mean, by the ids of principals."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """Builds engine queries for one state of the index. `index` is needed for the ranges over JSON numbers, which
    only its parser can make; `stale` are the ids of the registries that are; `forms` gives the forms of a word that
    stand in a field, `others` the words that are one edit away from one; `people` whom the names in qualifiers mean, by
    the ids of principals."""

    index: tantivy.Index
    searcher: tantivy.Searcher
    stale: frozenset[int]
    forms: Callable[[str, str], Sequence[str]]
    others: Callable[[str], Sequence[str]]
    people: Mapping[Is, Sequence[str]] = field(default_factory=dict)
    _made: dict[tuple[object, ...], Query] = field(default_factory=dict)
    _frequent: dict[tuple[str, str], bool] = field(default_factory=dict)

    def matching(self, node: PlanNode, text: str) -> Query:
        """Everything that the query finds."""
        found = self._made.get((node, text))
        if found is None:
            query = self.clause(node, "all", reach="open")
            names = self._whole(node, text)
            found = self._made[node, text] = query if names is None else any_of([query, names])
        return found

    def tiers(self, node: PlanNode, text: str, typed: "PlanNode | None" = None) -> Iterator[Tier]:
        """Best first, each made when it is asked for; a hit belongs to the first that it matches. The last one
        matches everything that the query finds and the others do not. `typed` is the plan with filler words, which may
        stand in names."""
        if not any(True for _ in positive_slots(node)):
            yield Tier(1.0, "matches", self.matching(node, text), words=False, whole=self.is_of_models(node))
            return
        named: Iterable[tuple[tuple[str, Query], bool]]
        named = zip(self._name_tiers(node, text), repeat(self.is_of_models(node)))
        if typed is not None and typed != node:
            named = chain(zip(self._name_tiers(typed, text), repeat(self.is_of_models(typed))), named)
        others = zip(self._other_tiers(node, text), repeat(False))
        for index, ((why, query), whole) in enumerate(chain(named, others)):
            yield Tier(round(2.0**-index, 9), why, query, whole=whole)

    def lesser_tiers(self, node: PlanNode) -> Iterator[Tier]:
        """A few tiers for what is demanded in place of the whole request, best first."""
        slots = list(slots_of(node))
        facts = self.clause(node, "fact", reach="own")
        yield Tier(0.25, "some of it, as understood, with words in the name", _most(self, facts, slots, 1))
        yield Tier(0.125, "some of it, as understood", facts)
        yield Tier(0.0625, "some of it", self.matching(node, ""))

    def is_of_models(self, node: PlanNode) -> bool:
        """Whether all versions of a model answer it alike, if its words are looked for in names."""
        match node:
            case Everything() | Slot():
                return True
            case Qualifier(name=name):
                return BY_NAME[name].of_model
            case AllPlan(children) | AnyPlan(children):
                return all(map(self.is_of_models, children))
            case NotPlan(child):
                return self.clause(child, "all", reach="same") is NOTHING
            case _:
                return False

    def _other_tiers(self, node: PlanNode, text: str) -> Iterator[tuple[str, Query]]:
        slots = list(slots_of(node))
        near = self.clause(node, "near", reach="open")
        if any(slot.corrected for slot in slots):
            yield (
                "in a property, as it was typed",
                self.clause(with_corrections(node, frozenset()), "near", reach="own"),
            )
        if any(slot.facts for slot in slots):
            facts = self.clause(node, "fact", reach="own")
            for count in range(min(len(slots), MAX_STEPS) - 1, 0, -1):
                yield (
                    f"as understood, {count} of {len(slots)} words in the name",
                    _most(self, facts, slots, count),
                )
            yield "as understood", facts
        for count in range(len(slots) - 1, max(len(slots) - 1 - MAX_STEPS, 0), -1):
            yield f"{count} of {len(slots)} words in the name", _most(self, near, slots, count)
        yield "in a tag, team, stage or another property", self.clause(node, "near", reach="own")
        yield "in another word for a property", near
        yield "in the description", self.matching(node, text)

    def _name_tiers(self, node: PlanNode, text: str) -> Iterator[tuple[str, Query]]:
        exact = self.clause(node, "name", reach="own")
        squeezed = squeezed_text(node, text)
        corrected = any(slot.corrected for slot in slots_of(node))
        words = [word for slot in slots_of(node) for word in slot.ways[0]]
        if squeezed:
            yield "the name is this", self.one_of("whole", [squeezed])
            if corrected:
                yield "the name is this but for a typo", self._misspelt(squeezed)
            yield "the name begins with this", all_of(self._in_order(["", *words]))
        if len(words) > 1:
            yield "in the name, in this order", all_of([exact, *self._in_order(words)])
        yield "in the name", exact
        yield "in another word for the name", self.clause(node, "name", reach="same")
        yield "at the beginning of a word of the name", self.clause(node, "name", reach="open")

    def _in_order(self, words: Sequence[str]) -> list[Query]:
        """The words in the order typed; the empty one stands for the beginning."""
        return [self.one_of("order", [pair]) for pair in dict.fromkeys(map(ordered, words, words[1:]))]

    def _whole(self, node: PlanNode, text: str) -> Query | None:
        squeezed = squeezed_text(node, text)
        corrected = any(slot.corrected for slot in slots_of(node))
        if not squeezed or not (corrected or self._holds("whole", squeezed)):
            return None
        names = self.one_of("whole", [squeezed])
        return any_of([names, self._misspelt(squeezed)]) if corrected else names

    def _misspelt(self, whole: str) -> Query:
        """Names that are this one but for a typo. Mostly there are none, which the rest of a search need not find out
        again and again."""
        key = ("misspelt", whole)
        if key not in self._made:
            query = typo("whole", whole)
            self._made[key] = query if self.searcher.search(query, limit=1, count=False).hits else NOTHING
        return self._made[key]

    def clause(self, node: PlanNode, field: TextField, *, reach: Reach) -> Query:
        """One query for a part of the plan, its words looked for in one field."""
        match node:
            case Everything():
                return everything()
            case Slot():
                return self._slot(node, field, reach)
            case Phrase(text):
                return _phrase(text)
            case Qualifier():
                return any_of([self._qualified(node, match) for match in node.matches])
            case NotPlan(child):
                return without(everything(), self.clause(child, "all", reach="same"))
            case AnyPlan(children):
                return any_of([self.clause(child, field, reach=reach) for child in children])
            case AllPlan(children):
                return self._all(children, field, reach)

    def _all(self, children: Sequence[PlanNode], field: TextField, reach: Reach) -> Query:
        wanted = [
            self.clause(child, field, reach=reach) for child in children if not isinstance(child, NotPlan)
        ]
        query = all_of(wanted) if wanted else everything()
        for child in children:
            if isinstance(child, NotPlan):
                query = without(query, self.clause(child.child, "all", reach="same"))
        return query

    def _slot(self, slot: Slot, field: TextField, reach: Reach) -> Query:
        if field == "fact" and slot.facts is not None:
            return self.clause(slot.facts, "all", reach=reach)
        if field in ("near", "fact"):
            return any_of([self._in(slot, "name", reach), self._in(slot, "near", reach)])
        return self._in(slot, field, reach)

    def _in(self, slot: Slot, field: TextField, reach: Reach) -> Query:
        """One way of reading a slot is one query, however often it is asked for, so that tiers which say the same
        can be told by it."""
        if slot.is_named and slot.facts is not None and field != "name":
            return self.clause(slot.facts, field, reach=reach)
        ways = slot.ways[: slot.own] if reach == "own" else slot.ways
        words = [word for way in ways if len(way) == 1 for word in (way[0], joined(way[0]))]
        longer: Sequence[str] | None = ()
        if slot.open and reach == "open":
            longer = self._longer(field, slot.word)
        alike = self.alike(slot.word) if slot.corrected else ()
        forms = () if reach == "own" or len(slot.ways[0]) > 1 else self.forms(field, slot.word)
        every = dict.fromkeys([*words, *forms, *(longer or ()), *(alike or ())])
        held = tuple(word for word in every if self._holds(field, word))
        runs = tuple(way for way in ways if len(way) > 1 and all(self._holds(field, word) for word in way))
        begins = slot.word if longer is None else None
        wrong = slot.word if alike is None else None
        facts = None if field == "name" else slot.facts
        apart = slot.apart
        key = (field, held, runs, begins, wrong, facts, apart)
        found = self._made.get(key)
        if found is None:
            queries = [term(field, word) for word in held]
            queries.extend(_run(field, way) for way in runs)
            queries.extend([all_of([self.one_of(field, variants(word)) for word in apart])] if apart else [])
            queries.extend([] if begins is None else [prefix(field, begins)])
            queries.extend([] if wrong is None else [typo(field, wrong), typo(field, joined(wrong))])
            queries.extend([] if facts is None else [self.clause(facts, field, reach=reach)])
            found = self._made[key] = any_of(queries)
        return found

    def one_of(self, field: str, words: Sequence[str]) -> Query:
        """Documents with one of these words; what no document holds is not looked for."""
        held = [word for word in dict.fromkeys(words) if self._holds(field, word)]
        return any_of([term(field, word) for word in held])

    def _holds(self, field: str, word: str) -> bool:
        known = self._frequent.get((field, word))
        if known is None:
            known = self._frequent[field, word] = self.searcher.doc_freq(field, word) > 0
        return known

    def alike(self, word: str) -> Sequence[str] | None:
        """The words of the index one edit away, None where there are too many to try: the engine looks for them, but
        takes ten times as long to read what it found."""
        return self.others(word) if edits_are_few(word) else None

    def _longer(self, field: str, word: str) -> list[str] | None:
        """The words that begin with this one, None for too many to list: the engine walks them more slowly than it
        reads a few."""
        found = self.searcher.terms_with_prefix(field, word, limit=MAX_LONGER + 1)
        if not found:
            found = self.searcher.terms_with_prefix(field, joined(word), limit=MAX_LONGER + 1)
        return None if len(found) > MAX_LONGER else [longer for longer, _ in found]

    def _qualified(self, qualifier: Qualifier, match: Is | Between) -> Query:
        name, key = qualifier.name, qualifier.key
        if isinstance(match, Between):
            return self._between(BY_NAME[name], key or "", match)
        if name == "is":
            return self._state(match.text)
        if BY_NAME[name].match == "person" and match.text:
            return self.one_of("facts", [fact(name, id_) for id_ in self.people.get(match, ())])
        held = [self._valued("facts", fact(f"{name}.{key}" if key is not None else name, match.text), match)]
        if name in FACETS:
            held.append(self._valued(facet_column(name), fold(match.text)[:MAX_VALUE], match))
        return any_of(held)

    def _valued(self, field: str, value: str, match: Is) -> Query:
        return prefix(field, value) if match.prefix else self.one_of(field, [value])

    def _state(self, state: str) -> Query:
        if state == "stale":
            return term_set("registry", sorted(self.stale)) if self.stale else NOTHING
        return term(facet_column("stage"), state)

    def _between(self, row: SearchField, key: str, match: Between) -> Query:
        if row.match == "time":
            return _between_times(row.name, match)
        if row.match == "version":
            return self._halves(VERSION_ORDER, _of_one_kind(match), str)
        return self._halves(number_column(row.name, key), match, decimal)

    def _halves(self, field: str, match: Between, written: Callable[[Any], str]) -> Query:
        """Two half ranges: one with mixed bounds panics. Plain decimals: exponents are not read."""
        halves: list[Query] = []
        for bound, included, sign in (
            (match.low, match.low_included, ">"),
            (match.high, match.high_included, "<"),
        ):
            if bound is not None:
                equal = "=" if included else ""
                halves.append(self.index.parse_query(f"{field}:{sign}{equal}{written(bound)}"))
        return all_of(halves)


def _most(compiler: Compiler, near: Query, slots: Sequence[Slot], count: int) -> Query:
    inside = [(Occur.Should, compiler.clause(slot, "name", reach="own")) for slot in slots]
    return all_of([near, Query.boolean_query(inside, minimum_number_should_match=count)])


def _run(field: str, way: Sequence[str]) -> Query:
    """All these words, next to each other: speech to text is not text to speech."""
    return all_of([*(term(field, word) for word in way), Query.phrase_query(schema(), "phrase", list(way))])


def _phrase(text: str) -> Query:
    words = chunks(text)
    if not words:
        return everything()
    return (
        term("phrase", words[0]) if len(words) == 1 else Query.phrase_query(schema(), "phrase", list(words))
    )


def _of_one_kind(match: Between) -> Between:
    """Versions that are written as SemVer are not compared with others: the first letter of a key tells."""
    kind = str(match.low or match.high)[0]
    high = chr(ord(kind) + 1) if match.high is None else match.high
    return Between(match.low or kind, high, match.low_included, match.high_included)


def _between_times(field: str, match: Between) -> Query:
    low = None if match.low is None else round(float(match.low) * 1e6)
    high = None if match.high is None else round(float(match.high) * 1e6)
    limits = (max(low, 1) if low is not None else 1, min(high, 1 << 62) if high is not None else 1 << 62)
    if limits[0] > limits[1]:
        return NOTHING
    include_low = match.low_included or low is None or low < 1
    return between(field, FieldType.Integer, *limits, include_low, match.high_included)
