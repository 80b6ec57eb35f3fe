"""Loops that must not end, and what is told of them."""

import errno
import threading
from collections.abc import Iterator

import pytest

from federation.database import DiskError
from federation.health import DOCTOR, PARTS, SILENT_AFTER, Reports, failure, merge, success
from federation.loops import Loop
from tests.patience import until


class PanicError(BaseException):
    """As an engine in another language raises it."""


@pytest.fixture
def reports() -> Reports:
    return Reports()


def part(reports: Reports, name: str) -> tuple[str, str]:
    [found] = [one for one in merge(reports.all()) if one.name == name]
    return found.state, found.reason


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "no descriptor"), ValueError("odd"), PanicError("panic")]
)
def test_a_loop_goes_on_whatever_its_round_raises(reports: Reports, error: BaseException) -> None:
    failing, rounds = threading.Event(), threading.Semaphore(0)
    failing.set()

    def step() -> None:
        rounds.release()
        if failing.is_set():
            raise error
        threading.Event().wait(0.01)

    loop = Loop("sync", step, reports=reports, part="sync", pause=0.01)
    loop.start()
    try:
        for _ in range(3):
            assert rounds.acquire(timeout=60)
        until(lambda: part(reports, "sync")[0] == "failing")
        assert str(error) in part(reports, "sync")[1]
        failing.clear()
        until(lambda: part(reports, "sync") == ("ok", ""))
    finally:
        loop.stop()
        loop.join(60)


def test_a_loop_that_could_not_begin_begins_later(monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()

    def step() -> None:
        going.set()
        loop.stopped.wait(0.01)

    loop = Loop("intents", step)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused())
        with pytest.raises(RuntimeError):
            loop.start()
    loop.start()
    assert going.wait(60)
    loop.stop()
    loop.join(60)


def refused() -> object:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    return start


def test_the_worst_that_is_said_of_a_part_counts_and_every_reason_is_told_to_operators() -> None:
    found = {
        one.name: one
        for one in merge([success("index"), failure("index", "/data is full"), success("graph")])
    }
    index, graph, clock = found["index"], found["graph"], found["clock"]
    assert (index.state, index.reason, index.people) == (
        "failing",
        "/data is full",
        PARTS["index"].people + DOCTOR,
    )
    assert (graph.state, graph.reason, graph.people) == ("ok", "", "")
    assert (clock.state, clock.last_success_at) == ("unknown", None)
    noted = merge([failure("signing", "3 entries are not signed"), success("signing", "no key is here")])
    [signing] = [one for one in noted if one.name == "signing"]
    assert signing.reason == "3 entries are not signed; no key is here"


def test_a_part_that_a_gateway_has_is_unknown_until_it_is_heard_and_one_that_it_has_not_is_left_out() -> None:
    assert {one.name: one.state for one in merge([])}["redis"] == "unknown"
    assert "redis" not in {one.name for one in merge([], without={"redis"})}


def test_what_has_said_nothing_for_long_is_not_believed_to_be_well() -> None:
    silent = success("worker")
    assert silent.aged(silent.at + SILENT_AFTER).state == "ok"
    aged = silent.aged(silent.at + SILENT_AFTER + 1)
    assert (aged.state, aged.succeeded) == ("failing", silent.succeeded)


def errors() -> Iterator[BaseException]:
    yield from (
        OSError(number, "x") for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
    )
    yield DiskError("the database cannot be used now", "database or disk is full")


@pytest.mark.parametrize("error", list(errors()))
def test_whoever_meets_a_full_disk_tells_of_the_disk(reports: Reports, error: BaseException) -> None:
    reports.failed("index", error)
    assert part(reports, "disk")[0] == part(reports, "index")[0] == "failing"
    reports.failed("index", OSError(errno.EMFILE, "x"))
    reports.well("disk")
    assert part(reports, "disk")[0] == "ok"
