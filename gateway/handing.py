"""Asking the process that hands out files, which is started when it is needed and ends when it is not."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from adapters import ArtifactFile
from federation import errors
from federation.errors import UnavailableError, WaypostError
from federation.programs import program
from gateway.precedence import Pace

CONFIG = "WAYPOST_CONFIG"
ANSWERED_WITHIN = 120.0
"""Seconds in which a backend has begun to answer, or goes on: so long MLflow's client waits, and the proxy of its
server fetches a file whole before it answers.
"""
LONGEST = 2 << 20
"""Bytes of a list of files, at most."""


class FileQuestion(msgspec.Struct, frozen=True):
    """What is wanted of a version: a file or a part of it, what is in a folder, or the address of all. Who asks may see
    it.
    """

    registry: str
    model: str
    version: str
    path: str = ""
    wants: Literal["file", "folder", "address"] = "file"
    first: int | None = None
    last: int | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is answered before any bytes: `error` and its `code`, or what comes. Fewer bytes than `length`: it broke."""

    error: str = ""
    code: str = ""
    branch: str = ""
    files: list[ArtifactFile] = []
    address: str = ""
    length: int | None = None
    total: int | None = None
    is_part: bool = False


@dataclass(slots=True, eq=False)
class ArtifactClient:
    """One API process's hold on the process beside it. `folder` is where their socket is."""

    folder: Path
    _process: "subprocess.Popen[bytes] | None" = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _pace: Pace = field(default_factory=Pace)

    async def told(self, question: FileQuestion) -> Told:
        """What is in a folder, or where it is. Errors: every branch of `WaypostError`."""
        told, connection = await self._asked(question)
        connection.close()
        return told

    async def opened(self, question: FileQuestion) -> tuple[Told, AsyncIterator[bytes]]:
        """A file on its way. Errors: every branch of `WaypostError`; while the pieces come `UnavailableError` where it
        breaks off.
        """
        told, connection = await self._asked(question)
        return told, connection.pieces(told.length, self._pace)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    async def _asked(self, question: FileQuestion) -> "tuple[Told, _FileConnection]":
        connection = await self._connected()
        try:
            told = await connection.ask(question)
        except (OSError, msgspec.DecodeError):
            connection.close()
            raise UnavailableError("the backend did not answer in time: try again") from None
        except BaseException:
            connection.close()
            raise
        if told.error:
            connection.close()
            kind: Any = getattr(errors, told.branch, UnavailableError)
            raise kind(told.error) if kind is errors.UnknownError else _again(kind, told)
        return told, connection

    async def _connected(self) -> "_FileConnection":
        async with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
        with suppress(OSError):
            return await _FileConnection.to(self._address)
        async with self._lock:  # it ended between the two
            self._start()
        return await _FileConnection.to(self._address)

    @property
    def _address(self) -> str:
        return str(self.folder / f"artifacts-{os.getpid()}")

    def _start(self) -> None:
        """It listens before it runs: whoever connects waits for it. Errors: `UnavailableError`."""
        self.close()
        with suppress(OSError):
            Path(self._address).unlink()
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(self._address)
                Path(self._address).chmod(0o600)
                listening.listen(64)
                command = program("gateway.artifacts", os.environ[CONFIG], str(listening.fileno()))
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()]
                )
        except OSError as error:
            raise UnavailableError(f"no process for files could be started: {error.strerror}") from None


def _again(kind: type[WaypostError], told: Told) -> WaypostError:
    """The error that was told of."""
    return kind(told.error, code=told.code)


@dataclass(slots=True)
class _FileConnection:
    """A connection to the process. What is not read from it yet waits there, and not here as well."""

    _socket: socket.socket
    _early: bytes = b""
    """What came behind the answer in one piece with it."""

    @classmethod
    async def to(cls, address: str) -> "_FileConnection":
        """One to the socket at an address. Errors: `OSError`."""
        connection = cls(socket.socket(socket.AF_UNIX))
        try:
            connection._socket.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection._socket, address)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        self._socket.close()

    async def ask(self, question: FileQuestion) -> Told:
        """What is told of the file before it comes. Errors: `OSError`, `msgspec.DecodeError`."""
        loop, came = asyncio.get_running_loop(), bytearray()
        await loop.sock_sendall(self._socket, msgspec.json.encode(question) + b"\n")
        async with asyncio.timeout(ANSWERED_WITHIN):
            more = b"?"
            while more and b"\n" not in more and len(came) < LONGEST:
                more = await loop.sock_recv(self._socket, 1 << 16)
                came += more
        answer, _, self._early = bytes(came).partition(b"\n")
        return msgspec.json.decode(answer, type=Told)

    async def pieces(self, length: int | None, pace: Pace) -> AsyncIterator[bytes]:
        """What comes, until so many bytes have. Errors: `UnavailableError` where it breaks off."""
        came = 0
        try:
            while length is None or came < length:
                most = pace.piece()
                piece = await self._read(most if length is None else min(most, length - came))
                if not piece:
                    break
                came += len(piece)
                yield piece
                await pace.stand_back(len(piece))
            if length is not None and came < length:
                raise UnavailableError("the backend broke the file off")
        except OSError:
            raise UnavailableError("the backend broke the file off") from None
        finally:
            self.close()

    async def _read(self, wanted: int) -> bytes:
        """So many bytes, fewer only at the end: each piece that is handed on costs as much as it does itself."""
        piece, came = bytearray(wanted), len(self._early[:wanted])
        piece[:came], self._early = self._early[:wanted], self._early[wanted:]
        loop, view = asyncio.get_running_loop(), memoryview(piece)
        async with asyncio.timeout(ANSWERED_WITHIN):
            while came < wanted:
                more = await loop.sock_recv_into(self._socket, view[came:])
                if not more:
                    break
                came += more
        return bytes(view[:came])
