"""One operation while it is carried out: what it wants, what was there before it wrote, and what of it was made."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row

from adapters import BadRecordError, Call, Key, Record
from federation import spans
from federation.catalogue import codec
from federation.logs import Log
from federation.operations.outcome import Outcome
from federation.operations.wanted import MOST_SHOWN, Wanted, from_json, held, parts, shown, without

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Something that may still be writing: a call that nobody waits for any more, or what a backend is at by itself,
    which is given as long again as the call had.
    """

    until: float
    call: Call | None = None

    def is_over(self) -> bool:
        """Whether it can write no more."""
        return time.monotonic() > self.until if self.call is None else self.call.is_over


@dataclass(slots=True)
class Job:
    """One operation while it is carried out."""

    row: Row[Any]
    wanted: Wanted
    key: Key
    outcome: Outcome
    seen: Record | None = None
    to_send: bool = False

    @classmethod
    def of(cls, row: Row[Any]) -> "Job":
        """The job that a row is."""
        return cls(row, from_json(row.wanted), Key(row.target_kind, row.native_id), Outcome(row))

    @property
    def was_sent(self) -> bool:
        """Whether a call was begun before, so that nobody knows what became of it."""
        return bool(self.row.state != "queued")

    @property
    def before(self) -> Mapping[str, str | None]:
        """What stood, when this was first sent, where it writes."""
        if self.was_sent and self.row.before is not None:
            found: dict[str, str | None] = msgspec.json.decode(self.row.before)
            return found
        return {} if self.seen is None else held(self.wanted, self.seen)

    @property
    def refusal(self) -> str | None:
        """Why it is not sent, whatever the backend holds: the step before it in its plan was not made."""
        if self.row.follows is None or self.row.came_before == "ok":
            return None
        return f"the step before it (operation {self.row.follows}) was not made"

    @property
    def changed(self) -> str | None:
        """What is not as the plan said that was shown, where one was: before it is sent."""
        if self.row.before is None or self.seen is None:
            return None
        shown, there = msgspec.json.decode(self.row.before), held(self.wanted, self.seen)
        others = [name for name, value in shown.items() if there.get(name) != value]
        found = [f"{name} is {there.get(name)!r}, not {shown[name]!r}" for name in others[:MOST_SHOWN]]
        return "; ".join(found) or None

    def read_back(self, record: Record) -> None:
        """What is there after it was sent: where it writes it is ours, everything else is what others did."""
        self.outcome.before = encoded(without(self.wanted, record, self.before))
        self.outcome.after = [each for each in (encoded(record),) if each is not None]

    def conclude(self, record: Record, why: str) -> None:
        """End it by what is there now: made in part, or not at all."""
        made, missing = parts(self.wanted, self.before, record)
        if made and missing:
            self.outcome.part(f"{why}; made: {shown(made)}; not made: {shown(missing)}")
        else:
            self.outcome.fail(why)

    @property
    def etag(self) -> str | None:
        """What the backend is to compare with when this is sent."""
        asked: str | None = self.row.etag
        return getattr(self.seen, "etag", None) if asked is None or self.was_sent else asked


def encoded(record: Record) -> Any:
    """The record as the catalogue takes it; None where it cannot, which the next sync reports."""
    try:
        return codec.encode(record)
    except BadRecordError as error:
        log.warning("a record that was read back cannot be understood", error=str(error)[:200])
        return None


@contextmanager
def traced(registry: str, jobs: Sequence[Job]) -> Iterator[None]:
    """A span for each operation, for as long as the block takes it further."""
    begun = [
        spans.begin("operation", registry=registry, kind=job.row.kind, operation=str(job.row.id))
        for job in jobs
    ]
    try:
        yield
    finally:
        for span, job in zip(begun, jobs, strict=True):
            span.note(state=job.outcome.state)
            if job.outcome.state in ("failed", "partial"):
                span.fail(job.outcome.state)
            span.end()
