"""How processes tell each other that there is something new: datagrams on this machine, Redis across machines.

A message says only "look"; the database is the truth. One that is lost costs a second, because everybody also
looks by itself.
"""

import contextlib
import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)
CHANNEL = "waypost:wake"
LOOK_EVERY = 1.0
"""Seconds after which everybody looks without having been told."""
PACE = 0.05
"""Seconds from one look to the next at least; what is told meanwhile is one more look."""


class Wake:
    """The wake-up calls of one gateway on this machine. `role` is `worker` or `api`."""

    def __init__(self, index_folder: Path, redis_url: str = "") -> None:
        # A socket's path has at most about 100 characters, so it stands in the temporary folder.
        name = hashlib.sha256(str(index_folder.resolve()).encode()).hexdigest()[:16]
        self.folder = Path(tempfile.gettempdir()) / f"waypost-{os.getuid()}-{name}"
        self.redis_url = redis_url
        self._stopped = threading.Event()
        self._redis: Any = None

    def listen(self, role: str, look: Callable[[], None]) -> None:
        """Call `look` at every message and every second, in a thread, until `close`."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{role}-{os.getpid()}"
        path.unlink(missing_ok=True)
        mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        mine.bind(str(path))
        threading.Thread(target=self._hear, args=(mine, path, look), name="wake", daemon=True).start()
        if self.redis_url and role == "worker":
            threading.Thread(target=self._subscribe, args=(path,), name="wake-redis", daemon=True).start()

    def tell(self, role: str, *, everywhere: bool = False) -> None:
        """Wake every process of a role on this machine, and with `everywhere` the workers of the other machines."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for path in self.folder.glob(f"{role}-*"):
                try:
                    sender.sendto(b"look", str(path))
                except BlockingIOError:
                    pass  # its mailbox is full, so it will look anyway
                except OSError:
                    path.unlink(missing_ok=True)  # nobody listens there any more
        if everywhere and self.redis_url:
            self._publish()

    def close(self) -> None:
        """Stop listening."""
        self._stopped.set()

    def _hear(self, mine: socket.socket, path: Path, look: Callable[[], None]) -> None:
        with mine:
            while not self._stopped.is_set():
                mine.settimeout(LOOK_EVERY)
                with contextlib.suppress(TimeoutError):
                    mine.recv(16)
                _empty(mine)
                try:
                    look()
                except Exception as error:
                    log.warning("could not look for news", error=str(error))
                self._stopped.wait(PACE)
        path.unlink(missing_ok=True)

    def _publish(self) -> None:
        import redis  # deferred: only where it is configured

        try:
            if self._redis is None:
                self._redis = redis.Redis.from_url(
                    self.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5
                )
            self._redis.publish(CHANNEL, str(os.getpid()))
        except redis.RedisError as error:
            self._redis = None
            log.warning("redis cannot be reached, other machines look by themselves", error=str(error))

    def _subscribe(self, path: Path) -> None:
        import redis  # deferred: only where it is configured

        while not self._stopped.is_set():
            try:
                with redis.Redis.from_url(self.redis_url).pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
                    channel.subscribe(CHANNEL)
                    while not self._stopped.is_set():
                        if channel.get_message(timeout=LOOK_EVERY) is not None:
                            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                                sender.sendto(b"look", str(path))
            except (redis.RedisError, OSError) as error:
                log.warning("redis cannot be heard, looking every second instead", error=str(error))
                self._stopped.wait(5)


def _empty(mailbox: socket.socket) -> None:
    """Take out what else has come: it says the same."""
    mailbox.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            mailbox.recv(16)
