"""Where a request comes from and which host it is for: only what a trusted proxy adds is believed."""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from litestar.types import Scope

from gateway.problems import ProblemError
from gateway.settings import ServerSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LAST_PORT = 65_535
ANY = ("0.0.0.0", "::")  # noqa: S104  compared, not listened on


def hosts_of(settings: ServerSettings) -> frozenset[str]:
    """The Host headers that are answered, lower case, without port."""
    if settings.allowed_hosts:
        return frozenset(host.lower() for host in settings.allowed_hosts)
    found = {"localhost", "127.0.0.1", "[::1]", _bracketed(settings.host.lower())}
    if settings.public_url:
        found.add(_bracketed((urlsplit(settings.public_url).hostname or "").lower()))
    if settings.host in ANY:
        found |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(found)


def check_host(headers: Mapping[bytes, bytes], hosts: frozenset[str], *, addresses: bool) -> None:
    """Refuse a Host that is not ours: a name that somebody points at this machine reaches nothing.

    `addresses`: IP addresses are answered as well, since nobody can point those anywhere.

    Errors: 421, and 400 for a port that is none.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name, port = _parted(host)
    if not (name in hosts or "*" in hosts or (addresses and _is_address(name))):
        raise ProblemError(
            421, "unknown-host", "this gateway does not answer for that Host: see server.allowed_hosts"
        )
    if port and (not port.isascii() or not port.isdecimal() or int(port[:6]) > LAST_PORT):
        raise ProblemError(400, "invalid-request", "the port in Host is no number of a port")


def _parted(host: str) -> tuple[str, str]:
    """Name and port of a Host; an IPv6 address stands in brackets."""
    name, separator, port = host.rpartition(":")
    return (host, "") if not separator or host.endswith("]") else (name, port)


class Proxies:
    """The proxies that may say for whom they ask."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(one, strict=False) for one in trusted]

    def believe(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Put the real client and scheme into the scope, where a trusted proxy names them."""
        client = scope.get("client")
        if not self._networks or client is None or not self._trusts(client[0]):
            return
        hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
            if not _is_address(hop):
                break
            scope["client"] = (hop, 0)
            if not self._trusts(hop):
                break
        scheme = headers.get(b"x-forwarded-proto", b"").strip().lower()
        if scheme in (b"http", b"https"):
            scope["scheme"] = scheme.decode()

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain.version == network.version and plain in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
