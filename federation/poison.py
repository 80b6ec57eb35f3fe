"""Work at which the worker dies: it is tried again by itself, and set aside when the worker dies there again.

A plugin or a native parser may end the whole process. So what a worker has in hand is written down, outside of the
database, for as long as it lasts; a worker that starts finds what the one before had in hand when it died. Several
pieces may have been in hand and one of them was the cause: each is then done while no other such one is.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from federation.database import EPOCH, now

DEATHS = 2
"""So often the worker may die at a piece of work before it is left alone."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(days=1)
"""How long it is left alone; twice as long after each further death."""
KEPT = timedelta(days=7)
"""How long a death is remembered."""
PATIENCE = 30.0
"""Seconds that a piece of work waits for another at which the worker died."""


class SetAsideError(Exception):
    """The worker died at this work repeatedly: it is left alone for now."""


class InHand:
    """What this worker has in hand, and where its predecessors died. Safe for several threads.

    Without a folder nothing outlives the process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = None if folder is None else folder / "in-hand"
        self._lock, self._alone = threading.Lock(), threading.Lock()
        self._count, self._is_stopping = 0, False
        self._deaths = self._read()

    def recover(self) -> list[str]:
        """Count what a worker before this one had in hand when it died, and return it. Only one worker may be here."""
        if self._folder is None:
            return []
        found: list[str] = []
        with suppress(OSError), self._lock:
            files = sorted(self._folder.glob("*.held"))
            for file in files:
                found += file.read_text().splitlines()
            for work in set(found):
                self._deaths[work] = (self.deaths(work) + 1, now())
            if found:
                self._write()
            for file in files:  # only now: who dies before this counts them again rather than not at all
                file.unlink()
        return found

    def let_go(self) -> None:
        """The worker is to stop: should it have to be killed, it did not die of what it has in hand."""
        self._is_stopping = True
        if self._folder is not None:
            with suppress(OSError), self._lock:
                for file in self._folder.glob(f"{os.getpid()}-*.held"):
                    file.unlink()

    @contextmanager
    def holding(self, *work: str) -> Iterator[None]:
        """Do this work; where a worker died at some of it, while no other such work is done."""
        suspected = any(self.deaths(one) for one in work)
        alone = suspected and self._alone.acquire(timeout=PATIENCE)
        held = self._hold(work)
        try:
            yield
        finally:
            if held is not None:
                with suppress(OSError):
                    held.unlink()
            if alone:
                self._alone.release()

    def deaths(self, work: str) -> int:
        """How often the worker died at this work."""
        return self._deaths.get(work, (0, EPOCH))[0]

    def left_alone_until(self, work: str) -> datetime | None:
        """Until when this work is left alone; None where it may be done."""
        count, last = self._deaths.get(work, (0, EPOCH))
        if count < DEATHS or last > (at := now()):
            return None
        until = last + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - DEATHS, 10))
        return until if until > at else None

    def left_alone(self) -> list[str]:
        """All work that is left alone now."""
        return sorted(work for work in self._deaths if self.left_alone_until(work))

    def forget(self, prefix: str) -> None:
        """Work whose names begin like this went well, or is to be tried anew."""
        with self._lock:
            kept = {work: died for work, died in self._deaths.items() if not work.startswith(prefix)}
            if len(kept) < len(self._deaths):
                self._deaths = kept
                with suppress(OSError):
                    self._write()

    def _hold(self, work: tuple[str, ...]) -> Path | None:
        """Write down what is in hand. It need not survive the machine, and a full disk stops no work."""
        if self._folder is None or self._is_stopping:
            return None
        with self._lock:
            self._count += 1
            file = self._folder / f"{os.getpid()}-{self._count}.held"
        try:
            self._folder.mkdir(exist_ok=True)
            file.write_text("\n".join(work))
        except OSError:
            return None
        return file

    def _read(self) -> dict[str, tuple[int, datetime]]:
        if self._folder is None:
            return {}
        try:
            raw = json.loads((self._folder / "deaths.json").read_text())
            read = {str(work): (int(n), datetime.fromisoformat(last)) for work, (n, last) in raw.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        return {work: died for work, died in read.items() if died[1] > now() - KEPT}

    def _write(self) -> None:
        assert self._folder is not None
        kept = {work: (count, last.isoformat()) for work, (count, last) in self._deaths.items()}
        draft = self._folder / "deaths.draft"
        draft.write_text(json.dumps(kept))
        draft.replace(self._folder / "deaths.json")
