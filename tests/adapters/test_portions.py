"""What is asked for many at once is asked for fewer where that fails, down to one."""

from collections.abc import Sequence

import pytest

from adapters.errors import AdapterError, AuthError, InvalidError, TransientError
from adapters.portions import MOST_FAILURES, Portion, ask_for

IDS = [f"r{number}" for number in range(200)]


class Backend:
    """Answers at most `room` at once, and never for those in `broken`."""

    def __init__(
        self, room: int = 1000, broken: Sequence[str] = (), error: AdapterError | None = None
    ) -> None:
        self.room, self.broken = room, set(broken)
        self.error = error or InvalidError("too large", divisible=True)
        self.asked: list[int] = []

    def ask(self, ids: Sequence[str]) -> dict[str, str]:
        self.asked.append(len(ids))
        if len(ids) > self.room or self.broken.intersection(ids):
            raise self.error
        return {each: each for each in ids}


def test_one_request_is_enough_where_all_goes_well() -> None:
    backend = Backend()
    assert ask_for(IDS, Portion(1000), backend.ask).found == {each: each for each in IDS}
    assert backend.asked == [200]


@pytest.mark.parametrize("room", [1, 3, 50, 199])
def test_answers_that_are_too_large_are_asked_for_in_smaller_portions(room: int) -> None:
    backend = Backend(room)
    answers = ask_for(IDS, Portion(1000), backend.ask)
    assert (list(answers.found), answers.failed) == (IDS, {})
    wasted = sum(size > room for size in backend.asked)
    assert wasted <= 10 + len(backend.asked) / 4


def test_what_fails_alone_is_unread_and_the_others_are_found() -> None:
    backend = Backend(broken=["r7", "r8", "r150"])
    answers = ask_for(IDS, Portion(1000), backend.ask)
    assert answers.failed == dict.fromkeys(["r7", "r8", "r150"], "too large")
    assert answers.found.keys() == set(IDS) - answers.failed.keys()


def test_a_portion_is_remembered() -> None:
    portion, backend = Portion(1000), Backend(40)
    ask_for(IDS, portion, backend.ask)
    backend.asked.clear()
    ask_for(IDS[:20], portion, backend.ask)
    assert backend.asked == [20]


def test_a_backend_that_breaks_always_is_not_asked_for_each() -> None:
    backend = Backend(0, error=TransientError("answered 500", divisible=True))
    answers = ask_for([f"r{number}" for number in range(10_000)], Portion(1000), backend.ask)
    assert len(answers.failed) == 10_000
    assert len(backend.asked) < 20 * MOST_FAILURES


def test_what_no_smaller_request_would_mend_is_not_divided() -> None:
    denied = Backend(0, error=AuthError("permission missing"))
    assert ask_for(IDS, Portion(50), denied.ask).failed == dict.fromkeys(IDS, "permission missing")
    assert denied.asked == [50, 50, 50, 50]
    with pytest.raises(TransientError, match="cannot be connected"):
        ask_for(IDS, Portion(50), Backend(0, error=TransientError("cannot be connected to")).ask)


def test_a_page_is_as_large_as_it_may_be() -> None:
    def ask(size: int) -> int:
        if size > 12:
            raise InvalidError("too large", divisible=True)
        return size

    portion = Portion(1000)
    assert portion.read(100, ask) == 12
    assert [portion.read(100, ask) for _ in range(3)] == [12, 12, 12]
    with pytest.raises(InvalidError, match="too large"):
        Portion(1000).read(1, lambda size: ask(100))
