"""The one way out for HTTP: whatever asks another machine asks it through here, and every answer is bounded.

A request has one deadline for connecting, sending, head and body together, whatever trickles. No redirect is followed,
and nothing of the environment is used: no proxy, no `.netrc`, no certificates.
"""

import ipaddress
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from adapters.exchanges import (
    Destination,
    HttpAnswer,
    HttpError,
    HttpStream,
    OpenConnection,
    refuse_address,
    seconds_left,
)
from adapters.resolving import addresses

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LONGEST_CONNECT = 10.0
"""Seconds of the deadline that connecting may use."""
CONNECTIONS = 4
__all__ = ["HttpAnswer", "HttpError", "HttpStream", "Network", "Pool", "ask", "is_allowed"]


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
        self._idle: list[OpenConnection] = []
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
        body: bytes | BinaryIO | None = None,
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

    @contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str], deadline: float, idle: float
    ) -> "Iterator[HttpStream]":
        """What a GET answers, of any status, piece by piece, over a connection of its own that is closed with the
        block. It takes no place among the others. Errors: `HttpError`, also while the pieces come.
        """
        origin, target = _split(url)
        connection = self._connect(origin, deadline)
        try:
            yield connection.begin(target, headers, deadline, idle)
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection that is not in use. A later request opens new ones."""
        with self._lock:
            idle = self._idle[:]
            self._idle.clear()
        _close_all(idle)

    def _kept(self, origin: "Destination") -> "OpenConnection | None":
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

    def _keep(self, connection: "OpenConnection") -> None:
        if connection.is_over:
            connection.close()
            return
        connection.since = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def _connect(self, origin: "Destination", deadline: float) -> "OpenConnection":
        if origin.scheme == "https" or self._ca_file:
            self._context()
        connected = _dialled(origin, min(deadline, time.monotonic() + LONGEST_CONNECT), self._networks)
        if origin.scheme == "https":
            connected = self._secured(connected, origin, deadline)
        return OpenConnection(origin, connected)

    def _secured(self, connected: socket.socket, origin: "Destination", deadline: float) -> socket.socket:
        try:
            connected.settimeout(seconds_left(deadline))
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


def _close_all(connections: "list[OpenConnection]") -> None:
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


def _split(url: str) -> tuple[Destination, str]:
    """The origin and the request target of an address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("ascii" if url.isascii() else "idna").decode()
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        refuse_address()
    if not host:
        refuse_address()
    target = parts.path or "/"
    return Destination(parts.scheme, host, port), f"{target}?{parts.query}" if parts.query else target


def _dialled(origin: Destination, deadline: float, networks: tuple[Network, ...]) -> socket.socket:
    """A connection to the first of the host's addresses that takes it, all of them within the deadline."""
    try:
        found = addresses(origin.host, origin.port, seconds_left(deadline))
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
            dialling.settimeout(seconds_left(deadline))
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
