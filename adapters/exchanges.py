"""One exchange over one connection: a request is sent, and its answer read to the end, within bounds.

Every operation on the socket ends at the deadline of the exchange. The head is bounded, and the body, before it is
unpacked and while it is; one content coding at most is unpacked, in small steps. It stands on `http.client` because
the socket must be ours: no client of the shelf bounds the time in which a head arrives.
"""

import http.client
import io
import select
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NoReturn

MOST_HEAD = 1 << 16
"""Bytes of status line and headers; also of trailers, and of the sizes of chunks, beyond what a body earns."""
BODY_PER_FRAMING = 4
"""Bytes of a body that earn one byte of what frames it: chunks of 16 bytes and more always may come."""
STEP = 1 << 16
"""Bytes that are read, or unpacked, before limits are looked at again."""
PIECE = 1 << 18
"""Bytes of a piece of something large, at most."""
MOST_HELD = 1 << 22
"""Bytes of a request that are held back until its end: a longer one goes out in parts."""
MOST_IDLE = 30.0
"""Seconds after which an unused connection is closed."""
Reason = Literal[
    "address", "connect", "certificate", "authority", "network", "unconnected", "unanswered", "unfinished", "broken",
    "packed", "large",
]  # fmt: skip


class HttpError(Exception):
    """No answer was had, or none that is taken. The text says what happened, to be put behind the name of the host.

    `reason`: `address` is none that can be asked; `connect` failed, or the `certificate` is not trusted, or the
    `authority` to trust cannot be read, or the host is in no allowed `network`; the deadline passed `unconnected`,
    `unanswered` (no whole head) or `unfinished`; the connection or the protocol was `broken`; the body was `packed`
    in a way that is not unpacked, or too `large`.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status: int | None = None
        """The status of the answer, where its head had come."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer that was read to its end and unpacked. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer whose body is still to come, as it was stored: `pieces` raise `HttpError` where it breaks off."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Destination:
    """Who is asked. `scheme` is http or https."""

    scheme: str
    host: str
    port: int


def refuse_address() -> NoReturn:
    """Errors: `HttpError`, always."""
    raise HttpError("address", "cannot be asked this: the address is not a valid one") from None


def seconds_left(deadline: float) -> float:
    """Seconds until the deadline. Errors: `TimeoutError`."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class OpenConnection:
    """One connection, for one exchange after another."""

    def __init__(self, origin: Destination, connected: socket.socket) -> None:
        self.origin = origin
        self.since = time.monotonic()
        self._timed = _Timed(connected)
        self._protocol = http.client.HTTPConnection(origin.host, origin.port)
        self._protocol.default_port = {"http": 80, "https": 443}[origin.scheme]
        self._protocol.auto_open = 0
        self._protocol.sock = self._timed

    @property
    def is_over(self) -> bool:
        """Whether the last answer was the last of this connection."""
        return self._protocol.sock is None

    def is_usable(self) -> bool:
        """Whether it is young enough, and the other side has not closed it (or spoken unasked)."""
        return time.monotonic() - self.since < MOST_IDLE and self._timed.is_silent()

    def close(self) -> None:
        """Give the socket back."""
        self._protocol.close()
        self._timed.end()

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | None,
        deadline: float,
        most: int,
    ) -> HttpAnswer:
        """Send a request and read its answer to the end. Errors: `HttpError`."""
        self._timed.deadline = deadline
        status: int | None = None
        try:
            self._send(method, target, {"Accept": "*/*", "Accept-Encoding": "gzip", **headers}, body)
            with self._protocol.getresponse() as response:
                status = response.status
                return HttpAnswer(status, _headers(response), _body(response, most))
        except (HttpError, OSError, http.client.HTTPException) as error:
            raise _described(error, status) from None

    def begin(self, target: str, headers: Mapping[str, str], deadline: float, idle: float) -> HttpStream:
        """Ask for something large. The head ends at the deadline; each piece comes within `idle` seconds. Errors:
        `HttpError`.
        """
        self._timed.deadline = deadline
        try:
            self._send("GET", target, {"Accept": "*/*", "Accept-Encoding": "identity", **headers}, None)
            response = self._protocol.getresponse()
            if not isinstance(_unpacking(response), _PlainBody):
                _refuse_coding("although it was not to be")
        except (HttpError, OSError, http.client.HTTPException) as error:
            raise _described(error, None) from None
        return HttpStream(response.status, _headers(response), self._pieces(response, idle))

    def _pieces(self, response: http.client.HTTPResponse, idle: float) -> Iterator[bytes]:
        try:
            with response:
                while True:
                    self._timed.deadline = time.monotonic() + idle
                    piece = response.read1(PIECE)
                    if not piece:
                        break
                    if isinstance(response.fp, _Lines):
                        response.fp.body += len(piece)
                    yield piece
                if response.length:
                    raise http.client.IncompleteRead(b"", response.length)
        except (HttpError, OSError, http.client.HTTPException) as error:
            raise _described(error, response.status) from None

    def _send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | BinaryIO | None
    ) -> None:
        try:
            self._protocol.request(method, target, body, {"User-Agent": "waypost", **headers})
        except (http.client.InvalidURL, ValueError):
            refuse_address()


def _described(error: Exception, status: int | None) -> HttpError:
    """What went wrong in an exchange, whose answer began with this status where one came."""
    described = error if isinstance(error, HttpError) else _named(error, answered=status is not None)
    described.status = status
    return described


def _named(error: Exception, *, answered: bool) -> HttpError:
    if isinstance(error, TimeoutError):
        return (
            HttpError("unfinished", "was still sending")
            if answered
            else HttpError("unanswered", "did not answer")
        )
    if type(error) in (http.client.LineTooLong, http.client.HTTPException):  # the latter: too many lines
        return HttpError(
            "large", f"answered with more than {MOST_HEAD >> 10} KiB of headers or sizes of chunks"
        )
    return HttpError("broken", "broke the connection off")


class _Timed:
    """A socket whose every operation ends at the deadline, as `http.client` uses one."""

    def __init__(self, connected: socket.socket) -> None:
        self.deadline = 0.0
        self._socket = connected
        self._request = bytearray()

    def sendall(self, data: bytes) -> None:
        """Head and body go out together, once the answer is asked for: the other side is woken once."""
        self._request += data
        if len(self._request) > MOST_HELD:
            self._flush()

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._flush()
        return _Lines(_Incoming(self), STEP)

    def _flush(self) -> None:
        request, self._request = self._request, bytearray()
        self._socket.settimeout(seconds_left(self.deadline))
        self._socket.sendall(request)

    def receive(self, buffer: Any) -> int:
        self._socket.settimeout(seconds_left(self.deadline))
        return self._socket.recv_into(buffer)

    def is_silent(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """The protocol has no further request: what it is still answering is read on."""

    def end(self) -> None:
        with suppress(OSError):
            self._socket.close()


class _Incoming(io.RawIOBase):
    """What one answer is read from. Closing it leaves the socket open."""

    def __init__(self, timed: _Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive(buffer)


class _Lines(io.BufferedReader):
    """Counts the bytes of its lines: those of the head, and of what frames the chunks of a body."""

    lines = 0
    body = 0
    """Bytes of the body that have come."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.lines += len(line)
        if self.lines > MOST_HEAD + self.body // BODY_PER_FRAMING:
            raise http.client.LineTooLong("head")
        return line


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """The headers by their names in lower case; one that is given several times is one list."""
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        known = found.get(name.lower())
        found[name.lower()] = value if known is None else f"{known}, {value}"
    return found


