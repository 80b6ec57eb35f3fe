"""Calling an adapter: one call at a time per registry, each with a deadline.

A plugin may hang for ever. A call that passes its deadline is abandoned: its thread is left behind and
counted, and the registry goes on with a new thread. When too many are left behind, the worker restarts
itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeVar

from adapters import AdapterError, TransientError

T = TypeVar("T")


@dataclass(slots=True)
class Abandoned:
    """How many calls were abandoned and have not come back."""

    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, number: int) -> None:
        with self._lock:
            self.count += number


def call(what: str, function: Callable[[], T], *, deadline: float, abandoned: Abandoned) -> T:
    """Run an adapter's function in a thread of its own for at most `deadline` seconds.

    Errors: `AdapterError`; `TransientError` when the deadline passes; whatever else a broken plugin raises
    becomes an `AdapterError` that names only its type, for its text may hold a secret.
    """
    answers: SimpleQueue[tuple[bool, T | BaseException]] = SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            answer: tuple[bool, T | BaseException] = (True, function())
        except BaseException as error:
            answer = (False, error)
        if late.is_set():
            abandoned.add(-1)
        answers.put(answer)

    thread = threading.Thread(target=work, name=f"adapter-{what}", daemon=True)
    thread.start()
    try:
        good, value = answers.get(timeout=deadline)
    except Empty:
        late.set()
        abandoned.add(1)
        message = f"{what} did not come back within {deadline:g} s: the backend or its adapter hangs"
        raise TransientError(message) from None
    if good:
        return value  # type: ignore[return-value]
    assert isinstance(value, BaseException)
    if isinstance(value, AdapterError):
        raise value
    raise AdapterError(
        f"{what} failed in the adapter itself ({type(value).__name__}): report this to its author"
    ) from value
