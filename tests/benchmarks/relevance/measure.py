"""How well requests are answered, by kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.benchmarks.relevance.request import NOTHING, JudgedRequest

DEPTH = 20


@dataclass(frozen=True, slots=True)
class RankedNames:
    """The names of the first models found, at most `DEPTH`, also near ones that are set apart; `nothing_fits`: it says
    that none of them is what was asked for."""

    names: Sequence[str]
    nothing_fits: bool

    @classmethod
    def of(cls, names: Sequence[str]) -> "RankedNames":
        """Of a search that says nothing but what it finds."""
        return cls(names, not names)


Find = Callable[[str], RankedNames]


@dataclass(frozen=True, slots=True)
class Quality:
    """Over `requests` requests that have an answer: mean reciprocal rank of the first right model, how often it was
    among the first five and ten, how many pages were empty, and how often it was said wrongly that nothing fits. All
    from 0 to 1."""

    requests: int
    mrr: float
    success_at_5: float
    success_at_10: float
    empty: float
    denied: float


@dataclass(frozen=True, slots=True)
class Report:
    """Quality by kind, and of all together; `told`: the part of the requests without an answer that were told so."""

    kinds: dict[str, Quality]
    overall: Quality
    told: float


def measure(requests: Iterable[JudgedRequest], find: Find) -> Report:
    """Asks them all."""
    asked = [(request, find(request.text)) for request in requests]
    kinds = {request.kind: _Asked() for request, _ in asked if request.kind != NOTHING}
    overall, told = _Asked(), []
    for request, answer in asked:
        if request.kind == NOTHING:
            told.append(answer.nothing_fits)
            continue
        for group in (kinds[request.kind], overall):
            group.append((request, answer))
    named = {kind: _quality(group) for kind, group in kinds.items()}
    return Report(named, _quality(overall), round(sum(told) / max(len(told), 1), 4))


_Asked = list[tuple[JudgedRequest, RankedNames]]


def rank(request: JudgedRequest, answer: RankedNames) -> int | None:
    """Where the first right model stands, from 1; None where there is none."""
    return next((place for place, name in enumerate(answer.names, 1) if name in request.answers), None)


def _quality(asked: _Asked) -> Quality:
    ranks = [rank(request, answer) for request, answer in asked]
    count = max(len(asked), 1)
    return Quality(
        requests=len(asked),
        mrr=round(sum(1 / place for place in ranks if place) / count, 4),
        success_at_5=round(sum(place is not None and place <= 5 for place in ranks) / count, 4),
        success_at_10=round(sum(place is not None and place <= 10 for place in ranks) / count, 4),
        empty=round(sum(not answer.names for _, answer in asked) / count, 4),
        denied=round(sum(answer.nothing_fits for _, answer in asked) / count, 4),
    )
