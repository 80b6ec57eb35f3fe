"""How processes tell each other that there is something new: datagrams on this machine, Redis across machines.

A message says only "look"; the database is the truth. One that is lost costs a second, because everybody also
looks by itself.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from federation.health import Reports
from federation.logs import Log
from federation.loops import Guard, Loop
from gateway.board import meeting_place

log = Log(__name__)
CHANNEL = "waypost:wake"
LOOK_EVERY = 1.0
"""Seconds after which everybody looks without having been told."""
PACE = 0.05
"""Seconds from one look to the next at least; what is told meanwhile is one more look."""
PAUSE_AFTER_SILENCE = 5.0
"""Seconds in which a Redis that failed is not asked."""
SUBSCRIBE_EVERY = 5.0
HEARD_WITHIN = 3.0
"""Seconds within which Redis answers that it is there."""


class Wake:
    """The wake-up calls of one gateway on this machine. `role` is `worker` or `api`."""

    def __init__(self, index_folder: Path, redis_url: str = "", reports: Reports | None = None) -> None:
        self._index = index_folder
        self.redis_url = redis_url
        self._reports = Reports() if reports is None else reports
        self._loops: list[Loop] = []
        self._mailbox: _Mailbox | None = None
        self._redis: Any = None
        self._silent_until = 0.0
        self._guard = Guard("wake-up call")

    @cached_property
    def folder(self) -> Path:
        """Where the sockets are. Errors: `OSError`."""
        return meeting_place(self._index)

    def listen(self, role: str, look: Callable[[], None]) -> None:
        """Call `look` at every message and every second, in a thread, until `close`."""
        mailbox = self._mailbox = _Mailbox(self, role)
        self._begin("wake", lambda: mailbox.hear(look), at_end=mailbox.close)
        if self.redis_url and role == "worker":
            self._begin("wake-redis", self._subscribe, pause=SUBSCRIBE_EVERY, part="redis")

    def tell(self, role: str, *, everywhere: bool = False) -> None:
        """Wake every process of a role on this machine, and with `everywhere` the workers of the other machines.

        A courtesy: whoever is not reached looks by itself, so nothing is raised.
        """
        self._guard(lambda: self._send(role))
        if everywhere and self.redis_url and time.monotonic() >= self._silent_until:
            self._guard(self._publish)

    def close(self) -> None:
        """Stop listening."""
        for loop in self._loops:
            loop.stop()
        if self._mailbox is not None:
            self._mailbox.give_up()

    def _begin(
        self,
        name: str,
        step: Callable[[], None],
        pause: float = LOOK_EVERY,
        at_end: Callable[[], None] = lambda: None,
        part: str = "",
    ) -> None:
        loop = Loop(name, step, reports=self._reports, part=part, pause=pause, at_end=at_end)
        loop.start()
        self._loops.append(loop)

    def _send(self, role: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for path in self.folder.glob(f"{role}-*"):
                try:
                    sender.sendto(b"look", str(path))
                except BlockingIOError:
                    pass  # its mailbox is full, so it will look anyway
                except (ConnectionRefusedError, FileNotFoundError):
                    path.unlink(missing_ok=True)  # nobody listens there any more

    def _publish(self) -> None:
        import redis  # deferred: only where it is configured

        try:
            if self._redis is None:
                self._redis = redis.Redis.from_url(
                    self.redis_url, socket_timeout=0.5, socket_connect_timeout=0.5
                )
            self._redis.publish(CHANNEL, str(os.getpid()))
        except (redis.RedisError, OSError) as error:
            self._redis = None
            self._silent_until = time.monotonic() + PAUSE_AFTER_SILENCE
            log.warning("redis cannot be reached, other machines look by themselves", error=str(error))

    def _subscribe(self) -> None:
        """Pass on what is said across machines, until that is not heard any more. Errors: `OSError`."""
        import redis  # deferred: only where it is configured

        try:
            server = redis.Redis.from_url(
                self.redis_url, socket_timeout=LOOK_EVERY, socket_connect_timeout=LOOK_EVERY
            )
            with server, server.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
                channel.subscribe(CHANNEL)
                self._pass_on(channel)
        except (redis.RedisError, TimeoutError) as error:
            raise OSError(f"redis cannot be heard, looking every second instead: {error}") from None

    def _pass_on(self, channel: Any) -> None:
        heard = time.monotonic()
        while not self._loops[-1].stopped.is_set():
            message = channel.get_message(timeout=LOOK_EVERY)
            if message is not None:
                heard = time.monotonic()
                self._reports.well("redis")
                if message["type"] == "message":
                    self._send("worker")
            elif time.monotonic() - heard > HEARD_WITHIN:
                raise TimeoutError(f"nothing came for {HEARD_WITHIN:g} s")
            else:
                channel.ping()  # a link that is dead says nothing, and so does one without news


class _Mailbox:
    """The socket of one process; made again where it is lost."""

    def __init__(self, wake: Wake, role: str) -> None:
        self._wake = wake
        self._role = role
        self._socket: socket.socket | None = None
        self._path: Path | None = None

    def hear(self, look: Callable[[], None]) -> None:
        """Wait for a message, for a second at most, and look."""
        try:
            mine = self._opened()
            with contextlib.suppress(TimeoutError):
                mine.recv(16)
            _empty(mine)
        except OSError:
            self.close()
            look()  # as every second
            raise
        look()
        time.sleep(PACE)

    def _opened(self) -> socket.socket:
        if self._socket is None or self._path is None or not self._path.exists():
            self.close()
            self._path = self._wake.folder / f"{self._role}-{os.getpid()}"
            self._path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(str(self._path))
        self._socket.settimeout(LOOK_EVERY)
        return self._socket

    def give_up(self) -> None:
        """Nobody listens here any more."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _empty(mailbox: socket.socket) -> None:
    """Take out what else has come: it says the same."""
    mailbox.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            mailbox.recv(16)
