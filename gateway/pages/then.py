"""What held a stage or alias on a day, against what holds it now."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.history_out import SpanOut


@dataclass(frozen=True, slots=True)
class ThenAndNow:
    """One stage or alias, with the spans that held it then and those that hold it now."""

    kind: str
    value: str
    then: Sequence[SpanOut]
    now: Sequence[SpanOut]

    @property
    def is_changed(self) -> bool:
        """Whether others hold it now."""
        return {one.ref for one in self.then} != {one.ref for one in self.now}


def then_and_now(then: Sequence[SpanOut], spans: Sequence[SpanOut]) -> list[ThenAndNow]:
    """Every stage and alias of either time: what changed first, stages before aliases."""
    now = [one for one in spans if one.ended_by is None]
    names = dict.fromkeys((one.kind, one.value) for one in (*then, *now))
    found = [
        ThenAndNow(kind, value, *(_holding(kind, value, among) for among in (then, now)))
        for kind, value in names
    ]
    return sorted(found, key=lambda one: (not one.is_changed, one.kind != "stage", one.value))


def _holding(kind: str, value: str, among: Sequence[SpanOut]) -> list[SpanOut]:
    return [one for one in among if (one.kind, one.value) == (kind, value)]
