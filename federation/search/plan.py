"""What a query asks for, word by word: the tree with its words split, and with other words for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from federation.search.synonyms import Synonyms
from federation.search.syntax import AllOf, AnyOf, Everything, Node, Not, Phrase, Qualifier, Word
from federation.search.words import chunks, fold, parts, spans, squeeze, variants

MIN_TYPO = 4
MIN_PREFIX = 2
MAX_SLOTS = 48


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


def squeezed_text(node: PlanNode, text: str) -> str:
    """What was typed without separators, where it is nothing but words that must all match."""
    plain = isinstance(node, Slot) or (
        isinstance(node, AllPlan) and all(isinstance(c, Slot) for c in node.children)
    )
    return squeeze(text) if plain else ""
