"""What webhooks go out through: public addresses, and those of the private networks that the operator allows.

An address is looked up and checked when it is connected to, so a name that means another host by then leads nowhere.
"""

import ipaddress
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from adapters.outgoing import HttpError, Network, Pool
from federation.events.events import PostAnswer

PATIENCE = 15.0
"""Seconds that one delivery may take, from connecting to the end of the answer."""
LARGEST = 1 << 16
"""Bytes of an answer that are read, and thrown away: more is taken by its status alone."""
CONNECTIONS = 64
SPECIAL = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
"""What of `PUBLIC` is private, of one host or of one network, or leads to such as these."""
PUBLIC = ("0.0.0.0/0", "2000::/3")


class Outbox:
    """Posts events. `allowed` are networks besides the public ones. Safe for several threads."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        networks = (*_public(), *(ipaddress.ip_network(one, strict=False) for one in allowed))
        self._pool = Pool(networks=networks, connections=CONNECTIONS)

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        """One event to one address; redirects are not followed, and nothing of the answer's body is told."""
        deadline = time.monotonic() + PATIENCE
        try:
            answer = self._pool.request(
                "POST", url, headers=headers, body=body, deadline=deadline, most=LARGEST
            )
        except HttpError as error:
            return PostAnswer(error.status, f"the receiver {error}")
        if 200 <= answer.status < 300:
            return PostAnswer(answer.status)
        again = answer.headers.get("retry-after", "")
        moved = ", which is not followed" if 300 <= answer.status < 400 else ""
        wait = float(again) if again.isascii() and again.isdigit() and len(again) < 7 else 0.0
        return PostAnswer(answer.status, f"the receiver answered {answer.status}{moved}", wait)


@cache
def _public() -> tuple[Network, ...]:
    """The public networks: everything without what is special."""
    special = [ipaddress.ip_network(one) for one in SPECIAL]
    return tuple(left for one in PUBLIC for left in _without(ipaddress.ip_network(one), special))


def _without(network: Network, special: Iterable[Network]) -> list[Network]:
    left = [network]
    for hole in special:
        left = [part for one in left for part in _cut(one, hole)]
    return left


def _cut(network: Network, hole: Network) -> Iterable[Network]:
    if network.version != hole.version or not network.overlaps(hole):
        return [network]
    return network.address_exclude(hole) if hole.subnet_of(network) else []  # type: ignore[arg-type]
