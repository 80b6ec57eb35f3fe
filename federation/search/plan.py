"""What a query asks for, word by word: the tree with its words split, and with other words for them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from federation.search import language
from federation.search.lexicon import Lexicon
from federation.search.lexicon import Phrase as Words
from federation.search.syntax import AllOf, AnyOf, Everything, Node, Not, Phrase, Qualifier, Word
from federation.search.understanding import COST, LISTED, Reading, understand
from federation.search.words import chunks, fold, parts, spans, squeeze, variants

MIN_TYPO = 4
MIN_PREFIX = 2
MAX_SLOTS = 48
COST_OF_A_WORD = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """One word that must match, in one of several ways, each a run of words that must all be there.

    `open` says that the first way may be the beginning of a longer word; `corrected` that it may have one typo. What it
    was understood as is its `reading`; a version that has these `facts` has what was asked for too.
    """

    ways: tuple[Words, ...]
    own: int = 1
    open: bool = False
    corrected: bool = False
    reading: Reading | None = None
    facts: "PlanNode | None" = None

    @property
    def is_filler(self) -> bool:
        """Whether no version has to have it."""
        return self.reading is not None and self.reading.meaning in ("filler", "sort")

    @property
    def is_guessed(self) -> bool:
        """Whether nobody asked for it in words that are known."""
        return self.reading is not None and self.reading.meaning == "guess"

    @property
    def cost(self) -> int:
        """What leaving it out costs."""
        return COST_OF_A_WORD if self.reading is None else COST[self.reading.meaning]

    @property
    def is_named(self) -> bool:
        """Whether it is a name that only what was understood can answer: `by SAP` means no `SapBERT`."""
        return self.reading is not None and self.reading.meaning == "publisher" and self.reading.is_sure

    @property
    def may_name(self) -> bool:
        """Whether it may be a publisher and may be a word: `von Gesichtern`, `from scratch`."""
        return self.reading is not None and self.reading.meaning == "publisher" and not self.reading.is_sure

    @property
    def apart(self) -> Words:
        """The words that were typed, where they may stand apart: in a name, or in text to speech, they may not."""
        named = self.reading is not None and self.reading.meaning not in LISTED
        return () if len(self.ways[0]) == 1 or named or "to" in self.ways[0] else self.ways[0]

    @property
    def typed(self) -> str:
        """All of what was typed."""
        return " ".join(self.ways[0])

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
class Typed:
    """A request as it was typed, and how it is to be read: `today` dates are seen from; what is in `literal` (folded)
    is words and nothing more, and where it is `exact` everything is. A word at its end is still being typed."""

    text: str
    lexicon: Lexicon
    today: date
    literal: frozenset[str] = field(default=frozenset())
    exact: bool = False


class _TypedWord(NamedTuple):
    word: str
    written: str
    is_open: bool
    start: int


def plan(tree: Node, typed: Typed) -> PlanNode:
    """The tree with its words split, and with their synonyms and what they mean beside them."""
    match tree:
        case Word():
            return _joined(_slots((tree,), typed))
        case AllOf(children):
            return AllPlan(tuple(_planned_run(children, typed)))
        case AnyOf(children):
            return AnyPlan(tuple(plan(child, typed) for child in children))
        case Not(child):
            excluded = plan(child, replace(typed, text=f"{typed.text} ", exact=True))
            return excluded if isinstance(excluded, Everything) else NotPlan(excluded)
        case _:
            return tree


def _planned_run(children: Sequence[Node], typed: Typed) -> Iterator[PlanNode]:
    """Neighbouring words are read together, because what means something may be a phrase."""
    run: list[Word] = []
    for child in children:
        if isinstance(child, Word):
            run.append(child)
            continue
        yield from _slots(tuple(run), typed)
        run = []
        planned = plan(child, typed)
        if isinstance(planned, AllPlan):
            yield from planned.children
        else:
            yield planned
    yield from _slots(tuple(run), typed)


def _joined(slots: Sequence[Slot]) -> PlanNode:
    return slots[0] if len(slots) == 1 else AllPlan(tuple(slots)) if slots else Everything()


def _slots(run: tuple[Word, ...], typed: Typed) -> list[Slot]:
    words = [token for word in run for token in _tokens(word, len(typed.text))]
    folded = [token.word for token in words]
    readings = {one.start: one for one in _readings(run, typed)}
    slots: list[Slot] = []
    at = 0
    while at < len(words) and len(slots) < MAX_SLOTS:
        reading = readings.get(words[at].start)
        taken, _ = typed.lexicon.at(folded, at)
        taken = next((to for to in range(1, taken) if _means(readings.get(words[at + to].start))), taken)
        if reading is not None:
            read = sum(reading.start <= word.start < reading.end for word in words[at:])
            reading, taken = (reading, read) if _means(reading) or read >= taken else (None, taken)
        others = typed.lexicon.others.get(tuple(folded[at : at + taken]), ())
        slots.extend(_slots_of(words[at : at + taken], others, reading))
        at += taken
    return slots


def _means(reading: Reading | None) -> bool:
    return reading is not None and reading.meaning != "filler"


def _tokens(word: Word, length: int) -> Iterator[_TypedWord]:
    pieces = list(spans(word.text))
    for piece in pieces:
        written, end = piece[0], piece.end()
        still_typed = word.end == length and len(written) >= MIN_PREFIX and end == len(word.text)
        is_last = end == pieces[-1].end()
        is_open = is_last and (word.prefix or still_typed)
        yield _TypedWord(fold(written), written, is_open, word.start + piece.start())


def _readings(run: tuple[Word, ...], typed: Typed) -> Iterator[Reading]:
    if not run or typed.exact:
        return
    first = run[0].start
    for one in understand(typed.text[first : run[-1].end], typed.lexicon, typed.today, typed.literal):
        yield replace(one, start=one.start + first, end=one.end + first)


def _slots_of(
    words: Sequence[_TypedWord], others: tuple[Words, ...], reading: Reading | None
) -> Iterator[Slot]:
    facts = _facts(reading.query) if reading and reading.query else None
    beside = (*others, *reading.words) if reading else others
    if len(words) > 1 and (others or facts):
        ways = dict.fromkeys([tuple(token.word for token in words), *beside])
        yield Slot(tuple(ways), reading=reading, facts=facts)
        return
    for word, written, is_open, _ in words:
        ways = dict.fromkeys((variant,) for variant in variants(word))
        pieces = parts(written)
        if len(pieces) > 1 and "".join(pieces) == word:
            ways[pieces] = None
        own = len(ways)
        ways.update(dict.fromkeys(beside))
        yield Slot(tuple(ways), own, open=is_open, reading=reading, facts=facts)


@lru_cache(4_096)
def _facts(query: str) -> PlanNode:
    return plan(language.parse(query), Typed(query, Lexicon(), date.min, exact=True))


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
    known = slot.reading is not None
    return len(slot.ways[0]) == 1 and len(slot.word) >= MIN_TYPO and not slot.word.isdigit() and not known


def taken_apart(node: PlanNode, finds: Callable[[PlanNode], object]) -> PlanNode:
    """The plan in which phrases that find nothing are as many words, and a publisher that may be meant, of whom there
    is nothing, is a word."""
    if isinstance(node, Slot) and node.may_name and node.facts is not None and not finds(node.facts):
        node = replace(node, reading=None, facts=None)
    if isinstance(node, Slot) and node.apart and not finds(node):
        return AllPlan(tuple(Slot(tuple((variant,) for variant in variants(word))) for word in node.apart))
    if not isinstance(node, AllPlan):
        return node
    children = (taken_apart(child, finds) if isinstance(child, Slot) else child for child in node.children)
    return AllPlan(
        tuple(
            one for child in children for one in (child.children if isinstance(child, AllPlan) else (child,))
        )
    )


def with_guess(node: PlanNode, reading: Reading) -> PlanNode:
    """The plan with something besides that was guessed, which has no words of its own."""
    slot = Slot((("",),), reading=reading, facts=_facts(reading.query))
    return AllPlan((*(node.children if isinstance(node, AllPlan) else (node,)), slot))


def wanted(node: PlanNode) -> PlanNode:
    """The plan without its filler words, where it has other ones."""
    if not isinstance(node, AllPlan) or not any(True for slot in slots_of(node) if not slot.is_filler):
        return node
    kept = tuple(child for child in node.children if not (isinstance(child, Slot) and child.is_filler))
    return node if len(kept) == len(node.children) else kept[0] if len(kept) == 1 else AllPlan(kept)


def squeezed_text(node: PlanNode, text: str) -> str:
    """What was typed without separators, where it is nothing but words that must all match."""
    plain = isinstance(node, Slot) or (
        isinstance(node, AllPlan) and all(isinstance(c, Slot) for c in node.children)
    )
    return squeeze(text) if plain else ""
