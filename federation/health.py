"""How the parts of a gateway stand: one table, made of what each of them lately did.

Every process notes in its `Reports` what its parts did last. Whoever is asked how the gateway stands merges the
reports of all processes of this machine with a look at the database into one table (`merge`), so that readiness,
`waypost doctor`, metrics and page say the same. What strangers read of a part is one of a few fixed sentences; why it
is so, with paths and hosts, is a text of its own for operators.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from federation.database import DiskError, UnwritableError, now
from federation.errors import WaypostError

State = Literal["ok", "failing", "unknown"]
WORST: Mapping[State, int] = {"ok": 0, "unknown": 1, "failing": 2}
SILENT_AFTER = 15.0
"""Seconds after which a part that says nothing any more is no longer believed to be well."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
LONGEST_REASON = 300


class About(NamedTuple):
    """What a part does, what everybody may read when it fails, and what an operator does then."""

    does: str
    people: str
    remedy: str


PARTS: Mapping[str, About] = {
    "supervisor": About(
        "starts the worker, and again when it ends",
        "the worker is not watched, or cannot be started",
        "free what it lacks; `waypost serve` started anew makes a new one",
    ),
    "worker": About(
        "synchronises, carries out operations, writes index and graph",
        "the worker does not run: nothing is synchronised or carried out",
        "the log of `waypost serve` says why it ends",
    ),
    "intents": About(
        "writes down what is asked for and has it carried out",
        "what is asked for is not written down or not carried out",
        "see that the database can be written",
    ),
    "sync": About(
        "begins the runs that are due",
        "no run of a registry is begun",
        "see that the database can be written",
    ),
    "signing": About(
        "signs what was written into the audit log",
        "no checkpoint of the audit log is signed any more",
        "`waypost audit witnesses` shows who knows what; `waypost audit resume` goes on where what is missing is lost",
    ),
    "witnesses": About(
        "countersign the checkpoints",
        "a witness does not countersign the checkpoints of the audit log",
        "`waypost audit witnesses`",
    ),
    "index": About(
        "finds versions",
        "the search index is not kept up",
        "see that `search.path` can be written; what is there can be deleted and is made again",
    ),
    "graph": About(
        "knows what depends on what",
        "the dependency graph is not kept up",
        "see that `search.path` can be written; what is there can be deleted and is made again",
    ),
    "events": About(
        "tells what changed, and sends it to webhooks; reads what backends announce",
        "what changes is not told, or what backends announce is not read",
        "see that the database can be written; what is behind is told and read then",
    ),
    "redis": About(
        "wakes other machines, and counts requests for all of them",
        "Redis cannot be heard: other machines look by themselves, every second",
        "see that it runs, and that `redis.url` is right; nothing is lost meanwhile",
    ),
    "database": About(
        "holds catalogue and audit log",
        "the database cannot be used now",
        "see that it runs and has space, and that `database.url` is right",
    ),
    "disk": About(
        "takes what is written",
        "the disk of this machine is full or cannot be written",
        "make room, or give this user the right to write there",
    ),
    "clock": About(
        "tells the time",
        "the clock of this machine was set back, or is behind what is written already",
        "set it by NTP; times of what happens meanwhile are not to be relied on",
    ),
}
"""In the order in which they are shown."""
BUILDING = {
    "index": "the search index is being built",
    "graph": "the dependency graph is being built",
}
"""What everybody reads while there is none."""
UNHEARD = "nothing is heard of it"
DOCTOR = ": `waypost doctor` says why and what to do"


@dataclass(frozen=True, slots=True)
class PartReport:
    """What a part did last, by the clock that only runs forward. `people` and `reason` are empty where all is well.

    `blocks`: requests cannot be answered for it.
    """

    part: str
    state: State
    people: str = ""
    reason: str = ""
    at: float = 0.0
    succeeded: float | None = None
    blocks: bool = False

    def aged(self, at: float) -> "PartReport":
        """The same, when what was said last is too long ago."""
        silent = at - self.at
        if self.state == "failing" or silent <= SILENT_AFTER:
            return self
        reason = f"nothing is heard of it for {silent:.0f} s"
        return failure(self.part, reason, succeeded=self.succeeded, at=self.at)


