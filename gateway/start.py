"""How a process starts, and a short one ends, without looking for garbage where there is none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

UNUSABLE = 78
"""The exit code of a worker that found what only whoever runs the gateway can mend: as in sysexits.h."""


@contextmanager
def starting() -> Iterator[None]:
    """While modules are imported and the application is built, collect no garbage.

    That makes a quarter of a million objects, all of which stay: looking through them each time there are more, and
    once again when the interpreter ends, takes a third of a command's time, and a seventh of a server's start.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
