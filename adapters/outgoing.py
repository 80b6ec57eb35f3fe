"""The one way out for HTTP: whatever asks another machine asks it through here, and every answer is bounded.

A request has one deadline for connecting, sending, head and body together, whatever trickles. The head is bounded, and
the body, before it is unpacked and while it is. One content coding at most is unpacked, in small steps. No redirect is
followed, and nothing of the environment is used: no proxy, no `.netrc`, no certificates. It stands on `http.client`
because the socket must be ours: no client of the shelf bounds the time in which a head arrives.
"""

import http.client
import io
import ipaddress
import select
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from adapters.resolving import addresses

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_HEAD = 1 << 16
"""Bytes of status line and headers; also of what frames a body in chunks, where the body may not be larger."""
STEP = 1 << 16
"""Bytes that are read, or unpacked, before limits are looked at again."""
LONGEST_CONNECT = 10.0
"""Seconds of the deadline that connecting may use."""
MOST_IDLE = 30.0
"""Seconds after which an unused connection is closed."""
CONNECTIONS = 4
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


class Pool:
    """Connections to the hosts that are asked, kept for the next request. Safe for several threads."""

    def __init__(
        self,
        *,
        networks: tuple[Network, ...] = (),
        verify: bool = True,
        ca_file: Path | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._networks = networks
        self._verify, self._ca_file = verify, ca_file
        self._trust: ssl.SSLContext | None = None
        self._idle: list[_OpenConnection] = []
        # Who forgets a pool without closing it, as boto3 does, leaves no connection open. A pool in a cycle may be
        # finalised after its sockets, so what closes them holds them by itself.
        weakref.finalize(self, _close_all, self._idle)
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(connections)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        deadline: float,
        most: int,
    ) -> HttpAnswer:
        """One answer, of any status. `deadline` is of `time.monotonic`, `most` the bytes its body may have.

        Errors: `HttpError`; after `unanswered`, `unfinished` and `broken` the request may have been received.
        """
        origin, target = _split(url)
        if not self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise HttpError("unanswered", "could not be asked in time: earlier requests are still under way")
        try:
            connection = self._kept(origin) or self._connect(origin, deadline)
            try:
                answer = connection.exchange(method, target, headers, body, deadline, most)
            except BaseException:
                connection.close()
                raise
            self._keep(connection)
            return answer
        finally:
            self._free.release()

    def close(self) -> None:
        """Close every connection that is not in use. A later request opens new ones."""
        with self._lock:
            idle = self._idle[:]
            self._idle.clear()
        _close_all(idle)

    def _kept(self, origin: "_Destination") -> "_OpenConnection | None":
        with self._lock:
            found = [one for one in self._idle if one.origin == origin]
            self._idle[:] = [one for one in self._idle if one.origin != origin]
        while found:
            connection = found.pop()
            if connection.is_usable():
                with self._lock:
                    self._idle += found
                return connection
            connection.close()
        return None

    def _keep(self, connection: "_OpenConnection") -> None:
        if connection.is_over:
            connection.close()
            return
        connection.since = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def _connect(self, origin: "_Destination", deadline: float) -> "_OpenConnection":
        if origin.scheme == "https" or self._ca_file:
            self._context()
        connected = _dialled(origin, min(deadline, time.monotonic() + LONGEST_CONNECT), self._networks)
        if origin.scheme == "https":
            connected = self._secured(connected, origin, deadline)
        return _OpenConnection(origin, connected)

    def _secured(self, connected: socket.socket, origin: "_Destination", deadline: float) -> socket.socket:
        try:
            connected.settimeout(_left(deadline))
            return self._context().wrap_socket(connected, server_hostname=origin.host)
        except ssl.SSLCertVerificationError as error:
            connected.close()
            raise HttpError(
                "certificate", f"has a certificate that is not trusted ({error.verify_message})"
            ) from None
        except TimeoutError:
            connected.close()
            raise HttpError("unconnected", "could not be connected to in time") from None
        except (OSError, ValueError):
            connected.close()
            raise HttpError("connect", "does not speak TLS") from None

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = _trusting(self._verify, self._ca_file)
        return self._trust


