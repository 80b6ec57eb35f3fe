"""How a process starts, and a short one ends, without looking for garbage where there is none."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""So many objects more than are gone again are made before garbage is looked for among them."""
HAND_OVER = 0.0005
"""Seconds for which a busy thread keeps the interpreter while another waits for it. With Python's 5 ms a backend that
keeps one thread busy delayed a run of another registry by 5 ms for each of its some 200 waits.
"""
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


def share_the_interpreter() -> None:
    """Let threads take turns soon: what a worker does for one registry holds up neither what it reads ahead for that
    one nor another's run.
    """
    sys.setswitchinterval(HAND_OVER)


def settle() -> None:
    """What there is by now stays for good: no garbage is looked for in it, and rarely in what comes.

    To look through the modules took a fifth of a sync's time. Of a page of records, thousands of objects that all live
    until it is written, Python would look through the newest 700 each time: a tenth of the time of taking it in.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
