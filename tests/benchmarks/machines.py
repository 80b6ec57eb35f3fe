"""What gateways beside each other give, and what they ask of the PostgreSQL that they share.

Each gateway is held to a part of a core: its processes are stopped and continued in turns of a tenth of a second, by
the processor time that they have used, as `cpu.max` of a cgroup does. That needs no right to make cgroups.
"""

import http.client
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil  # type: ignore[import-untyped]

from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, benchmark
from tests.benchmarks.estate import COMMON
from tests.benchmarks.pages import MadeUpEstate, config
from tests.gateway.served import Served, migrated, served
from tests.servers.postgres import Postgres, postgres_server

PART, TURN, LOOK = 0.15, 0.1, 0.002
"""Of a core, for each gateway; seconds of a turn, and from one look to the next."""
CLIENTS = 8
"""Of each gateway."""
SMALL = 10_000


@benchmark(sample=600, full=100_000, servers=True)
def gateways_beside_each_other(size: int, folder: Path) -> Iterator[Figure]:
    """Mixed reads of three gateways that are held to 15 % of a core each, beside one; and PostgreSQL's part of it."""
    lasting = 30.0 if size > SMALL else 1.0
    with postgres_server(durable=True) as postgres, ExitStack() as running:
        url = postgres.url(postgres.create())
        migrated(url).dispose()
        estate = filled(folder, url, size)
        paths = mixed(estate, 50_000 if size > SMALL else 2_000)
        shared = f'{config()}[search]\nsnapshots = "{folder / "snapshots"}"\n'
        gateways = []
        for number in range(3):
            one = running.enter_context(served(folder / f"gateway-{number}", config=shared, database=url))
            gateways.append(one)
        load(gateways, paths, lasting)  # first, because a fresh connection costs PostgreSQL most
        before = spent(gateways), spent_by(postgres)
        load(gateways, paths, lasting)
        ours, theirs = spent(gateways) - before[0], spent_by(postgres) - before[1]
        with held([tree(one) for one in gateways]):
            alone = load(gateways[:1], paths, lasting)
            together = load(gateways, paths, lasting)
    yield Figure(
        "mixed reads of three gateways, 15 % of a core each, beside one",
        together / alone,
        "times",
        goal=2.5,
        higher_is_better=True,
    )
    yield Figure("mixed reads of one gateway with 15 % of a core", alone, "requests/s")
    yield Figure(
        "PostgreSQL's processor time beside the gateways' under mixed reads",
        theirs / ours * 100,
        "%",
        goal=10,
    )


def filled(folder: Path, url: str, size: int) -> MadeUpEstate:
    """A catalogue of `size` versions in a database, and the graph's tables."""
    file = folder / "filled.toml"
    file.write_text(f'[database]\nurl = "{url}"\n{config()}')
    waypost = Waypost(load_settings(file, {}))
    waypost.prepare()
    estate = MadeUpEstate(size)
    estate.write(waypost.engine)
    graph = waypost.followers()["graph"]
    while graph.step():
        pass
    waypost.close()
    return estate


def mixed(estate: MadeUpEstate, count: int) -> list[str]:
    """Reads as people and pipelines make them: half of them searches, each a new one; versions, impacts and models."""
    chance, found = random.Random(5), []
    for number, ref in enumerate(estate.some(count)):
        name = ref.rpartition("-")[0].rpartition("-")[2]
        search = quote(chance.choice([f"{COMMON} {name}", name, f"stage:production {name}"]))
        found.append(
            chance.choice(
                [
                    *[f"/api/v1/search?q={search}&limit={1 + number % 50}"] * 5,
                    *[f"/api/v1/versions/{quote(ref)}:{1 + number % 10}"] * 2,
                    *[f"/api/v1/impact/{quote(ref)}:{1 + number % 10}?action=archive"] * 2,
                    f"/api/v1/models/{quote(ref)}",
                ]
            )
        )
    return found


def load(gateways: Sequence[Served], paths: Sequence[str], lasting: float) -> float:
    """Requests a second that so many clients of each gateway had answered."""
    end, places = time.monotonic() + lasting, range(0, len(paths), len(paths) // CLIENTS)
    asked = [
        partial(ask, one.url, [*paths[place:], *paths[:place]], end)
        for one in gateways
        for place in random.sample(places, CLIENTS)
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        return sum(pool.map(lambda one: int(one()), asked)) / lasting


def ask(url: str, paths: Sequence[str], end: float) -> int:
    """Ask for the paths in turn until then; how many were answered."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    answered = 0
    while time.monotonic() < end:
        connection.request("GET", paths[answered % len(paths)])
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (answer.status, paths[answered % len(paths)])
        answered += 1
    connection.close()
    return answered


def tree(gateway: Served) -> list[int]:
    """The processes of a gateway, without what starts it."""
    return [one.pid for one in psutil.Process(gateway.process.process.pid).children(recursive=True)]


def used(pid: int) -> float:
    """Seconds of a core that a process has used, by its own clock of the kernel, in nanoseconds."""
    try:
        return float(time.clock_gettime((~pid << 3) | 2))
    except OSError:
        return 0.0


def spent(gateways: Sequence[Served]) -> float:
    return sum(used(pid) for one in gateways for pid in tree(one))


def spent_by(postgres: Postgres) -> float:
    return sum(used(one.pid) for one in psutil.process_iter(["name"]) if _is_of(one, postgres))


def _is_of(process: psutil.Process, postgres: Postgres) -> bool:
    with suppress(psutil.Error):
        return postgres.server.process.pid in {process.pid, *(one.pid for one in process.parents())}
    return False


@contextmanager
def held(groups: Sequence[Sequence[int]]) -> Iterator[None]:
    """Each of these groups of processes has its part of a core, and no more, while the block lasts."""
    context = get_context("spawn")
    stop = context.Event()
    holder = context.Process(target=hold, args=(groups, stop.is_set), daemon=True)
    holder.start()
    try:
        yield
    finally:
        stop.set()
        holder.join()


def hold(groups: Sequence[Sequence[int]], is_over: Callable[[], bool]) -> None:
    """Stop a group that has used its part of a turn until the next one."""
    while not is_over():
        began = time.monotonic()
        at_first = [sum(map(used, group)) for group in groups]
        stopped: set[int] = set()
        while time.monotonic() < began + TURN:
            for number, group in enumerate(groups):
                if number not in stopped and sum(map(used, group)) - at_first[number] >= PART * TURN:
                    tell(group, signal.SIGSTOP)
                    stopped.add(number)
            time.sleep(LOOK)
        for number in stopped:
            tell(groups[number], signal.SIGCONT)


def tell(group: Sequence[int], number: signal.Signals) -> None:
    for pid in group:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
