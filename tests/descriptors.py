"""What this process has open, so that tests which let go of nothing are noticed by name and not by exhaustion."""

import gc
from collections import Counter
from contextlib import suppress
from pathlib import Path

OPEN = Path("/proc/self/fd")
MOST = 150
"""So many descriptors a process of tests may have open between two modules: the servers of the session need some 20."""


def open_files() -> Counter[str]:
    """What is open, by name without its folder; nothing on a system that does not tell."""
    found: Counter[str] = Counter()
    if OPEN.is_dir():
        for entry in OPEN.iterdir():
            with suppress(OSError):  # the folder itself, closed by now
                found[str(entry.readlink()).rpartition("/")[2].partition(":[")[0]] += 1
    return found


def held_too_many() -> str:
    """Which are open, where they are more than a module may leave; empty where all is well. What only the collector
    of garbage would close is closed before it is much: a command that begins takes what there is out of its reach, and
    with it what the one before has left.
    """
    if open_files().total() > MOST:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    found = open_files()
    many = ", ".join(f"{count} × {name}" for name, count in found.most_common(12))
    return f"{found.total()} descriptors are open: {many}" if found.total() > MOST else ""