def _close_all(connections: "list[_OpenConnection]") -> None:
    for connection in connections:
        connection.close()


def ask(
    method: str,
    url: str,
    *,
    seconds: float,
    most: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> HttpAnswer:
    """One answer of a host that is asked too seldom to keep a connection. Errors: `HttpError`."""
    pool = Pool()
    try:
        deadline = time.monotonic() + seconds
        return pool.request(method, url, headers=headers or {}, body=body, deadline=deadline, most=most)
    finally:
        pool.close()


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address (IPv4 in IPv6 clothes included) lies in one of the networks."""
    peer = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(peer, "ipv4_mapped", None) or peer
    return any(plain.version == network.version and plain in network for network in networks)


@dataclass(frozen=True, slots=True)
class _Destination:
    scheme: str
    host: str
    port: int


def _split(url: str) -> tuple[_Destination, str]:
    """The origin and the request target of an address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("ascii" if url.isascii() else "idna").decode()
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        _refuse_address()
    if not host:
        _refuse_address()
    target = parts.path or "/"
    return _Destination(parts.scheme, host, port), f"{target}?{parts.query}" if parts.query else target


def _refuse_address() -> NoReturn:
    raise HttpError("address", "cannot be asked this: the address is not a valid one") from None


def _left(deadline: float) -> float:
    """Seconds until the deadline. Errors: `TimeoutError`."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _dialled(origin: _Destination, deadline: float, networks: tuple[Network, ...]) -> socket.socket:
    """A connection to the first of the host's addresses that takes it, all of them within the deadline."""
    try:
        found = addresses(origin.host, origin.port, _left(deadline))
    except TimeoutError:
        raise HttpError(
            "unconnected", "could not be connected to in time: its name is not looked up"
        ) from None
    except (OSError, UnicodeError):
        raise HttpError("connect", "cannot be connected to: its name leads nowhere") from None
    allowed = [one for one in found if not networks or is_allowed(str(one[4][0]), networks)]
    if not allowed:
        raise HttpError("network", f"is at {found[0][4][0]}, outside `allowed_networks`: nothing was sent")
    for family, kind, protocol, _, address in allowed:
        dialling = socket.socket(family, kind, protocol)
        try:
            dialling.settimeout(_left(deadline))
            dialling.connect(address)
            dialling.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            dialling.close()
            if time.monotonic() >= deadline:
                raise HttpError("unconnected", "could not be connected to in time") from None
        except OSError:
            dialling.close()
        else:
            return dialling
    raise HttpError("connect", "cannot be connected to")


def _trusting(verify: bool, ca_file: Path | None) -> ssl.SSLContext:
    """What a certificate must fulfil. Errors: `HttpError`."""
    import httpx  # for the authorities that come along with it: half a second's import, for TLS alone

    if ca_file is None or not verify:
        return httpx.create_ssl_context(verify=verify, trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError:
        raise HttpError(
            "authority", f"has a CA file that cannot be read: check `ca_file` ({ca_file})"
        ) from None


class _OpenConnection:
    """One connection, for one exchange after another."""

    def __init__(self, origin: _Destination, connected: socket.socket) -> None:
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
        body: bytes | None,
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
                if isinstance(response.fp, _Lines):
                    response.fp.left = max(MOST_HEAD, most)
                return HttpAnswer(status, _headers(response), _body(response, most))
        except (HttpError, OSError, http.client.HTTPException) as error:
            raise _described(error, status) from None

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> None:
        try:
            self._protocol.request(method, target, body, {"User-Agent": "waypost", **headers})
        except (http.client.InvalidURL, ValueError):
            _refuse_address()


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
        return HttpError("large", f"answered with more than {MOST_HEAD >> 10} KiB of headers")
    return HttpError("broken", "broke the connection off")


class _Timed:
    """A socket whose every operation ends at the deadline, as `http.client` uses one."""

    def __init__(self, connected: socket.socket) -> None:
        self.deadline = 0.0
        self._socket = connected

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.deadline))
        self._socket.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return _Lines(_Incoming(self), STEP)

    def receive(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self.deadline))
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

    left = MOST_HEAD

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.left -= len(line)
        if self.left < 0:
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
