"""What the first process of a gateway does: listen, alone, and keep a worker going."""

import errno
import fcntl
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from federation.health import Reports, failure, merge, success
from gateway.board import Board, meeting_place, read_boards
from gateway.demo.servers import Server
from gateway.processes import ListenError, WorkerProcess, listen
from gateway.wake import Wake
from tests.gateway.served import Served, served
from tests.patience import PATIENCE, until
from tests.servers.cable import Cable

HEART = "import os, sys; os.write(int(sys.argv[-1]), b'.'); sys.stdin.read()"


def test_a_port_is_listened_at_by_one_gateway_alone_and_the_other_one_is_told_which_it_is() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}: another process listens there"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()  # given back, it is free at once


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:8080.*server\.host"):
        listen("192.0.2.1", 8080)


def descriptors() -> set[tuple[str, str]]:
    """What this process has open: each descriptor's number and what it leads to."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that reads this folder
            found.add((each.name, str(each.readlink())))
    return found


def test_a_worker_that_could_not_be_started_is_started_when_that_is_possible_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    before = descriptors()
    start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def scarce(command: list[str], **chosen: Any) -> subprocess.Popen[bytes]:
        tried.append(len(descriptors() - before))
        if len(tried) < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return start([sys.executable, "-c", HEART, command[-1]], **chosen)

    monkeypatch.setattr(subprocess, "Popen", scarce)
    worker = WorkerProcess(tmp_path / "waypost.toml")

    def states() -> dict[str, str]:
        return {one.name: one.state for one in merge(worker.reports.all())}

    worker.start()
    try:
        until(lambda: states()["supervisor"] == "failing")
        until(lambda: (states()["supervisor"], states()["worker"]) == ("ok", "ok"))
    finally:
        worker.stop()
    assert tried[0] == tried[1] == tried[2]  # nothing is lost at each try


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose next pipes have numbers beyond 1,024, as with that many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_200), hard))
    pipe = os.pipe

    def high() -> tuple[int, int]:
        ends = pipe()
        moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 1_100) for end in ends)
        for end in ends:
            os.close(end)
        return moved[0], moved[1]

    with monkeypatch.context() as patched:
        patched.setattr(os, "pipe", high)
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("crowded")
def test_a_worker_is_watched_by_a_process_that_holds_a_thousand_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def beating(command: list[str], **chosen: Any) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", HEART, command[-1]], **chosen)

    monkeypatch.setattr(subprocess, "Popen", beating)
    worker = WorkerProcess(tmp_path / "waypost.toml")
    worker.start()
    try:
        until(lambda: {one.name: one.state for one in merge(worker.reports.all())}["worker"] == "ok")
    finally:
        worker.stop()
    assert worker.restarts == 1


def test_each_process_sees_how_the_parts_of_the_others_stand(tmp_path: Path) -> None:
    waypost = tmp_path / "index"
    folder = meeting_place(waypost)
    mine, other = Board(folder, "api"), Board(folder, "worker")
    mine.show([success("intents")])
    other.show([failure("disk", "/data is full"), success("sync")])
    dead = folder / "health-worker-999999999"
    dead.write_bytes(b"left behind")
    found = {report.part: report.reason for report in read_boards(waypost)}
    assert found == {"intents": "", "disk": "/data is full", "sync": ""}
    assert not dead.exists()
    torn = folder / f"health-api-{os.getpid()}"
    content = bytearray(torn.read_bytes())
    content[20] ^= 1
    torn.write_bytes(content)
    assert {report.part for report in read_boards(waypost)} == {"disk", "sync"}
    mine.close()
    other.close()
    assert read_boards(waypost) == []


def test_a_loop_that_fails_is_seen_at_once_beside_another_of_its_part_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.board.WRITE_EVERY", 3600.0)
    waypost = tmp_path / "index"
    board = Board(meeting_place(waypost), "worker")
    reports = Reports(changed=board.show)
    reports.well("events", by="sender")
    reports.well("events", by="reader")
    reports.failed("events", "gone", by="sender")
    reports.well("events", by="reader")
    assert [one.state for one in read_boards(waypost)] == ["failing", "ok"]
    reports.failed("events", "gone", by="reader")
    reports.well("events", by="sender")
    assert [one.state for one in read_boards(waypost)] == ["ok", "failing"]
    board.close()


def test_a_wake_up_call_is_a_courtesy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wake = Wake(tmp_path / "index", "redis://127.0.0.1:1/0")

    def none_left(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("gateway.wake.socket.socket", none_left)
    wake.tell("worker", everywhere=True)


def test_a_redis_that_has_fallen_silent_is_given_up_and_heard_again(
    tmp_path: Path, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("LOOK_EVERY", 0.1), ("SUBSCRIBE_EVERY", 0.1), ("HEARD_WITHIN", 0.5)):
        monkeypatch.setattr(f"gateway.wake.{name}", seconds)
    cable = Cable(redis_server.port)
    told = threading.Semaphore(0)
    heard = Wake(tmp_path / "one", f"redis://127.0.0.1:{cable.port}/0")
    lost: list[str] = []
    monkeypatch.setattr(heard, "_send", lambda _role: told.release())
    subscribe = heard._subscribe

    def noting() -> None:
        try:
            subscribe()
        except OSError as error:
            lost.append(str(error))
            raise

    monkeypatch.setattr(heard, "_subscribe", noting)
    heard.listen("worker", lambda: None)
    said = Wake(tmp_path / "two", f"redis://127.0.0.1:{redis_server.port}/0")

    def passed() -> bool:
        said.tell("worker", everywhere=True)
        return told.acquire(timeout=0.2)

    try:
        until(passed, "a wake-up call from another machine")
        cable.whole.clear()
        until(lambda: lost, "it is noticed that nothing comes any more")
        assert "redis cannot be heard" in lost[0]
        cable.whole.set()
        until(passed, "a wake-up call again")
    finally:
        heard.close()
        for loop in heard._loops:
            loop.join(60)
        said.close()
        cable.close()


def supervisor_of(gateway: Served) -> psutil.Process:
    """The first process of the gateway itself, whose parent sees that it ends."""
    found = psutil.Process(gateway.process.process.pid)
    while not found.cmdline()[1].endswith("serve.py"):
        found = found.children()[0]
    return found


def unready(gateway: Served) -> httpx.Response | None:
    answer = gateway.client.get(f"{gateway.url}/health/ready")
    return None if answer.is_success else answer


def test_a_gateway_that_is_told_to_stop_sends_people_elsewhere_and_ends_its_streams(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "gateway", drain=1.5) as gateway:
        supervisor, place = supervisor_of(gateway), meeting_place(tmp_path / "gateway" / "waypost-index")
        assert list(place.glob("api-*"))
        wanted = {"Accept": "text/event-stream"}
        with httpx.Client(timeout=60, trust_env=False) as client:
            with client.stream("GET", f"{gateway.url}/api/v1/events", headers=wanted) as stream:
                assert stream.status_code == 200
                supervisor.terminate()
                said = until(lambda: unready(gateway))
                assert said is not None
                assert said.json()["problems"] == ["this gateway is about to stop: ask another one"]
                assert "".join(stream.iter_text()) is not None  # to its end, which is one
        supervisor.wait(PATIENCE)
        # One that was killed leaves its mailbox. That it is killed is logged on a busy machine of one that has ended,
        # too: granian 2.8.7 looks a millisecond after its pipes are closed.
        assert not list(place.glob("api-*"))