def _body(response: http.client.HTTPResponse, most: int) -> bytes:
    """The body, unpacked. Errors: `HttpError`."""
    unpacking, raw, body = _unpacking(response), 0, io.BytesIO()
    if (response.length or 0) > most:
        _refuse_size(most)
    while piece := response.read1(STEP):
        raw += len(piece)
        if isinstance(response.fp, _Lines):
            response.fp.body = raw
        for part in unpacking.feed(piece):
            body.write(part)
            if max(raw, body.tell()) > most:
                _refuse_size(most)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    if raw:
        unpacking.end()
    return body.getvalue()


def _refuse_size(most: int) -> NoReturn:
    shown = f"{most / 1048576:.3g} MiB" if most >= 1 << 20 else f"{most / 1024:.3g} KiB"
    raise HttpError("large", f"answered with more than {shown}")


class _PlainBody:
    """A body that came as it is."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def end(self) -> None:
        """It ends where the protocol says."""


class _Gzip:
    """A body that was packed once, unpacked a step at a time."""

    def __init__(self) -> None:
        self._inflating = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        is_full = False
        while piece or is_full:
            try:
                part = self._inflating.decompress(piece, STEP)
            except zlib.error:
                _refuse_coding("in a way that cannot be unpacked")
            piece, is_full = self._inflating.unconsumed_tail, len(part) == STEP
            yield part

    def end(self) -> None:
        """Errors: `HttpError` where its end is missing."""
        if not self._inflating.eof:
            _refuse_coding("in a way that cannot be unpacked")


def _unpacking(response: http.client.HTTPResponse) -> _PlainBody | _Gzip:
    """What unpacks the body. Errors: `HttpError` for more than one coding, or another than was offered."""
    codings = [
        coding.strip().lower()
        for value in response.headers.get_all("Content-Encoding", [])
        for coding in value.split(",")
    ]
    framed = [value.strip().lower() for value in response.headers.get_all("Transfer-Encoding", [])]
    if framed not in ([], ["chunked"]):
        _refuse_coding(f"as {', '.join(framed)[:40]!a}")
    match [coding for coding in codings if coding not in ("", "identity")]:
        case []:
            return _PlainBody()
        case ["gzip" | "x-gzip"]:
            return _Gzip()
        case several:
            return _refuse_coding(f"as {', '.join(several)[:40]!a}")


def _refuse_coding(how: str) -> NoReturn:
    raise HttpError("packed", f"sent a body compressed {how}: nothing but gzip, once, was asked for")
