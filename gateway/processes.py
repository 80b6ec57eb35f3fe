"""`waypost serve`: this process supervises one worker and the API processes, and ends them when it ends."""

import errno
import os
import resource
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.mp import MPServer

from federation.errors import UnavailableError
from federation.health import Reports
from federation.logs import Log
from federation.loops import Loop
from federation.programs import program
from gateway import ending
from gateway.board import Board, meeting_place
from gateway.descriptors import note_descriptors
from gateway.settings import Settings
from gateway.start import UNUSABLE
from gateway.waypost import Waypost

log = Log(__name__)
SILENT_FOR = 3.5
"""Seconds without a heartbeat after which the worker is ended and replaced; together with its start under 5 s.
"""
STARTING_FOR = 120.0
STOPPING_FOR = 10.0
LISTEN_FOR = 0.2
MOST_CONNECTIONS = 2048
"""Connections of one API process; 22 KiB each after a first answer. Those beyond wait in the kernel for a place."""
HEAD_WITHIN = 30.0
"""Seconds in which the head of a request must have come, and after which a connection that says nothing is closed."""
BACKLOG = 1024
CONFIG = "WAYPOST_CONFIG"
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144",
}  # fmt: skip
"""glibc gives each of many threads an arena of its own, and keeps what large answers took: beside a hostile backend the
worker grew by 50 MiB in ten runs. With these it grows by 6, and large blocks are given back."""


class ListenError(Exception):
    """Nothing can listen where `server.host` and `server.port` say. One line that names the address."""


@dataclass(slots=True)
class WorkerProcess:
    """The worker, started again whenever it dies or stops its heartbeat, or could not be started."""

    config: Path
    reports: Reports = field(default_factory=Reports)
    prepares: bool = False
    """Whether it has to bring database and configuration in line first, as soon as the database is there."""
    restarts: int = 0
    is_unusable: bool = False
    """It has ended because whoever runs the gateway must mend something; so does the gateway."""
    process: subprocess.Popen[bytes] | None = None
    forking: threading.Lock = field(default_factory=threading.Lock)
    """Held while a thread does what no fork may cut in two. Whoever forks while a process is started would keep the
    pipes to it open, and its end and its silence would go unnoticed; a child forked while a thread imports waits
    for that import for ever.
    """
    _loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self._loop = Loop("supervisor", self._supervise, reports=self.reports, part="supervisor")

    def start(self) -> None:
        """Begin supervising, in a thread."""
        self._loop.start()

    def stop(self) -> None:
        """Let the worker end its page, then end it."""
        self._loop.stop()
        self._loop.join(STOPPING_FOR + 5)

    def _supervise(self) -> None:
        """One life of the worker. Errors: `OSError` where it cannot be started."""
        started = time.monotonic()
        if self.restarts:
            log.warning("the worker ended and is started again", restarts=self.restarts)
        beats, process = self._begin()
        self.restarts += 1
        try:
            self.process = process
            self._watch(beats, process)
        finally:
            _end(process)
            os.close(beats)
        if process.returncode == UNUSABLE:
            self.is_unusable = True
            self._loop.stop()
            os.kill(os.getpid(), signal.SIGTERM)
        if not self._loop.stopped.is_set():
            self.reports.failed("worker", "it has ended and is started again")
            if time.monotonic() - started < 5:
                self._loop.stopped.wait(1.0)

    def _watch(self, beats: int, process: subprocess.Popen[bytes]) -> None:
        """Until the worker has ended, is silent for too long, or is to stop."""
        patience, heard = STARTING_FOR, time.monotonic()
        with selectors.DefaultSelector() as listening:
            listening.register(beats, selectors.EVENT_READ)
            while not self._loop.stopped.is_set():
                ready = listening.select(LISTEN_FOR)
                self.reports.well("supervisor")
                if ready:
                    if not os.read(beats, 4096):
                        return
                    heard, patience = time.monotonic(), SILENT_FOR
                    self.reports.well("worker")
                elif time.monotonic() - heard > patience:
                    log.error("the worker is silent and is ended", seconds=patience)
                    process.kill()
                    return

    def _begin(self) -> tuple[int, subprocess.Popen[bytes]]:
        """A new worker, and where its heartbeats are read."""
        with self.forking:
            beats, theirs = os.pipe()
            command = program("gateway.worker", str(self.config), str(theirs))
            command += ["prepare"] * self.prepares
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    pass_fds=[theirs],
                    start_new_session=True,
                    env=ALLOCATOR | os.environ,
                )
            except BaseException:
                os.close(beats)
                raise
            finally:
                os.close(theirs)
        return beats, process


