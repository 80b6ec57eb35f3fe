"""Asking the process that hands out files, which is started when it is needed and ends when it is not."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from adapters import ArtifactFile
from federation import errors
from federation.errors import UnavailableError, WaypostError

CONFIG = "WAYPOST_CONFIG"
PIECE = 1 << 20
"""Bytes that are handed on at once."""
ANSWERED_WITHIN = 60.0
"""Seconds in which a backend has begun to answer, or goes on."""
LONGEST = 2 << 20
"""Bytes of a list of files, at most; of a file, half of what waits to be handed on."""


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

    async def told(self, question: FileQuestion) -> Told:
        """What is in a folder, or where it is. Errors: every branch of `WaypostError`."""
        told, _, writer = await self._asked(question)
        writer.close()
        return told

    async def opened(self, question: FileQuestion) -> tuple[Told, AsyncIterator[bytes]]:
        """A file on its way. Errors: every branch of `WaypostError`; while the pieces come `UnavailableError` where it
        breaks off.
        """
        told, reader, writer = await self._asked(question)
        return told, _pieces(reader, writer, told.length)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    async def _asked(self, question: FileQuestion) -> tuple[Told, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._connected()
        try:
            writer.write(msgspec.json.encode(question) + b"\n")
            line = await asyncio.wait_for(reader.readline(), ANSWERED_WITHIN)
            told = msgspec.json.decode(line, type=Told)
        except (OSError, TimeoutError, msgspec.DecodeError, ValueError):
            writer.close()
            raise UnavailableError("the backend did not answer in time: try again") from None
        if told.error:
            writer.close()
            kind: Any = getattr(errors, told.branch, UnavailableError)
            raise kind(told.error) if kind is errors.UnknownError else _again(kind, told)
        return told, reader, writer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
        with suppress(OSError):
            return await asyncio.open_unix_connection(self._address, limit=LONGEST)
        async with self._lock:  # it ended between the two
            self._start()
        return await asyncio.open_unix_connection(self._address, limit=LONGEST)

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
                command = [
                    sys.executable,
                    "-m",
                    "gateway.artifacts",
                    os.environ[CONFIG],
                    str(listening.fileno()),
                ]
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()]
                )
        except OSError as error:
            raise UnavailableError(f"no process for files could be started: {error.strerror}") from None


def _again(kind: type[WaypostError], told: Told) -> WaypostError:
    """The error that was told of."""
    return kind(told.error, code=told.code)


async def _pieces(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int | None
) -> AsyncIterator[bytes]:
    came = 0
    try:
        while length is None or came < length:
            wanted = PIECE if length is None else min(PIECE, length - came)
            piece = await asyncio.wait_for(_read(reader, wanted), ANSWERED_WITHIN)
            if not piece:
                break
            came += len(piece)
            yield piece
        if length is not None and came < length:
            raise UnavailableError("the backend broke the file off")
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, wanted: int) -> bytes:
    """So many bytes, fewer only at the end: each piece that is handed on costs as much as it does itself."""
    try:
        return await reader.readexactly(wanted)
    except asyncio.IncompleteReadError as error:
        return error.partial
