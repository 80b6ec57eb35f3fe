"""Asking for many things at once, and for fewer where that fails: so one cannot be read, and not a thousand.

A backend's answer may be larger than `max_response_mb`, take longer than `timeout`, or break on one thing of many.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from adapters.errors import AdapterError, TransientError

T = TypeVar("T")
GROW_AFTER = 4
"""So many good answers, and twice as much is asked for again."""
MOST_FAILURES = 20
"""So many things fail by themselves before a backend that breaks is no longer asked for each of the others."""


@dataclass(slots=True)
class Portion:
    """How much one request asks for: half after a failure, twice as much after some good answers, at most `most`."""

    most: int
    size: int = 0
    _good: int = 0

    def __post_init__(self) -> None:
        self.size = self.most

    def read(self, most: int, ask: Callable[[int], T]) -> T:
        """A page of at most `most` rows, and fewer where so many are too much at once. Errors: those of `ask`."""
        while True:
            size = min(most, self.size)
            try:
                page = ask(size)
            except AdapterError as error:
                if not error.divisible or size == 1:
                    raise
                self.failed(size)
                continue
            self.succeeded()
            return page

    def succeeded(self) -> None:
        """A request was answered."""
        self._good += 1
        if self._good >= GROW_AFTER:
            self.size, self._good = min(self.most, 2 * self.size), 0

    def failed(self, asked: int) -> None:
        """A request for so much failed."""
        self.size, self._good = max(1, asked // 2), 0


@dataclass(slots=True)
class Failures:
    """Things of many that could not be read, in a row: each is passed over, until it is the backend itself."""

    in_a_row: int = 0

    def passed_over(self, error: AdapterError) -> str:
        """Why something could not be read. Errors: this one, where what is left would not fare better."""
        if isinstance(error, TransientError):
            self.in_a_row += 1
            if not error.divisible or self.in_a_row > MOST_FAILURES:
                raise error
        return str(error)

    def succeeded(self) -> None:
        """Something was read."""
        self.in_a_row = 0


@dataclass(slots=True)
class Answers(Generic[T]):
    """What was found, by id, and why the others could not be read. An id in neither is not there, or not shown."""

    found: dict[str, T] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def __contains__(self, each: str) -> bool:
        return each in self.found or each in self.failed


def ask_for(
    ids: Sequence[str], portion: Portion, ask: Callable[[Sequence[str]], Mapping[str, T]]
) -> Answers[T]:
    """Ask for all ids, in portions that shrink down to one where a request is too much for the backend or for us.

    Errors: a `TransientError` that no smaller request would mend, such as a backend that cannot be reached.
    """
    answers: Answers[T] = Answers()
    patience, start = MOST_FAILURES, 0
    while start < len(ids):
        some = ids[start : start + portion.size]
        try:
            answers.found.update(ask(some))
            portion.succeeded()
        except AdapterError as error:
            if isinstance(error, TransientError) and not error.divisible:
                raise
            if error.divisible and len(some) > 1:
                portion.failed(len(some))
                continue
            patience -= isinstance(error, TransientError)
            if patience <= 0:
                some = ids[start:]
            answers.failed.update(dict.fromkeys(some, str(error)))
        start += len(some)
    return answers