def _end(process: subprocess.Popen[bytes]) -> None:
    """The end of its standard input means stop; one that does not is killed."""
    with suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(timeout=STOPPING_FOR)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _ForkedServer(MPServer):
    """A server on a socket that is bound already. Its own way lets any other process of this user bind beside it,
    and the kernel deals the requests out to both."""

    def __init__(self, listening: socket.socket, drain: float, **chosen: Any) -> None:
        super().__init__(**chosen)
        self._listening = listening
        self._drain = drain

    def shutdown(self, exit_code: int = 0) -> None:
        """Have proxies send nobody here any more, then stop: what is being answered is answered, streams end."""
        ending.begin()
        time.sleep(self._drain)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _init_shared_socket(self) -> None:
        self._sso = self._listening
        self._sfd: Any = self._listening.fileno()
        self._shd: Any = SocketHolder(self._sfd, False, BACKLOG)  # type: ignore[call-arg]
        self._ssp = None


def serve(
    settings: Settings, config: Path, announce: Callable[[str], None], say: Callable[[str], None]
) -> int:
    """Run the gateway until SIGINT or SIGTERM. Returns the exit code.

    `announce` gets the address once it answers, `say` a line for each thing that was brought in line with code and
    configuration. A database that is away is waited for, and brought in line by the worker. Errors: `ListenError`,
    those of `Waypost.prepare`.
    """
    is_away = not _prepare(settings, say)
    host = settings.server.host
    _answers(_client(host, settings.server.port))  # finds imported, before any fork, what a thread needs
    listening = listen(host, settings.server.port)
    port: int = listening.getsockname()[1]
    os.environ[CONFIG] = str(config.resolve())
    note_descriptors()
    worker = WorkerProcess(config.resolve(), _shown(settings), is_away)
    lock = worker.forking  # the server forks its processes
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    server = _ForkedServer(
        listening,
        settings.server.drain_seconds,
        target="gateway.app:create",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        # A connection whose protocol is still to be found out is held without a bound, if it says nothing.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(HEAD_WITHIN * 1000)),
        backpressure=most_connections(),
        factory=True,
        workers=settings.server.workers,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=int(STOPPING_FOR),
        log_level="warning",
        process_name=None,
    )
    announcing = (_client(host, port), announce, lock)
    threading.Thread(target=_announce, args=announcing, daemon=True).start()
    worker.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        worker.stop()
    return 2 if worker.is_unusable else 0


def _prepare(settings: Settings, say: Callable[[str], None]) -> bool:
    """False where the database is away. Errors: those of `Waypost.prepare`."""
    waypost = Waypost(settings)
    try:
        for line in waypost.prepare():
            say(line)
    except UnavailableError as error:
        say(f"{error.whole}: the gateway starts and waits for it")
        return False
    finally:
        waypost.close()
    return True


def most_connections() -> int:
    """How many connections one API process holds; it needs descriptors for other things, too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(64, min(MOST_CONNECTIONS, soft // 2))


def listen(host: str, port: int) -> socket.socket:
    """Listen there, alone; port 0 is a free one. Errors: `ListenError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        try:
            # Only what an earlier process of ours has let go of may still be in the way.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        where = _address(host, port)
        if error.errno == errno.EADDRINUSE:
            reason = "another process listens there: end it, or choose another server.port"
        else:
            reason = f"{error.strerror}: see server.host and server.port"
        raise ListenError(f"the gateway cannot listen at {where}: {reason}") from None
    listening.set_inheritable(True)
    return listening


def _address(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _client(host: str, port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://{_address(host, port)}", timeout=1.0, trust_env=False)


def _shown(settings: Settings) -> Reports:
    """Reports that the other processes of the gateway see, where there is room for that."""
    reports = Reports()
    with suppress(OSError):
        reports.changed = Board(meeting_place(settings.search.path), "supervisor").show
    return reports


def _announce(client: httpx.Client, announce: Callable[[str], None], forking: threading.Lock) -> None:
    end = time.monotonic() + STARTING_FOR
    while not _answers(client):
        if time.monotonic() > end:
            return
        time.sleep(0.1)
    with forking:
        announce(str(client.base_url).rstrip("/"))
        client.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.HTTPError:
        return False
