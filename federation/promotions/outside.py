"""What a promotion asks of others while it waits: backends, probes, commands. Nothing of it is asked in a transaction.

The catalogue is as old as the last run; somebody may have changed the backend since. So the model, the version and
whoever holds the stage are read again before anything is carried out, and everything is judged anew by what was read
then. A gate is asked in the same way. Answers are kept in memory alone: after a restart it is asked again.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters import Key

FRESH_FOR = 30.0
"""Seconds for which an answer is new enough to be judged by."""
ReadNow = Callable[[int, Sequence[Key]], str | None]
"""Reads records of a registry, by its id, into the catalogue. Returns why one of them could not be read."""
AskGate = Callable[[str, str], str | None]
"""Asks a gate, as the policy has it, about a version. Returns why it fails; None: it passes."""

CopyFor = Callable[[int], str | None]
"""Copies the artifact of a promotion into another registry. Returns why it is not there yet."""


class OutsideQuestion(NamedTuple):
    """Something that a promotion asks, and what is called for it; the answer is why not, None: all is well."""

    promotion: int
    about: Hashable
    call: Callable[[], str | None]


@dataclass(slots=True)
class OutsideAnswers:
    """What promotions ask of backends and gates, in threads of its own: nobody waits for an answer here."""

    read: ReadNow
    gate: AskGate
    pool: Executor
    copy: CopyFor = lambda promotion: "nothing is copied here"
    _asked: dict[int, dict[Hashable, tuple[float, Future[str | None]]]] = field(default_factory=dict)
    """By promotion."""

    def lacking(self, question: OutsideQuestion) -> str | None:
        """Why not, empty while nothing is known; None: all is well."""
        known = self._asked.get(question.promotion, {}).get(question.about)
        if known is None or not known[1].done():
            return ""
        if (why := known[1].result()) is not None:
            return why
        return None if time.monotonic() - known[0] <= FRESH_FOR else ""

    def ask(self, questions: Sequence[OutsideQuestion], promotion: int) -> None:
        """Ask what is not being asked; what this promotion does not ask any more is forgotten."""
        before = self._asked.pop(promotion, {})
        for one in questions:
            known = before.get(one.about)
            if known is None or known[1].done():
                known = (time.monotonic(), self.pool.submit(one.call))
            self._asked.setdefault(promotion, {})[one.about] = known
