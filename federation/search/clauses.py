"""From the tree of a query to the engine's queries: one for everything that matches, and one for each tier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Literal, TypeAlias

import tantivy
from tantivy import FieldType, Occur, Query

from federation.search.queries import (
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
from federation.search.schema import FACETS, MAX_VALUE, OF_REGISTRY, column, fact, schema
from federation.search.synonyms import Synonyms
from federation.search.syntax import AllOf, AnyOf, Between, Everything, Is, Node, Not, Phrase, Qualifier, Word
from federation.search.words import (
    chunks,
    fold,
    joined,
    ordered,
    parts,
    slips,
    slips_are_few,
    spans,
    squeeze,
    variants,
)

TextField: TypeAlias = Literal["name", "near", "all"]
Reach: TypeAlias = Literal["own", "same", "open"]
"""How far a word reaches: its own forms, its synonyms too, longer words that it begins too."""
MIN_TYPO = 4
MIN_PREFIX = 2
MAX_SLOTS = 48
MAX_STEPS = 6
MAX_LONGER = 24
OF_MODEL = frozenset({*OF_REGISTRY, "model"})
"""Qualifiers of which all versions of a model have the same value."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One word that must match, in one of several ways, each a run of words that must all be there.

    `open` says that the first way may be the beginning of a longer word; `corrected` that it may have one typo.
    """

    ways: tuple[tuple[str, ...], ...]
    own: int = 1
    open: bool = False
    corrected: bool = False

    @property
    def word(self) -> str:
        """What was typed."""
        return self.ways[0][0]


PlanNode: TypeAlias = "Everything | Slot | Phrase | Qualifier | NotPlan | AllPlan | AnyPlan"


@dataclass(frozen=True, slots=True)
class NotPlan:
    """What must not match."""

    child: PlanNode


@dataclass(frozen=True, slots=True)
class AllPlan:
    """What must match together."""

    children: tuple[PlanNode, ...]


@dataclass(frozen=True, slots=True)
class AnyPlan:
    """Of which one must match."""

    children: tuple[PlanNode, ...]


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


def plan(tree: Node, synonyms: Synonyms, length: int) -> PlanNode:
    """The tree with its words split, and their synonyms beside them. `length` is that of the text: a word that ends
    there is still being typed."""
    match tree:
        case Word():
            return _joined(_slots((tree,), synonyms, length))
        case AllOf(children):
            return AllPlan(tuple(_planned_run(children, synonyms, length)))
        case AnyOf(children):
            return AnyPlan(tuple(plan(child, synonyms, length) for child in children))
        case Not(child):
            return NotPlan(plan(child, synonyms, -1))
        case _:
            return tree


def _planned_run(children: Sequence[Node], synonyms: Synonyms, length: int) -> Iterator[PlanNode]:
    """Neighbouring words are read together, because a synonym may be a phrase."""
    run: list[Word] = []
    for child in children:
        if isinstance(child, Word):
            run.append(child)
            continue
        yield from _slots(tuple(run), synonyms, length)
        run = []
        planned = plan(child, synonyms, length)
        if isinstance(planned, AllPlan):
            yield from planned.children
        else:
            yield planned
    yield from _slots(tuple(run), synonyms, length)


def _joined(slots: Sequence[Slot]) -> PlanNode:
    return slots[0] if len(slots) == 1 else AllPlan(tuple(slots)) if slots else Everything()


def _slots(run: tuple[Word, ...], synonyms: Synonyms, length: int) -> list[Slot]:
    words: list[tuple[str, str, bool]] = []
    for word in run:
        pieces = [written for _, _, written in spans(word.text)]
        for index, written in enumerate(pieces):
            last = index == len(pieces) - 1
            still_typed = word.end == length and len(written) >= MIN_PREFIX and word.text.endswith(written)
            words.append((fold(written), written, last and (word.prefix or still_typed)))
    folded = [word for word, _, _ in words]
    slots: list[Slot] = []
    at = 0
    while at < len(words) and len(slots) < MAX_SLOTS:
        taken, others = synonyms.at(folded, at)
        slots.extend(_slots_of(words[at : at + taken], others))
        at += taken
    return slots


def _slots_of(words: Sequence[tuple[str, str, bool]], others: tuple[tuple[str, ...], ...]) -> Iterator[Slot]:
    if len(words) > 1 and others:
        yield Slot((tuple(word for word, _, _ in words), *others))
        return
    for word, written, is_open in words:
        ways: dict[tuple[str, ...], None] = dict.fromkeys((variant,) for variant in variants(word))
        pieces = parts(written)
        if len(pieces) > 1 and "".join(pieces) == word:
            ways[pieces] = None
        own = len(ways)
        ways.update(dict.fromkeys(others))
        yield Slot(tuple(ways), own, open=is_open)


def slots_of(node: PlanNode) -> Iterator[Slot]:
    """The slots that every match must fill: those of the top level."""
    if isinstance(node, Slot):
        yield node
    elif isinstance(node, AllPlan):
        for child in node.children:
            if isinstance(child, Slot):
                yield child


def positive_slots(node: PlanNode) -> Iterator[Slot]:
    """Every slot that is not excluded, at whatever depth."""
    match node:
        case Slot():
            yield node
        case AllPlan(children) | AnyPlan(children):
            for child in children:
                yield from positive_slots(child)
        case _:
            return


def phrases(node: PlanNode) -> Iterator[str]:
    """Every phrase that is not excluded."""
    match node:
        case Phrase(text):
            yield text
        case AllPlan(children) | AnyPlan(children):
            for child in children:
                yield from phrases(child)
        case _:
            return


def as_slot(phrase: str) -> Slot:
    """The words of a phrase, to highlight them."""
    return Slot((tuple(chunks(phrase)) or ("",),))


def with_corrections(node: PlanNode, words: frozenset[str]) -> PlanNode:
    """The plan in which these words may have one typo."""
    match node:
        case Slot():
            return replace(node, corrected=node.word in words)
        case AllPlan(children):
            return AllPlan(tuple(with_corrections(child, words) for child in children))
        case AnyPlan(children):
            return AnyPlan(tuple(with_corrections(child, words) for child in children))
        case _:
            return node


def may_be_corrected(slot: Slot) -> bool:
    """A typo is forgiven from four letters on, in words, not in numbers."""
    return len(slot.ways[0]) == 1 and len(slot.word) >= MIN_TYPO and not slot.word.isdigit()


@dataclass(frozen=True, slots=True)
class Compiler:
    """Builds engine queries for one state of the index. `index` is needed for the ranges over JSON numbers, which
    only its parser can make; `stale` are the ids of the registries that are."""

    index: tantivy.Index
    searcher: tantivy.Searcher
    stale: frozenset[int]
    _made: dict[tuple[object, ...], Query] = field(default_factory=dict)
    _frequent: dict[tuple[str, str], bool] = field(default_factory=dict)
    _slips: dict[str, Sequence[str]] = field(default_factory=dict)

    def matching(self, node: PlanNode, text: str) -> Query:
        """Everything that the query finds."""
        found = self._made.get((node, text))
        if found is None:
            query = self.clause(node, "all", reach="open")
            names = self._whole(node, text)
            found = self._made[node, text] = query if names is None else any_of([query, names])
        return found

    def tiers(self, node: PlanNode, text: str) -> Iterator[Tier]:
        """Best first, each made when it is asked for; a hit belongs to the first that it matches. The last one
        matches everything that the query finds and the others do not."""
        if not any(True for _ in positive_slots(node)):
            yield Tier(1.0, "matches", self.matching(node, text), words=False, whole=self._is_of_models(node))
            return
        named = zip(self._name_tiers(node, text), repeat(self._is_of_models(node)))
        others = zip(self._other_tiers(node, text), repeat(False))
        for index, ((why, query), whole) in enumerate(chain(named, others)):
            yield Tier(round(2.0**-index, 9), why, query, whole=whole)

    def _is_of_models(self, node: PlanNode) -> bool:
        """Whether all versions of a model answer it alike, if its words are looked for in names."""
        match node:
            case Everything() | Slot():
                return True
            case Qualifier(name=name):
                return name in OF_MODEL
            case AllPlan(children) | AnyPlan(children):
                return all(map(self._is_of_models, children))
            case NotPlan(child):
                return self.clause(child, "all", reach="same") is NOTHING
            case _:
                return False

    def _other_tiers(self, node: PlanNode, text: str) -> Iterator[tuple[str, Query]]:
        slots = list(slots_of(node))
        near = self.clause(node, "near", reach="open")
        for count in range(len(slots) - 1, max(len(slots) - 1 - MAX_STEPS, 0), -1):
            yield f"{count} of {len(slots)} words in the name", _most(self, near, slots, count)
        yield "in a tag, team, stage or another property", self.clause(node, "near", reach="own")
        yield "in another word for a property", near
        yield "in the description", self.matching(node, text)

    def _name_tiers(self, node: PlanNode, text: str) -> Iterator[tuple[str, Query]]:
        exact = self.clause(node, "name", reach="own")
        squeezed = _squeezed_text(node, text)
        corrected = any(slot.corrected for slot in slots_of(node))
        words = [slot.word for slot in slots_of(node)]
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
        squeezed = _squeezed_text(node, text)
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
        if field == "near":
            return any_of([self._in(slot, "name", reach), self._in(slot, "near", reach)])
        return self._in(slot, field, reach)

    def _in(self, slot: Slot, field: TextField, reach: Reach) -> Query:
        """One way of reading a slot is one query, however often it is asked for, so that tiers which say the same
        can be told by it."""
        ways = slot.ways[: slot.own] if reach == "own" else slot.ways
        words = [word for way in ways if len(way) == 1 for word in (way[0], joined(way[0]))]
        longer: Sequence[str] | None = ()
        if slot.open and reach == "open":
            longer = self._longer(field, slot.word)
        alike = self.alike(slot.word) if slot.corrected else ()
        every = dict.fromkeys([*words, *(longer or ()), *(alike or ())])
        held = tuple(word for word in every if self._holds(field, word))
        runs = tuple(way for way in ways if len(way) > 1 and all(self._holds(field, word) for word in way))
        begins = slot.word if longer is None else None
        wrong = slot.word if alike is None else None
        key = (field, held, runs, begins, wrong)
        found = self._made.get(key)
        if found is None:
            queries = [term(field, word) for word in held]
            queries.extend(all_of([term(field, word) for word in way]) for way in runs)
            queries.extend([] if begins is None else [prefix(field, begins)])
            queries.extend([] if wrong is None else [typo(field, wrong), typo(field, joined(wrong))])
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
        """The words of the index one slip away, None where there are too many to try: the engine looks for them, but
        takes ten times as long to read what it found."""
        if not slips_are_few(word):
            return None
        found = self._slips.get(word)
        if found is None:
            forms = (form for slip in slips(word) for form in (slip, joined(slip)))
            found = self._slips[word] = sorted(form for form in forms if self.searcher.doc_freq("all", form))
        return found

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
            if name in ("created", "updated"):
                return _between_times(name, match)
            return self._between_numbers(
                column({"metric": "m", "param": "p", "tag": "t"}[name], key or ""), match
            )
        if name == "is":
            return self._state(match.text)
        if name in FACETS:
            find = prefix if match.prefix else term
            return any_of([_fact(name, match), find(FACETS[name], fold(match.text)[:MAX_VALUE])])
        return _fact(f"{name}.{key}" if key is not None else name, match)

    def _state(self, state: str) -> Query:
        if state == "stale":
            return term_set("registry", sorted(self.stale)) if self.stale else NOTHING
        return term("stage", state)

    def _between_numbers(self, field: str, match: Between) -> Query:
        """Two half ranges: one with mixed bounds panics. Plain decimals: exponents are not read."""
        halves: list[Query] = []
        for bound, included, sign in (
            (match.low, match.low_included, ">"),
            (match.high, match.high_included, "<"),
        ):
            if bound is not None:
                equal = "=" if included else ""
                halves.append(self.index.parse_query(f"{field}:{sign}{equal}{decimal(bound)}"))
        return all_of(halves)


def _squeezed_text(node: PlanNode, text: str) -> str:
    """What was typed without separators, where it is nothing but words that must all match."""
    plain = isinstance(node, Slot) or (
        isinstance(node, AllPlan) and all(isinstance(c, Slot) for c in node.children)
    )
    return squeeze(text) if plain else ""


def _most(compiler: Compiler, near: Query, slots: Sequence[Slot], count: int) -> Query:
    inside = [(Occur.Should, compiler.clause(slot, "name", reach="own")) for slot in slots]
    return all_of([near, Query.boolean_query(inside, minimum_number_should_match=count)])


def _phrase(text: str) -> Query:
    words = chunks(text)
    if not words:
        return everything()
    return (
        term("phrase", words[0]) if len(words) == 1 else Query.phrase_query(schema(), "phrase", list(words))
    )


def _fact(field: str, match: Is) -> Query:
    wanted = fact(field, match.text)
    return prefix("facts", wanted) if match.prefix else term("facts", wanted)


def _between_times(field: str, match: Between) -> Query:
    low = None if match.low is None else round(match.low * 1e6)
    high = None if match.high is None else round(match.high * 1e6)
    limits = (max(low, 1) if low is not None else 1, min(high, 1 << 62) if high is not None else 1 << 62)
    if limits[0] > limits[1]:
        return NOTHING
    include_low = match.low_included or low is None or low < 1
    return between(field, FieldType.Integer, *limits, include_low, match.high_included)
