"""A request: what somebody typed, and which models answer it."""

from dataclasses import dataclass

NOTHING = "nothing answers"
"""The kind of the requests that no model answers."""


@dataclass(frozen=True, slots=True)
class JudgedRequest:
    """`answers` are the names of the models that are right, of which one is enough; none where nothing answers it.

    `number` decides: odd ones are for tuning, even ones only for reporting.
    """

    number: int
    kind: str
    text: str
    answers: frozenset[str]

    @property
    def for_reporting(self) -> bool:
        return self.number % 2 == 0
