"""The blast radius as a tree for a terminal: by path while it is small, by team when it is not. Pure data."""

from dataclasses import dataclass, field

from federation.graph.answers import Affected, ImpactAnswer, TeamCounts

FOLD_ABOVE = 20
"""More affected versions than this are folded by team."""
SHOWN_PER_TEAM = 3


@dataclass(slots=True)
class Branch:
    """One line. Exactly one of `item` and `team` is set, but for the root and for selectors on the way."""

    text: str
    item: Affected | None = None
    team: TeamCounts | None = None
    branches: list["Branch"] = field(default_factory=list)


def tree(answer: ImpactAnswer) -> Branch:
    """The answer's first page as a tree under its subject."""
    root = Branch(answer.ref)
    if answer.counts.affected > FOLD_ABOVE or answer.counts.affected > len(answer.affected):
        root.branches = [_team(counts, answer) for counts in answer.by_team]
        return root
    known = {"": root}
    items = {item.ref: item for item in answer.affected}
    for item in sorted(answer.affected, key=lambda item: item.distance):
        _place(known, [*item.via, item.ref], items)
    return root


def _place(known: dict[str, Branch], path: list[str], items: dict[str, Affected]) -> None:
    parent = known[""]
    for ref in path:
        if ref not in known:
            known[ref] = Branch(ref, items.get(ref))
            parent.branches.append(known[ref])
        parent = known[ref]


def _team(counts: TeamCounts, answer: ImpactAnswer) -> Branch:
    branch = Branch(counts.team, team=counts)
    mine = [item for item in answer.affected if item.team == counts.team][:SHOWN_PER_TEAM]
    branch.branches = [Branch(item.ref, item) for item in mine]
    return branch
