"""`waypost demo` as a user runs it: a program of its own, started once, ended with Ctrl-C, nothing left."""

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 300.0
"""Seconds a busy machine may take to have the demo ready."""
MARK = "THE_DEMO_IS"
"""A variable that everything the demo starts inherits, which tells what is left of it."""
LAST_LINE = "Ctrl-C ends everything."


@dataclass
class Demo:
    """A running demo: its process, its mark, and what it has printed."""

    process: subprocess.Popen[str]
    mark: str
    printed: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        """What stands on its standard output and error so far."""
        return "".join(self.printed)

    @property
    def url(self) -> str:
        """The address it printed."""
        found = re.search(r"Waypost answers at (\S+)", self.text)
        assert found, self.text
        return found[1]

    def read(self) -> None:
        """Take what it prints, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if line.strip() == LAST_LINE:
                self.ready.set()
        self.ready.set()

    def left(self) -> list[str]:
        """The command lines of the processes that it started and that are still there."""
        return [command for entry in Path("/proc").glob("[0-9]*") if (command := _marked(entry, self.mark))]


def _marked(process: Path, mark: str) -> str:
    try:
        is_ours = f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode() if is_ours else ""
    except OSError:  # ended meanwhile, or another user's
        return ""


@contextmanager
def launched(folder: Path) -> Iterator[Demo]:
    """Start the demo in a folder; it is killed at the end if it still runs."""
    mark = secrets.token_hex(8)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
    # Not with `python -m`: an exception of Ctrl-C that rose in code made of a text, as of a dataclass, ends that by the
    # signal, though it was handled and another code was chosen (`findings/python_m_ends_by_a_handled_ctrl_c.sh`).
    process = subprocess.Popen(
        [Path(sys.executable).with_name("waypost"), "demo"],
        cwd=folder,
        env=inherited | {MARK: mark, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    demo = Demo(process, mark)
    reader = threading.Thread(target=demo.read)
    reader.start()
    try:
        yield demo
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def interrupt(demo: Demo) -> int:
    """Press Ctrl-C; returns the exit code, once it has ended."""
    demo.process.send_signal(signal.SIGINT)
    return demo.process.wait(PATIENCE)


class Held:
    """A demo that is started when it is first asked for, and ends before the session where nobody needs it any more: it
    reads its registries every few seconds, for as long as it runs.
    """

    def __init__(self, folders: Callable[[], Path]) -> None:
        self._folders = folders
        self._running = ExitStack()
        self._demo: Demo | None = None

    def demo(self) -> Demo:
        """The one that runs."""
        if self._demo is None:
            self._demo = self._running.enter_context(ready_demo(self._folders()))
        return self._demo

    def end(self) -> None:
        """End it, if one runs; the next that is asked for is another."""
        self._demo = None
        self._running.close()


@contextmanager
def ready_demo(folder: Path) -> Iterator[Demo]:
    """A demo that has said what to try. At the end, Ctrl-C must leave nothing running."""
    with launched(folder) as demo:
        assert demo.ready.wait(PATIENCE), demo.text
        assert demo.process.poll() is None, demo.text
        yield demo
        code = interrupt(demo)
        assert (code, demo.left()) == (0, []), demo.text
