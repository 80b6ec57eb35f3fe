"""Calls of adapters: what came back, what hangs, and which threads make them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from adapters import AdapterError, NotFoundError, TransientError
from federation.registries.calls import Abandoned, StoppedError, call_each
from tests.patience import until

T = TypeVar("T")
PATIENCE = 30.0


@pytest.fixture
def hanging() -> Iterator[Callable[[], str]]:
    """A call that hangs until the test is over."""
    over = threading.Event()
    yield lambda: "late" if over.wait(PATIENCE) else "never"
    over.set()


def call(what: str, function: Callable[[], T], **limits: Any) -> T:
    """What one call returns, or raises."""
    (answer,) = call_each([(what, function)], **limits)
    if isinstance(answer, AdapterError):
        raise answer
    return answer


def name() -> str:
    """The thread that makes this call."""
    return str(threading.get_ident())


def test_a_thread_that_came_back_makes_the_next_call() -> None:
    abandoned = Abandoned()
    made = {call("r: get", name, deadline=PATIENCE, abandoned=abandoned) for _ in range(20)}
    assert len(made) == 1
    assert made != {name()}


def test_a_call_that_hangs_is_left_behind_and_counted_until_it_comes_back() -> None:
    abandoned, over = Abandoned(), threading.Event()
    with pytest.raises(TransientError, match=r"r: get did not come back within 0.05 s"):
        call("r: get", lambda: over.wait(PATIENCE), deadline=0.05, abandoned=abandoned)
    assert abandoned.count == 1
    assert call("r: get", lambda: "well", deadline=PATIENCE, abandoned=abandoned) == "well"
    over.set()
    until(lambda: abandoned.count == 0)
    assert call("r: get", lambda: "again", deadline=PATIENCE, abandoned=abandoned) == "again"


def test_what_an_adapter_raises_arrives_and_what_is_broken_tells_no_secret() -> None:
    def absent() -> None:
        raise NotFoundError("no such model")

    def broken() -> None:
        raise ValueError("password")

    with pytest.raises(NotFoundError, match="no such model"):
        call("r: get", absent, deadline=PATIENCE, abandoned=Abandoned())
    with pytest.raises(AdapterError) as raised:
        call("r: get", broken, deadline=PATIENCE, abandoned=Abandoned())
    where = f"test_calls.py, line {broken.__code__.co_firstlineno + 1}, in broken"
    said = f"r: get failed in the adapter itself (ValueError, {where}): report this to its author"
    assert str(raised.value) == said


def test_calls_are_made_in_turn_until_one_fails_for_now(hanging: Callable[[], str]) -> None:
    abandoned, made = Abandoned(), list[str]()

    def absent() -> str:
        raise NotFoundError("no such model")

    def away() -> str:
        raise TransientError("away")

    def note(value: str) -> Callable[[], str]:
        def noted() -> str:
            made.append(value)
            return value

        return noted

    def answers(*calls: Callable[[], str], deadline: float = PATIENCE) -> list[str]:
        named = [(f"r: {number}", one) for number, one in enumerate(calls)]
        return [str(one) for one in call_each(named, deadline=deadline, abandoned=abandoned)]

    assert answers() == []
    assert answers(note("a"), absent, note("b")) == ["a", "no such model", "b"]
    assert answers(note("c"), away, note("never")) == ["c", "away"]
    found = answers(note("d"), hanging, note("never"), deadline=2.0)
    assert (found[0], "r: 1 did not come back" in found[1], len(found)) == ("d", True, 2)
    assert made == ["a", "b", "c", "d"]


def test_each_call_has_the_whole_deadline() -> None:
    pause = threading.Event()
    calls = [("r: get", lambda: pause.wait(0.5))] * 7
    assert call_each(calls, deadline=3.0, abandoned=Abandoned()) == [False] * 7


def test_a_worker_that_stops_waits_for_no_call(hanging: Callable[[], str]) -> None:
    abandoned, asked = Abandoned(), threading.Event()

    def hang() -> str:
        asked.set()
        return hanging()

    with pytest.raises(StoppedError):
        call("r: scan", hang, deadline=PATIENCE, abandoned=abandoned, stopping=asked.is_set)
    assert abandoned.count == 1


def test_what_is_back_when_the_worker_stops_counts() -> None:
    limits = {"deadline": PATIENCE, "abandoned": Abandoned(), "stopping": lambda: True}
    assert call("r: get", lambda: "here", **limits) == "here"
