"""Calling an adapter: one call at a time per registry, each with a deadline.

A plugin may hang for ever. A call that passes its deadline is abandoned: it is told so, its thread is left behind and
counted, and the registry goes on with another thread. Until it has come back it may still write, so nothing is
concluded from its silence. When too many are left behind, the worker restarts itself. The threads of calls that came
back make the next ones, because a new thread costs more than a call does.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from adapters import AdapterError, Call, TransientError, UnderWayError, line_of, making
from federation import spans

T = TypeVar("T")
REST = 10.0
"""Seconds after which a thread that is asked for nothing ends."""
SHORTEST = 0.01
LOOK_EVERY = 0.2
"""Seconds from one look at whether to stop to the next."""


class StoppedError(Exception):
    """The worker is stopping: what it is at goes on, where it is, at the next start."""


class AbandonedError(UnderWayError):
    """A call passed its deadline. `call` says whether it has come back since."""

    def __init__(self, message: str, call: Call) -> None:
        super().__init__(message)
        self.call = call


@dataclass(slots=True)
class Abandoned:
    """How many calls were abandoned and have not come back, and the threads of calls that did."""

    count: int = 0
    _resting: list["_Caller"] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, number: int) -> None:
        with self._lock:
            self.count += number

    def take(self) -> "_Caller":
        """A thread that has nothing to do."""
        with self._lock:
            if self._resting:
                return self._resting.pop()
        caller = _Caller(self)
        threading.Thread(target=caller.run, name="adapter", daemon=True).start()
        return caller

    def rest(self, caller: "_Caller") -> None:
        """Give a thread back."""
        with self._lock:
            self._resting.append(caller)

    def let_go(self, caller: "_Caller") -> bool:
        """Whether a thread that rested for long may end; not one that was taken at this moment."""
        with self._lock:
            is_resting = caller in self._resting
            if is_resting:
                self._resting.remove(caller)
            return is_resting


def call_each(
    calls: Sequence[tuple[str, Callable[[], T]]],
    *,
    deadline: float,
    abandoned: Abandoned,
    stopping: Callable[[], bool] = bool,
) -> list[T | AdapterError]:
    """What each of some functions of an adapter, with its name, returned or raised: made in turn in a thread beside
    ours, each for at most `deadline` seconds; then it is an `AbandonedError`. Whatever else a broken plugin raises
    becomes an `AdapterError` that names only its type, for its text may hold a secret.

    After a `TransientError` no more is called: then there are fewer answers than functions. Errors: `StoppedError`
    as soon as `stopping` says so; what is on its way is given up.
    """
    if not calls:
        return []
    asked, left = _CallsUnderWay(calls, deadline), deadline
    caller = abandoned.take()
    caller.inbox.put(asked)
    while left > 0:
        try:
            asked.ended.get(timeout=min(left, LOOK_EVERY))
        except Empty:
            left = 0.0 if stopping() and asked.give_up() else asked.left()
        else:
            abandoned.rest(caller)
            return asked.answers
    abandoned.add(1)
    if stopping():
        raise StoppedError
    what = calls[len(asked.answers)][0]
    message = f"{what} did not come back within {deadline:g} s: the backend or its adapter hangs"
    return [*asked.answers, AbandonedError(message, asked.call)]


@dataclass(slots=True, eq=False)
class _CallsUnderWay(Generic[T]):
    """Calls on their way, and what came back so far."""

    calls: Sequence[tuple[str, Callable[[], T]]]
    deadline: float
    """Seconds each may take."""
    answers: list[T | AdapterError] = field(default_factory=list)
    ended: SimpleQueue[None] = field(default_factory=SimpleQueue)
    call: Call = field(init=False)
    """The one that is being made."""
    parent: spans.Parent = field(default_factory=spans.here)
    _is_over: bool = False
    _is_late: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.call = self._next()

    def left(self) -> float:
        """Seconds that the call at hand still has; with none left, what comes back now comes too late."""
        with self._lock:
            seconds = max(self.call.deadline - time.monotonic(), SHORTEST if self._is_over else 0.0)
            self._is_late = self.call.is_given_up = seconds <= 0
            return seconds

    def give_up(self) -> bool:
        """Wait no longer; False where all of them are back."""
        with self._lock:
            self._is_late = self.call.is_given_up = not self._is_over
            return self._is_late

    def make(self) -> bool:
        """Make them. False when the answer comes too late."""
        for what, function in self.calls:
            threading.current_thread().name = f"adapter-{what}"
            registry, _, name = what.partition(": ")
            with (
                making(self.call),
                spans.span("adapter call", self.parent, registry=registry, call=name) as span,
            ):
                answer = _made(what, function)
                if isinstance(answer, AdapterError):
                    span.fail(answer)
            with self._lock:
                if self._is_late:
                    return False
                self.call = self._next()
                self.answers.append(answer)
                if isinstance(answer, TransientError):
                    break
        with self._lock:
            self._is_over = True
            return not self._is_late

    def _next(self) -> Call:
        return Call(time.monotonic() + self.deadline)


@dataclass(slots=True, eq=False)
class _Caller:
    """A thread that makes calls for one after another, until some come too late."""

    abandoned: Abandoned
    inbox: SimpleQueue[_CallsUnderWay[Any]] = field(default_factory=SimpleQueue)

    def run(self) -> None:
        while True:
            try:
                asked = self.inbox.get(timeout=REST)
            except Empty:
                if self.abandoned.let_go(self):
                    return
                continue
            if not asked.make():
                self.abandoned.add(-1)
                return
            asked.ended.put(None)
            del asked  # nothing of a call lives on while its thread rests


def _made(what: str, function: Callable[[], T]) -> T | AdapterError:
    """What a function returned or raised."""
    try:
        return function()
    except AdapterError as error:
        return error
    except BaseException as error:
        where = line_of(error)
        name = f"{type(error).__name__}, {where}" if where else type(error).__name__
        broken = AdapterError(f"{what} failed in the adapter itself ({name}): report this to its author")
        broken.__cause__ = error
        return broken
