"""Who must agree, and who did: quorums of different people.

Within one policy a person counts for one quorum only, whichever leaves most of them met: two out of the approvers and
one of the legal department are three people. Policies are independent: one approval counts for each of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Need:
    """So many different people out of these, as a policy asks; `given` are those that count."""

    policy: str
    count: int
    among: tuple[str, ...]
    given: tuple[str, ...] = ()
    label: str = ""
    """What is said in place of who it is from."""
    could: tuple[str, ...] = ()
    """What those are called who could still agree, as far as people are known."""

    @property
    def whom(self) -> str:
        """Whom it is from, in words."""
        return self.label or ", ".join(self.among)

    @property
    def is_met(self) -> bool:
        """Whether enough agreed."""
        return len(self.given) >= self.count


def assign(candidates: Sequence[Collection[str]], counts: Sequence[int]) -> list[list[str]]:
    """People for quorums: `candidates` are those that may count for each, `counts` how many each needs. Nobody counts
    twice, and as many as possible are placed.
    """
    slots = [number for number, count in enumerate(counts) for _ in range(count)]
    holder: dict[str, int] = {}

    def place(slot: int, tried: set[str]) -> bool:
        for person in sorted(candidates[slots[slot]]):
            if person in tried:
                continue
            tried.add(person)
            if person not in holder or place(holder[person], tried):
                holder[person] = slot
                return True
        return False

    for slot in range(len(slots)):
        place(slot, set())
    found: list[list[str]] = [[] for _ in counts]
    for person, slot in sorted(holder.items()):
        found[slots[slot]].append(person)
    return found


def met(needs: Sequence[Need], counting: Mapping[str, Sequence[Collection[str]]]) -> Iterator[Need]:
    """The needs, each with those who agreed. `counting`: of each policy the people that may count for each of its
    needs, in order.
    """
    for policy in dict.fromkeys(need.policy for need in needs):
        mine = [need for need in needs if need.policy == policy]
        placed = assign(counting[policy], [need.count for need in mine])
        for need, people in zip(mine, placed, strict=True):
            yield replace(need, given=tuple(people))
