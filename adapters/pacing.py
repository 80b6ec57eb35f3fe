"""Pacing: who has worked on something large rests before going on, so that others get most of the interpreter.

The threads of a process take turns at its interpreter, whichever registry they work for, and one that parses a large
answer would have half of it. What is ordinary is not paced.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep, thread_time

from adapters.calls import proceed

LARGE = 1 << 20
"""Bytes from which on work is paced: more than twice as many as a page of 1,500 versions has."""
REST = 5
"""A thread rests so many times as long as it worked: five sixths are left to others."""
SHORTEST = 0.002
"""Seconds of the processor. Shorter work is not followed by a rest."""
LOOK = 0.05
"""Seconds of a rest between two looks at whether it is still wanted."""


@contextmanager
def paced(stopping: Callable[[], bool] = bool) -> Iterator[None]:
    """The block works on one large thing; a rest follows it, until `stopping`. Errors: those of `rest`."""
    began = thread_time()
    try:
        yield
    finally:
        rest(began, stopping)


def rest(began: float, stopping: Callable[[], bool] = bool) -> None:
    """Rest from work that this thread began at `began` of `thread_time`, until `stopping`.

    Errors: `TransientError` where the call of an adapter that it is part of was given up, or its time is over.
    """
    worked = thread_time() - began
    left = REST * worked if worked >= SHORTEST else 0.0
    while left > 0 and not stopping():
        step = min(left, LOOK, proceed())
        sleep(step)
        left -= step
