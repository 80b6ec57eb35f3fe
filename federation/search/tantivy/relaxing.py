"""What of a request is left out where nothing has all of it: the one place that relaxes.

Only words are left out, and what they were understood as: qualifiers, phrases, `-word` and groups stay. Everything is
decided by what is found inside the view.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from federation.search.plan import AllPlan, PlanNode, Slot, slots_of
from federation.search.syntax import Everything
from federation.search.understanding import Meaning

ENOUGH = 10
"""With so many found, nothing more is left out."""
MOST_TRIED, MOST_TAKEN = 48, 8
MOST_LEFT_OUT = 3
"""Of many parts; of up to `FEW` any number is."""
FEW = 7
MIN_TYPO = 7
"""A shorter word is too like others to be taken for one where little else fits."""
FITS = 0.62
"""What holds so much of a request, by what leaving out its parts costs, fits it nearly."""
NEEDED: frozenset[Meaning] = frozenset({"task", "language", "license", "framework", "publisher"})
Counter = Callable[[Sequence[PlanNode]], int]
"""How many documents one of these plans finds in the view, or `ENOUGH` and more."""


def steps(plan: PlanNode, count: Counter) -> tuple[int, ...]:
    """What is demanded in place of all of it, best first: masks of the parts that are kept. Empty where no part of it
    finds anything."""
    slots = list(slots_of(plan))
    found = {index: count([kept(plan, 1 << index)]) for index in range(len(slots))}
    alive = [index for index in found if found[index]]
    taken: list[int] = []
    for tried, mask in enumerate(_masks(slots, alive, found)):
        if tried == MOST_TRIED:
            break
        if taken and fits(plan, taken[0]) > fits(plan, mask):
            break
        if count([kept(plan, mask)]):
            taken.append(mask)
            if len(taken) == MOST_TAKEN or count([kept(plan, one) for one in taken]) >= ENOUGH:
                break
    return tuple(taken)


def kept(plan: PlanNode, mask: int) -> PlanNode:
    """The plan with those of its slots that the mask has, and all that is no slot."""
    if not isinstance(plan, AllPlan):
        return plan
    places = {id(slot): index for index, slot in enumerate(slots_of(plan))}
    children = tuple(
        child for child in plan.children if id(child) not in places or mask >> places[id(child)] & 1
    )
    return children[0] if len(children) == 1 else AllPlan(children)


def without_words(plan: PlanNode) -> PlanNode:
    """All of the plan that is no slot."""
    return Everything() if isinstance(plan, Slot) else kept(plan, 0)


def left_out(plan: PlanNode, mask: int) -> tuple[str, ...]:
    """What the slots were typed as that the mask has not."""
    slots = enumerate(slots_of(plan))
    return tuple(slot.typed for index, slot in slots if not mask >> index & 1 and not slot.is_guessed)


def fits(plan: PlanNode, mask: int) -> bool:
    """Whether what holds the slots of the mask nearly fits the request: it has most of it, and what was asked for by a
    known task, language, licence, framework or publisher."""
    slots = [(index, slot) for index, slot in enumerate(slots_of(plan)) if not slot.is_guessed]
    out = [slot for index, slot in slots if not mask >> index & 1]
    if any(slot.reading is not None and slot.reading.meaning in NEEDED for slot in out):
        return False
    return sum(slot.cost for slot in out) <= (1 - FITS) * sum(slot.cost for _, slot in slots)


def _masks(slots: Sequence[Slot], alive: Sequence[int], found: dict[int, int]) -> Iterator[int]:
    """What may be kept of the parts that find anything, the dearest first; of equal ones what finds less, because it
    says more."""
    most = len(alive) - 1 if len(alive) <= FEW else MOST_LEFT_OUT
    left = [out for size in range(most + 1) for out in combinations(alive, size)]
    left.sort(key=lambda out: (sum(slots[index].cost for index in out), -sum(found[index] for index in out)))
    whole = sum(1 << index for index in alive)
    yield from (whole - sum(1 << index for index in out) for out in left if len(out) < len(alive))
