"""Running checks without pytest: one result each, gaps accounted for."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from adapters.conformance.check import Check
from adapters.conformance.checks import CHECKS
from adapters.conformance.harness import Gap, Harness
from adapters.conformance.lab import CheckFailed, Lab
from adapters.errors import line_of

Outcome = Literal["passed", "failed", "gap", "closed", "not applicable"]


class GapClosed(AssertionError):
    """A check that is marked as a known gap passes. Remove the mark."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check. `gap`: it failed as its mark says; `closed`: it has a mark and passed (a failure).

    `detail` is one line: why it failed, the gap's reason, or why it does not apply. Times are seconds.
    """

    name: str
    proves: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether this lets the adapter pass."""
        return self.outcome not in ("failed", "closed")


def named(names: Iterable[str] = ()) -> tuple[Check, ...]:
    """The checks with these names, or all. Errors: ValueError for a name nobody knows."""
    wanted = set(names)
    unknown = wanted - {check.name for check in CHECKS}
    if unknown:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    return tuple(check for check in CHECKS if not wanted or check.name in wanted)


def unknown_gaps(harness: type[Harness] | Harness) -> list[str]:
    """Gap marks that name no check: a typing mistake, or a check that was renamed."""
    return sorted(set(harness.gaps) - {check.name for check in CHECKS})


def perform(check: Check, harness: Harness) -> None:
    """Run one check. Raises what it raises; `GapClosed` where a known gap passes; returns for a gap that is one."""
    gap = harness.gaps.get(check.name)
    failure = _failure(check, harness)
    if gap is None and failure is not None:
        raise failure
    if gap is not None and failure is None:
        raise GapClosed(_closed(gap))


def _closed(gap: Gap) -> str:
    return f"marked as a gap ({gap.whose}: {gap.reason}) and passes: remove the mark"


def _failure(check: Check, harness: Harness) -> Exception | None:
    lab = Lab(harness)
    try:
        check.run(lab)
    except Exception as error:
        if where := line_of(error):
            error.add_note(f"at {where}")
        if lab.bad:
            error.add_note(f"a scan gave as bad: {lab.bad[0]}")
        return error
    finally:
        lab.close()
    return None


def run(harness: Harness, names: Iterable[str] = ()) -> Iterator[Result]:
    """Run the named checks, or all, one result as each ends. The harness stays open."""
    for check in named(names):
        yield run_one(check, harness)
    for name in unknown_gaps(harness):
        yield Result(name, "", "closed", "marked as a gap, and no check has this name: remove the mark")


def run_one(check: Check, harness: Harness) -> Result:
    """Run one check. Never raises for what the adapter does."""
    reason = check.not_applicable(harness)
    if reason is not None:
        return Result(check.name, check.proves, "not applicable", reason)
    begin = time.perf_counter()
    failure = _failure(check, harness)
    seconds = time.perf_counter() - begin
    gap = harness.gaps.get(check.name)
    if gap is None:
        outcome: Outcome = "passed" if failure is None else "failed"
        return Result(check.name, check.proves, outcome, describe(failure), seconds)
    if failure is None:
        return Result(check.name, check.proves, "closed", _closed(gap), seconds)
    return Result(check.name, check.proves, "gap", f"{gap.whose}: {gap.reason}", seconds)


def describe(failure: Exception | None) -> str:
    """A failure in one line."""
    if failure is None:
        return ""
    text = " ".join(str(failure).split())[:300]
    said = text if isinstance(failure, CheckFailed) else f"{type(failure).__name__}: {text}"
    return "; ".join([said, *(" ".join(note.split())[:300] for note in getattr(failure, "__notes__", ()))])
