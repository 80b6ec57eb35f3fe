"""`waypost serve`: this process supervises one worker and the API processes, and ends them when it ends."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog
from granian import Granian
from granian.constants import Interfaces

from gateway.settings import Settings

log = structlog.get_logger(__name__)
SILENT_FOR = 3.5
"""Seconds without a heartbeat after which the worker is ended and replaced; together with its start under 5 s.
"""
STARTING_FOR = 120.0
STOPPING_FOR = 10.0
CONFIG = "WAYPOST_CONFIG"


@dataclass(slots=True)
class WorkerProcess:
    """The worker, started again whenever it dies or stops its heartbeat."""

    config: Path
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = None
    forking: threading.Lock = field(default_factory=threading.Lock)
    """Held while a thread does what no fork may cut in two. Whoever forks while a process is started would keep the
    pipes to it open, and its end and its silence would go unnoticed; a child forked while a thread imports waits
    for that import for ever.
    """
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin supervising, in a thread."""
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the worker end its page, then end it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=STOPPING_FOR + 5)

    def _supervise(self) -> None:
        while not self._stopped.is_set():
            started = time.monotonic()
            self._watch()
            if self._stopped.is_set():
                return
            self.restarts += 1
            log.warning("the worker ended and is started again", restarts=self.restarts)
            if time.monotonic() - started < 5:
                self._stopped.wait(1.0)

    def _watch(self) -> None:
        beats, process = self._begin()
        with process:
            self.process = process
            patience = STARTING_FOR
            heard = time.monotonic()
            while not self._stopped.is_set():
                ready, _, _ = select.select([beats], [], [], 0.2)
                if ready:
                    if not os.read(beats, 4096):
                        break
                    heard, patience = time.monotonic(), SILENT_FOR
                elif time.monotonic() - heard > patience:
                    log.error("the worker is silent and is ended", seconds=patience)
                    process.kill()
                    break
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=STOPPING_FOR)
            except subprocess.TimeoutExpired:
                process.kill()
            os.close(beats)

    def _begin(self) -> tuple[int, subprocess.Popen[bytes]]:
        """A new worker, and where its heartbeats are read."""
        with self.forking:
            beats, theirs = os.pipe()
            command = [sys.executable, "-m", "gateway.worker", str(self.config), str(theirs)]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, pass_fds=[theirs], start_new_session=True
            )
            os.close(theirs)
        return beats, process


def serve(settings: Settings, config: Path, announce: Callable[[str], None]) -> int:
    """Run the gateway until SIGINT or SIGTERM. `announce` gets the address once it answers. Returns the exit code."""
    host, port = settings.server.host, settings.server.port or free_port(settings.server.host)
    os.environ[CONFIG] = str(config.resolve())
    worker = WorkerProcess(config.resolve())
    lock = worker.forking  # the server forks its processes
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    server = Granian(
        "gateway.app:create",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=settings.server.workers,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=int(STOPPING_FOR),
        log_level="warning",  # type: ignore[arg-type]
        process_name=None,
    )
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    client = httpx.Client(base_url=address, timeout=1.0, trust_env=False)
    _answers(client)  # nobody yet: so that the thread finds imported, before any fork, what asking needs
    threading.Thread(target=_announce, args=(client, announce, lock), daemon=True).start()
    worker.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        worker.stop()
    return 0


def free_port(host: str) -> int:
    """A port nobody listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


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
