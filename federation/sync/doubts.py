"""Doubts: what a listing cannot be believed in is asked for, record by record.

A listing may give a record without something that it has (another statement or request of the backend fills it,
and the two did not fit together), and a version whose model it did not give. Unknown is not absent, so `get`
decides; what cannot be asked stays as it is known, and the run says so.
"""

from dataclasses import dataclass, field
from typing import Any

from adapters import AdapterError, BadRecordError, Key, NotFoundError, Record, TransientError
from federation.catalogue.codec import Encoded
from federation.sync.context import CurrentRun

MOST_ASKED = 500
"""Records that a run asks for because it doubts their listing."""


@dataclass(slots=True)
class Doubts:
    """What the transaction of a page left open."""

    lacking: dict[Key, list[str]] = field(default_factory=dict)
    """Records without fields that they had, and which those are."""
    orphans: list[Encoded[Any]] = field(default_factory=list)
    """Versions whose model is not known."""

    def __bool__(self) -> bool:
        return bool(self.lacking or self.orphans)


@dataclass(slots=True)
class DoubtAnswers:
    """What the backend says of what was doubted."""

    records: list[Record] = field(default_factory=list)
    bad: list[BadRecordError] = field(default_factory=list)
    orphans: list[Encoded[Any]] = field(default_factory=list)
    """Versions that are there all the same."""


def ask(this: CurrentRun, doubts: Doubts) -> DoubtAnswers:
    """Ask for what is doubted, as long as this run may. Errors: `AdapterError` for what may pass."""
    answers = DoubtAnswers()
    kept = {key: lost for key, lost in doubts.lacking.items() if not _answered(this, key, answers)}
    if kept:
        lost = sorted({name for names in kept.values() for name in names})
        this.leave_open(
            f"{len(kept)} records came without what they had ({', '.join(lost[:5])}) and could not be asked for: "
            "they stay as known until the next run"
        )
    asked: dict[Key, bool] = {}
    for orphan in doubts.orphans:
        model = orphan.record.model
        if model not in asked:
            before = len(answers.records)
            _answered(this, model, answers)
            asked[model] = len(answers.records) > before
        if asked[model] or _is_there(this, orphan.record.key):
            answers.orphans.append(orphan)
    return answers


def _answered(this: CurrentRun, key: Key, answers: DoubtAnswers) -> bool:
    """Whether the backend says what the record is, or that it is gone; the run's listing of it, or the next, tells."""
    if this.asked >= MOST_ASKED:
        return False
    this.asked += 1
    try:
        answers.records.append(this.call("get", lambda: this.adapter.get(key)))
    except NotFoundError:
        pass
    except BadRecordError as error:
        answers.bad.append(error)
    except TransientError:
        raise
    except AdapterError:
        return False
    return True


def _is_there(this: CurrentRun, key: Key) -> bool:
    """Whether a version without a model is there; who cannot be asked is."""
    answers = DoubtAnswers()
    return not _answered(this, key, answers) or bool(answers.records or answers.bad)
