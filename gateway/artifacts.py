"""Hands out the files of versions: a process of its own beside each API process, started when somebody asks for one.

It speaks over a local socket: a line of JSON says what is wanted, a line of JSON answers, bytes follow. Whatever a
backend does to a connection, worker and API stay quick; what passes here is never held, but handed on in pieces.
It ends with the process that started it, and when nobody has asked for anything for a while.
"""

import os
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adapters import ByteSpan
from federation.access import EVERYTHING
from federation.errors import WaypostError
from federation.logs import Log
from federation.references import Reference
from gateway.handing import FileQuestion, Told
from gateway.logs import configure_logs
from gateway.settings import load_settings
from gateway.waypost import Waypost

log = Log(__name__)
MOST_AT_ONCE = 16
"""Files that are on their way at the same time; who asks for one more is told to try again."""
NICE = 10
"""How far it stands back behind worker and API where all want the processor."""
IDLE = 120.0
"""Seconds without a question after which the process ends."""
LONGEST_QUESTION = 1 << 16


@dataclass(slots=True)
class ArtifactServer:
    """Answers questions from a socket, each in a thread, so many at once."""

    waypost: Waypost
    listening: socket.socket
    _free: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MOST_AT_ONCE)
    )
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        """Until nobody asks any more."""
        self.listening.settimeout(IDLE)
        while True:
            try:
                connection, _ = self.listening.accept()
            except TimeoutError:
                if not self._under_way:
                    return
                continue
            connection.settimeout(IDLE)
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        with self._lock:
            self._under_way += 1
        try:
            with connection, suppress(OSError):
                if self._free.acquire(blocking=False):
                    try:
                        self._answer(connection)
                    finally:
                        self._free.release()
                else:
                    detail = f"{MOST_AT_ONCE} files are on their way already: try again in a moment"
                    _say(connection, Told(error=detail, code="unavailable", branch="UnavailableError"))
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            question = msgspec.json.decode(lines.readline(LONGEST_QUESTION), type=FileQuestion)
        has_begun = False
        try:
            version = self.waypost.catalogue.version(
                EVERYTHING, Reference(question.registry, question.model, question.version)
            )
            reader = self.waypost.files
            if question.wants == "folder":
                _say(connection, Told(files=list(reader.list(version, question.path))))
                return
            if question.wants == "address":
                _say(connection, Told(address=reader.address(version)))
                return
            span = None if question.first is None else ByteSpan(question.first, question.last)
            with reader.open(version, question.path, span) as stream:
                has_begun = True
                _say(connection, Told(length=stream.length, total=stream.total, is_part=stream.is_part))
                for piece in stream.pieces:
                    connection.sendall(piece)
        except WaypostError as error:
            log.info("a file could not be handed out", error=error.whole[:500])
            if not has_begun:
                branch = next(
                    kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "federation.errors"
                )
                _say(connection, Told(error=str(error), code=error.code, branch=branch))
            # else it is cut: whoever reads it has fewer bytes than were announced, or no end of chunks


def _say(connection: socket.socket, told: Told) -> None:
    connection.sendall(msgspec.json.encode(told) + b"\n")


def main(arguments: list[str]) -> int:
    """Serve the configuration in a file at the listening socket of this number."""
    os.nice(NICE)
    config, number = Path(arguments[0]), int(arguments[1])
    settings = load_settings(config)
    configure_logs(settings.log)
    waypost = Waypost(settings)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with socket.socket(fileno=number) as listening:
        ArtifactServer(waypost, listening).serve()
    waypost.close()
    return 0


def _end_with_parent() -> None:
    """The end of standard input is the end of whoever started this."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
