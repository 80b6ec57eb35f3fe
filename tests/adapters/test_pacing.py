"""Work on something large is followed by a rest; what is ordinary is not."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from adapters import (
    MOST_BYTES,
    AdapterError,
    BadRecordError,
    Call,
    Key,
    ModelRecord,
    TransientError,
    VersionRecord,
    making,
    pacing,
    writing,
)
from adapters.http import Reply
from federation.catalogue import codec

RECORD = VersionRecord(key=Key("version", "1"), model=Key("model", "m"), version="1")


@dataclass
class Rests:
    """How long was rested. Each look at the clock shows a second more."""

    taken: list[float] = field(default_factory=list)
    whenever: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.whenever()


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> Rests:
    made, ticks = Rests(), count()
    for module in (pacing, writing):
        monkeypatch.setattr(module, "thread_time", lambda: float(next(ticks)))
    monkeypatch.setattr(pacing, "sleep", made.sleep)
    return made


def answer(size: int) -> Reply:
    return Reply(200, {}, b'"' + b"x" * (size - 2) + b'"', "host")


def test_a_large_answer_is_followed_by_a_rest_of_five_times_its_work(rests: Rests) -> None:
    answer(pacing.LARGE).json()
    assert not rests.taken
    answer(pacing.LARGE + 1).json()
    assert sum(rests.taken) == pytest.approx(5.0)
    with pytest.raises(AdapterError):
        replace(answer(pacing.LARGE + 1), body=b"[" * (pacing.LARGE + 1)).json()
    assert sum(rests.taken) == pytest.approx(10.0)


def test_so_is_a_large_etag(rests: Rests) -> None:
    writing.digest("x" * (pacing.LARGE - 2))
    assert not rests.taken
    writing.digest("x" * pacing.LARGE)
    assert sum(rests.taken) == pytest.approx(5.0)


def test_a_large_record_is_followed_by_a_rest(rests: Rests) -> None:
    codec.encode(replace(RECORD, native={"a": "x" * (MOST_BYTES // 2)}))
    assert not rests.taken
    codec.encode(replace(RECORD, native={"a": "x" * MOST_BYTES}))
    assert sum(rests.taken) == pytest.approx(5.0)
    with pytest.raises(BadRecordError):
        codec.encode(replace(RECORD, tags={"a": "x" * MOST_BYTES}))
    assert sum(rests.taken) == pytest.approx(10.0)


def test_a_description_that_is_too_large_is_not_encoded_to_find_out() -> None:
    described = replace(RECORD, description="x" * (MOST_BYTES + 1), native={"a": 1})
    found = codec.encode(described).record
    assert (found.description, found.native) == (None, {"a": 1})
    assert found.unread is not None
    assert found.unread.fields == ("description",)
    model = ModelRecord(key=Key("model", "m"), name="m", description="x" * (MOST_BYTES + 1))
    with pytest.raises(BadRecordError, match="description has"):
        codec.encode(model)


def test_short_work_is_followed_by_none(rests: Rests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "thread_time", lambda: 1.0)
    answer(pacing.LARGE + 1).json()
    assert not rests.taken


def test_a_rest_ends_when_the_worker_stops(rests: Rests) -> None:
    with pacing.paced(lambda: len(rests.taken) == 2):
        pass
    assert len(rests.taken) == 2


def test_a_rest_is_part_of_the_call(rests: Rests) -> None:
    call = Call(deadline=math.inf)
    rests.whenever = lambda: setattr(call, "is_given_up", True)
    with making(call), pytest.raises(TransientError, match="given up"):
        answer(pacing.LARGE + 1).json()
    assert len(rests.taken) == 1
