"""What telling costs: deliveries beside a bare client to the same receiver, and a burst of changes beside searches."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from adapters import Key
from federation.access import EVERYTHING, LOCAL
from federation.database import open_engine
from federation.events.events import Events, WebhookSpec
from federation.leases import Leases
from gateway.outbox import Outbox
from tests.benchmarks import Figure, benchmark, spread
from tests.federation.events.told import ToldFeed, model, version
from tests.gateway.served import Served, served
from tests.patience import until
from tests.servers import blank

ALLOWED = ("127.0.0.0/8",)
SHARE, SLOWER = 0.5, 1.5
SUBSCRIPTIONS = 20
MODELS = 50
ASKED = 200
RECEIVER = """
import asyncio, sys

class Receiver(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.data[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\\r\\n")[0])
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length:]
            self.transport.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")

async def main():
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a process that takes everything at once."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", RECEIVER], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/in"
        finally:
            process.kill()


@benchmark(sample=200, full=10_000)
def deliveries_per_second(size: int, folder: Path) -> Iterator[Figure]:
    """`size` events to one address, beside a loop of httpx that posts the same bodies there."""
    engine = open_engine(blank.sqlite(folder / "waypost.db"))
    world = ToldFeed(engine, views=lambda owner: EVERYTHING, post=lambda: Outbox(ALLOWED))
    with receiver() as address:
        spec = WebhookSpec(name="bench", url=address, types=("version.created",))
        hook, _ = world.events.webhooks.create(LOCAL, spec)
        _happen(world, size)
        world.follow()
        sender = world.events.webhooks.sender(Leases("bench"))
        bodies = [b"x" * 400] * size
        with httpx.Client(trust_env=False) as client:
            client.post(address, content=b"")
            bare = _taken(lambda: [client.post(address, content=body) for body in bodies])
        ours = _taken(lambda: [None for _ in iter(lambda: sender.turn(hook.id), False)])
    assert world.events.webhooks.show(LOCAL, hook.id).waiting == 0
    engine.dispose()
    comparison = ("httpx loop", size / bare)
    yield Figure("deliveries", size / ours, "per second", comparison=comparison, higher_is_better=True)
    yield Figure("deliveries beside a bare loop", bare / ours, "times", goal=SHARE, higher_is_better=True)


@benchmark(sample=100, full=10_000, servers=True)
def burst_of_changes(size: int, folder: Path) -> Iterator[Figure]:
    """`size` changes at once with 20 addresses that want all of them, and searches beside that."""
    config = (
        '[[registries]]\nname = "fraud"\nkind = "memory"\nteam = "risk"\nsync_every = 0\n'
        f'[events]\nallowed_networks = ["{ALLOWED[0]}"]\n[log]\nlevel = "warning"\n'
    )
    with receiver() as address, served(folder / "gateway", config=config) as gateway:
        world = ToldFeed.__new__(ToldFeed)
        world.engine, world.events = gateway.engine, Events(gateway.engine)
        world.ids = {"fraud": 1}
        _happen(world, size)
        untold = _searched(gateway)
        until(lambda: gateway.client.get("/search").json()["total"] == size)
        idle = _searched(gateway)
        for number in range(SUBSCRIPTIONS):
            body = {"name": str(number), "url": address}
            gateway.client.post("/webhooks", json=body).raise_for_status()
        began = time.perf_counter()
        _happen(world, size)
        until(lambda: _waiting(gateway) > 0)
        beside: list[float] = []
        while _waiting(gateway):
            beside += _searched(gateway)
        took = time.perf_counter() - began
        idle += _searched(gateway)  # over what was there before and what is there now
    quiet = spread(idle).p95
    yield Figure("search, idle, p95", quiet * 1e3, "ms")
    yield Figure("search beside a burst that nobody is sent, p95", spread(untold).p95 / quiet, "times idle")
    yield Figure("search beside a burst, p95", spread(beside).p95 / quiet, "times idle", goal=SLOWER)
    yield Figure("deliveries of a burst", size * SUBSCRIPTIONS / took, "per second", higher_is_better=True)


def _happen(world: ToldFeed, size: int) -> None:
    """So many versions, of many models."""
    for begin in range(0, size, 1000):
        keys = [Key("model", f"m{number}") for number in range(MODELS)]
        made = [
            version(keys[n % MODELS], f"{time.time_ns()}.{n}") for n in range(begin, min(begin + 1000, size))
        ]
        world.write("fraud", *(model(key, key.native_id) for key in keys), *made)


def _waiting(gateway: Served) -> int:
    return sum(one["waiting"] for one in gateway.client.get("/webhooks").json()["webhooks"])


def _searched(gateway: Served) -> list[float]:
    """Seconds that each of many searches takes."""
    taken = []
    for number in range(ASKED):
        began = time.perf_counter()
        gateway.client.get("/search", params={"q": f"m{number % MODELS}"}).raise_for_status()
        taken.append(time.perf_counter() - began)
    return taken


def _taken(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