@dataclass(frozen=True, slots=True)
class Part:
    """A row of the table. `people` is for everybody, `reason` for operators; both are empty where it is ok."""

    name: str
    state: State
    people: str
    reason: str
    last_success_at: datetime | None
    blocks: bool

    @property
    def remedy(self) -> str:
        return "" if self.state == "ok" else PARTS[self.name].remedy


def success(part: str, reason: str = "") -> PartReport:
    """A part did what it is there for; `reason` is told to operators where another report says that it fails."""
    moment = time.monotonic()
    return PartReport(part, "ok", reason=reason, at=moment, succeeded=moment)


def failure(
    part: str,
    reason: str,
    *,
    people: str = "",
    succeeded: float | None = None,
    at: float | None = None,
    blocks: bool = False,
) -> PartReport:
    """A part cannot do what it is there for; `reason` is for operators."""
    moment = time.monotonic() if at is None else at
    line = " ".join(reason.split())[:LONGEST_REASON]
    told = (people or PARTS[part].people) + DOCTOR
    return PartReport(part, "failing", told, line, moment, succeeded, blocks)


@dataclass(slots=True)
class Reports:
    """What the parts of one process lately did. `changed` is called after every note; safe for many threads.

    Where several loops do the work of one part, each reports `by` its name: success of one hides no failure of another.
    """

    changed: Callable[[Iterable[PartReport]], None] = lambda _reports: None
    _last: dict[tuple[str, str], PartReport] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def well(self, part: str, reason: str = "", *, by: str = "") -> None:
        """The part did what it is there for; `reason` as in `success`."""
        self._note(success(part, reason), by)

    def failed(self, part: str, error: BaseException | str, *, people: str = "", by: str = "") -> None:
        """The part could not; where the cause is a disk that takes nothing, that is told of the disk too."""
        known = self._last.get((part, by))
        succeeded = None if known is None else known.succeeded
        self._note(failure(part, said(error), people=people, succeeded=succeeded), by)
        if part != "disk" and isinstance(error, BaseException) and is_of_disk(error):
            self.failed("disk", error)

    def all(self) -> list[PartReport]:
        """The last report of each part, by each who reports it."""
        with self._lock:
            return list(self._last.values())

    def _note(self, report: PartReport, by: str) -> None:
        with self._lock:
            self._last[report.part, by] = report
            self.changed(self._last.values())


def merge(reports: Iterable[PartReport], *, without: Set[str] = frozenset()) -> list[Part]:
    """One row for each part: the worst that is said of it. What nobody speaks of is unknown.

    `without` are parts that this gateway does not have.
    """
    at, present = time.monotonic(), now()
    found: dict[str, list[PartReport]] = {name: [] for name in PARTS}
    for report in reports:
        found[report.part].append(report.aged(at))
    return [_row(name, said_of, at, present) for name, said_of in found.items() if name not in without]


def _row(name: str, reports: list[PartReport], at: float, present: datetime) -> Part:
    worst = max(reports, key=_badness, default=PartReport(name, "unknown", UNHEARD, UNHEARD))
    when = None
    if worst.succeeded is not None:
        when = present - timedelta(seconds=max(0.0, at - worst.succeeded))
    reason = ""
    if worst.state != "ok":
        reason = "; ".join(dict.fromkeys(one.reason for one in (worst, *reports) if one.reason))
    return Part(name, worst.state, worst.people, reason, when, any(one.blocks for one in reports))


def _badness(report: PartReport) -> tuple[bool, int, float]:
    """Of two that are well the one counts whose success is longer ago."""
    return report.blocks, WORST[report.state], -(report.succeeded or 0.0)


def said(error: BaseException | str) -> str:
    """An error in one line for operators."""
    if isinstance(error, WaypostError):
        return error.whole
    return str(error) or type(error).__name__


def is_of_disk(error: BaseException) -> bool:
    """Whether a write failed because the disk is full, broken or read-only."""
    return isinstance(error, DiskError | UnwritableError) or (
        isinstance(error, OSError) and error.errno in NO_SPACE
    )
