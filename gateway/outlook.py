"""How this gateway stands: what this process sees, put together with what the others say, as one table."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from federation import schema
from federation.database import DatabaseError, is_embedded, now, require_writable
from federation.health import BUILDING, Part, PartReport, failure, is_of_disk, merge, said, success
from federation.logs import Log
from federation.loops import Loop
from federation.poison import InHand
from gateway.board import read_boards

if TYPE_CHECKING:
    from gateway.waypost import Waypost

log = Log(__name__)
LOOK_EVERY = 2.0
LEFT_ALONE = "work at which the worker died repeatedly is left alone"
PROBE = bytes(65_536)
SET_BACK = 2.0
"""Seconds by which a clock may be put right without a word."""


def table(waypost: "Waypost") -> list[Part]:
    """A row for each part of the gateway. Raises nothing."""
    others = read_boards(waypost.settings.search.path)
    without = frozenset[str]() if waypost.settings.redis.url else {"redis"}
    return merge([*others, *waypost.reports.all(), *look(waypost, signs=bool(others))], without=without)


def look(waypost: "Waypost", *, signs: bool) -> Iterator[PartReport]:
    """What this process sees for itself, now; `signs` as in `standing`. Raises nothing."""
    try:
        found = schema.found(waypost.engine)
        if found == schema.LATEST:
            yield success("database")
            yield from waypost.journal.standing(signs=signs)
        else:
            reason = f"the database has schema {found or 'none'}, this Waypost needs {schema.LATEST}"
            yield failure("database", reason, blocks=True)
    except Exception as error:
        yield failure("database", said(error), blocks=True)
    yield from look_at_files(waypost)
    left_alone = InHand(waypost.settings.search.path).left_alone()
    if left_alone:
        yield failure("worker", f"it died repeatedly at {', '.join(left_alone)}", people=LEFT_ALONE)


def look_at_files(waypost: "Waypost") -> Iterator[PartReport]:
    """Whether index and graph can be read here."""
    for part, follower in (("index", "search"), ("graph", "graph")):
        try:
            if waypost.position(follower) < 0:
                yield failure(part, BUILDING[part], people=BUILDING[part], blocks=True)
            else:
                yield success(part)
        except Exception as error:
            yield failure(part, said(error), blocks=True)


class Outlook:
    """The worker's look at what nobody else looks at: the folders it writes into, the database, the clock."""

    def __init__(self, waypost: "Waypost") -> None:
        self._waypost = waypost
        self._latest: datetime = now()
        self._told = False
        self._loop = Loop("outlook", self._round)

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    def close(self) -> None:
        """Stop looking."""
        self._loop.stop()

    def _round(self) -> None:
        self._waypost.report_as("worker", anew=False)
        self._clock()
        self._disk(self._database())
        self._loop.stopped.wait(LOOK_EVERY)

    def _clock(self) -> None:
        at, reports = now(), self._waypost.reports
        behind = (self._latest - at).total_seconds()
        self._latest = max(self._latest, at)
        if behind > SET_BACK:
            if not self._told:
                log.warning("the clock of this machine was set back", seconds=round(behind))
            self._told = True
            reports.failed("clock", f"it was set back by {behind:,.0f} s")
        else:
            self._told = False
            reports.well("clock")

    def _database(self) -> DatabaseError | None:
        """See that it can be read, and a file of this machine written; the error where not."""
        try:
            schema.found(self._waypost.engine)
            if is_embedded(self._waypost.engine):
                require_writable(self._waypost.engine)
        except DatabaseError as error:
            self._waypost.reports.failed("database", error)
            return error
        self._waypost.reports.well("database")
        return None

    def _disk(self, of_database: DatabaseError | None) -> None:
        """See that every folder takes what is written, as the database must."""
        try:
            for folder in self._folders():
                _write(folder)
        except OSError as error:
            self._waypost.reports.failed("disk", error)
        else:
            if of_database is None or not is_of_disk(of_database):
                self._waypost.reports.well("disk")

    def _folders(self) -> list[Path]:
        settings = self._waypost.settings
        folders = [settings.search.path, settings.audit.key.parent]
        database = self._waypost.engine.url.database
        if is_embedded(self._waypost.engine) and database is not None:
            folders.append(Path(database).parent)
        return list(dict.fromkeys(folder.resolve() for folder in folders))


def _write(folder: Path) -> None:
    """See that the folder takes something: a file without a name, gone at once. Errors: `OSError` that names it."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(PROBE)
    except OSError as error:
        raise type(error)(error.errno, f"{folder} cannot be written: {error.strerror}") from None
