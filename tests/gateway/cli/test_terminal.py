"""`waypost search --watch` and `--web` as somebody at a terminal meets them."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.cli.failure import INTERRUPTED, OK, USAGE
from gateway.cli.search import CLEAR
from tests.gateway.chained import configured
from tests.gateway.served import served
from tests.patience import PATIENCE, readable

ROOT = Path(__file__).parents[3]


class Terminal:
    """A pseudo-terminal with one command in it, and all that it has shown."""

    def __init__(self, process: int, end: int) -> None:
        self._process = process
        self._end = end
        self.shown = ""

    def until(self, holds: Callable[[str], bool]) -> str:
        """Read until it shows this."""
        deadline = time.monotonic() + PATIENCE
        while not holds(self.shown):
            assert time.monotonic() < deadline, self.shown
            if not self._read():
                raise AssertionError(f"it ended: {self.shown}")
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def ended(self) -> int:
        """The exit code, once it has ended."""
        while self._read():
            pass
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        os.close(self._end)

    def _read(self) -> bool:
        if not readable([self._end], PATIENCE):
            raise AssertionError(f"nothing more is shown: {self.shown}")
        try:
            got = os.read(self._end, 65536)
        except OSError:
            return False  # Linux's way to say that the other end is closed
        self.shown += got.decode().replace("\r", "")
        return bool(got)


@contextmanager
def terminal(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """`waypost` with these words in a terminal of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
    known = {**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm", **(environment or {})}
    outside, inside = pty.openpty()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", BEHIND, *words],
        known,
        file_actions=[(os.POSIX_SPAWN_DUP2, inside, number) for number in (0, 1, 2)],
        setsid=True,
    )
    os.close(inside)
    found = Terminal(process, outside)
    try:
        yield found
    finally:
        found.close()


BEHIND = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches this process
from gateway.__main__ import main
main()
"""


def test_watching_draws_the_answer_anew_until_somebody_interrupts(tmp_path: Path) -> None:
    config, _ = configured(tmp_path)
    environment = {"WAYPOST__SEARCH__PATH": str(tmp_path / "waypost-index")}
    environment["WAYPOST__DATABASE__URL"] = f"sqlite:///{tmp_path / 'waypost.db'}"
    with terminal("search", "encoder", "--watch", "--config", str(config), environment=environment) as screen:
        shown = screen.until(lambda text: text.count(CLEAR) >= 3 and text.endswith("models\n"))
        drawn = shown.split(CLEAR)
        assert drawn[0] == ""
        assert drawn[1] == drawn[2]
        assert "ranking/ranker:5" in drawn[1]
        screen.type("\x03")
        assert screen.ended() == INTERRUPTED
        assert "Traceback" not in screen.shown


def test_watching_outlives_a_gateway_that_goes_away(tmp_path: Path) -> None:
    with served(tmp_path) as gateway:
        with terminal("search", "x", "--watch", "--url", gateway.url) as screen:
            screen.until(lambda text: "0 versions" in text)
            gateway.process.stop()
            screen.until(lambda text: "cannot be reached" in text)
            screen.type("\x03")
            assert screen.ended() == INTERRUPTED
            assert screen.shown.count("cannot be reached") == 1


def test_a_reader_that_has_enough_is_no_failure(tmp_path: Path) -> None:
    config, _ = configured(tmp_path)
    command = (
        f"set -o pipefail; {sys.executable} -m gateway --config {config} search --group version | head -1"
    )
    known = {**os.environ, "PYTHONPATH": str(ROOT), "WAYPOST__SEARCH__PATH": str(tmp_path / "waypost-index")}
    known["WAYPOST__DATABASE__URL"] = f"sqlite:///{tmp_path / 'waypost.db'}"
    done = subprocess.run(["bash", "-c", command], env=known, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:7]) == (0, "VERSION"), done.stderr


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser that writes down what it is asked to show."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/seen\n')
    program.chmod(0o755)
    return program


def test_web_opens_the_search_with_what_was_asked(tmp_path: Path, browser: Path) -> None:
    words = ("search", "a b", "stage:production", "--sort", "name", "--web", "--url", "http://127.0.0.1:9")
    with terminal(*words, environment={"BROWSER": f"{browser} %s"}) as screen:
        assert screen.ended() == OK
    address = "http://127.0.0.1:9/?q=a+b+stage%3Aproduction&sort=name&group=model&limit=20"
    assert (tmp_path / "seen").read_text() == address
    assert screen.shown == f"opened {address}\n"


@pytest.mark.parametrize("words", [[], ["--url", "javascript:alert(1)"]])
def test_web_opens_nothing_that_is_no_gateway(tmp_path: Path, browser: Path, words: list[str]) -> None:
    with terminal("search", "x", "--web", *words, environment={"BROWSER": f"{browser} %s"}) as screen:
        assert screen.ended() == USAGE
    assert screen.shown.startswith("waypost: --")
    assert not (tmp_path / "seen").exists()
