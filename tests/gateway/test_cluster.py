"""A cluster with whatever may go wrong in one: machines, processes, links, clocks and disks fail while people work."""

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from federation import tables
from federation.database import reading
from federation.journal.log import read_tiles
from federation.journal.merkle import frontier_at
from federation.journal.verify import parse_checkpoint
from federation.operations.tables import operation
from tests.cluster import Cluster, Gateway, cluster
from tests.gateway.paper import Paper, ask, catalogued, finished, problems
from tests.patience import PATIENCE, until
from tests.servers.machines import has_namespaces, set_clock
from tests.soak import PLUGIN, soak

READ, WRITTEN = ("r0", "r1", "r2"), "w"
"""Registries that change by themselves, and one that is changed through the gateways alone."""
MODELS, WRITTEN_MODELS, HOUR = 6, 60, 3600.0
"""Models of a registry; of the one that is written, in full size: operations of one model go one at a time."""
RATE, BEHIND, OVER = 300, 1.0, 2.0
"""Operations a second that are asked for, in full size; seconds that a writer may be late and make up for; seconds over
which it is counted how many were acknowledged."""
OPEN = ("queued", "running", "unknown")
SHOWN_WITHIN, WRITTEN_WITHIN = 2.0, 15.0
"""Seconds, in full size: within which a change shows on other gateways though Redis is gone, and within which it is
written again after the primary was killed."""


@dataclass
class ClusterEstate:
    """A cluster and the backends that it reads."""

    whole: Cluster
    papers: dict[str, Paper]
    is_full: bool
    models: int
    """Of the registry that is written."""


@pytest.fixture(scope="module")
def estate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterEstate]:
    folder = tmp_path_factory.mktemp("cluster")
    papers = {name: Paper(folder / name) for name in (*READ, WRITTEN)}
    is_full = request.config.pluginmanager.get_plugin(PLUGIN) is not None
    models = WRITTEN_MODELS if is_full else MODELS
    for name, paper in papers.items():
        for number in range(models if name == WRITTEN else MODELS):
            paper.add(f"model-{number}", 3)
    read = [papers[name].config(name, page=5, pause=0.01, sync_every=2) for name in READ]
    written = (
        papers[WRITTEN].config(WRITTEN, sync_every=5).replace("sync_every", "writable = true\nsync_every")
    )
    count = 3 if is_full else 2
    with cluster(folder, gateways=count, registries="".join([*read, written])) as whole:
        for name in papers:
            assert finished(whole.engine, ask(whole.engine, name)).state == "ok"
        yield ClusterEstate(whole, papers, is_full, models)


@dataclass
class People:
    """Who works meanwhile: what they were told is done, and every checkpoint that they were shown."""

    estate: ClusterEstate
    writers: int = 2
    pause: float = 0.2
    """Seconds that one of them waits at most before asking again."""
    rate: float = 0.0
    """Writes a second that are asked for by all of the writers together, in even time; 0: each as it likes."""
    accepted: list[int] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    """When each write was acknowledged."""
    checkpoints: set[str] = field(default_factory=set)
    answers: int = 0
    _due: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _awake: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "People":
        self._awake.set()
        for work in (*[self._write] * self.writers, self._read, self._audit):
            thread = threading.Thread(target=self._go_on, args=(work,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._awake.set()
        for thread in self._threads:
            thread.join()

    def write_on(self, more: int) -> None:
        """Returns once so many more writes are accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) >= before + more, "it is written")

    def driven(self) -> float:
        """Writes a second that are acknowledged; it waits until that is what is asked for, or for as long as a slow
        machine may take."""
        end, rate = time.monotonic() + PATIENCE, 0.0
        while rate < self.rate and time.monotonic() < end:
            time.sleep(0.1)
            since = time.monotonic() - OVER
            rate = max(rate, sum(at > since for at in self.told[-int(2 * OVER * self.rate) :]) / OVER)
        return rate

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nobody writes while the block lasts."""
        self._awake.clear()
        yield
        self._awake.set()

    def _go_on(self, work: Callable[[http.client.HTTPConnection, random.Random], None]) -> None:
        rng = random.Random(threading.get_ident())
        url = self.estate.whole.client.base_url
        while not self._stopped.is_set():
            line = http.client.HTTPConnection(url.host, url.port, timeout=10.0)
            with suppress(OSError, http.client.HTTPException):
                while not self._stopped.wait(self._until_next(work, rng)):
                    work(line, rng)
                    self.answers += 1
            line.close()

    def _until_next(self, work: Callable[..., None], rng: random.Random) -> float:
        """Seconds until somebody does something again."""
        if work == self._write:
            self._awake.wait()
        if not self.rate or work != self._write:
            return rng.uniform(0.0, self.pause)
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due + 1 / self.rate, now - BEHIND)
            return max(0.0, self._due - now)

    def _ask(self, line: http.client.HTTPConnection, path: str, tags: object = None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.estate.whole.token}", "Content-Type": "application/json"}
        method, body = ("GET", None) if tags is None else ("PATCH", json.dumps({"tags": tags}))
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.read()

    def _write(self, line: http.client.HTTPConnection, rng: random.Random) -> None:
        ref = f"{WRITTEN}/model-{rng.randrange(self.estate.models)}:{rng.randrange(1, 4)}"
        status, body = self._ask(line, f"/api/v1/versions/{ref}/tags", {"n": str(rng.randrange(1000))})
        if status == httpx.codes.ACCEPTED:
            self.accepted.append(json.loads(body)["id"])
            self.told.append(time.monotonic())

    def _read(self, line: http.client.HTTPConnection, rng: random.Random) -> None:
        name = rng.choice(READ)
        self._ask(line, f"/api/v1/search?q=registry:{name}")
        self._ask(line, f"/api/v1/versions/{name}/model-0@champion")

    def _audit(self, line: http.client.HTTPConnection, _rng: random.Random) -> None:
        status, body = self._ask(line, "/api/v1/audit/checkpoint")
        if status == httpx.codes.OK:
            self.checkpoints.add(body.decode())


def a_gateway_dies(whole: Cluster, rng: random.Random) -> None:
    gateway = rng.choice(whole.gateways)
    gateway.kill()
    time.sleep(rng.uniform(0.0, 2.0))
    gateway.start(wait=False)


def a_worker_dies(whole: Cluster, rng: random.Random) -> None:
    rng.choice(whole.gateways).kill_worker()


def redis_dies(whole: Cluster, rng: random.Random) -> None:
    whole.kill_redis()
    time.sleep(rng.uniform(0.0, 3.0))
    whole.start_redis()


def the_primary_dies(whole: Cluster, rng: random.Random) -> None:
    whole.database.fail_over()
    time.sleep(rng.uniform(0.0, 2.0))
    whole.database.add_standby()


def a_machine_is_cut_off(whole: Cluster, rng: random.Random) -> None:
    machine = rng.choice(whole.gateways).machine
    machine.cut()
    time.sleep(rng.uniform(0.5, 8.0))
    machine.mend()


def a_clock_is_wrong(whole: Cluster, rng: random.Random) -> None:
    machine = rng.choice(whole.gateways).machine
    set_clock(machine, rng.choice([-HOUR, HOUR]))
    time.sleep(rng.uniform(0.5, 5.0))
    set_clock(machine, 0)


def a_disk_is_full(whole: Cluster, rng: random.Random) -> None:
    ballast = rng.choice(whole.gateways).machine.path("ballast")
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    time.sleep(rng.uniform(0.5, 5.0))
    ballast.unlink()


FAULTS = [
    the_primary_dies,
    a_worker_dies,
    a_machine_is_cut_off,
    a_clock_is_wrong,
    redis_dies,
    a_gateway_dies,
    *([a_disk_is_full] if has_namespaces() else []),
]


@soak(sample=2, full=500, batch=25)
def test_whatever_fails_while_people_work_nothing_is_lost_doubled_or_told_wrongly(
    cases: int, seed: int, estate: ClusterEstate
) -> list[str]:
    rng, whole = random.Random(seed), estate.whole
    with People(estate) as people:
        for _, fault in zip(range(cases), cycle(FAULTS), strict=False):
            for name in READ:
                estate.papers[name].change(rng, 2)
            fault(whole, rng)
            before = people.answers
            until(lambda before=before: people.answers > before, "somebody is answered")  # type: ignore[misc]
    return [f"{cases} faults: {line}" for line in wrong_of(estate, people)]


def wrong_of(estate: ClusterEstate, people: People) -> Iterator[str]:
    """What does not hold once all is well again."""
    whole = estate.whole
    for gateway in whole.gateways:
        until(gateway.is_back, f"{gateway.machine.name} is ready", patience=3 * PATIENCE)
    until(lambda: not left_open(whole), "every operation ends", patience=3 * PATIENCE)
    for name, paper in estate.papers.items():
        yield from settled(whole, name, paper)
        yield from at_once(paper, name)
    yield from problems(whole.engine)
    yield from kept(whole, people)
    until(lambda: handed_over(whole) == {"search", "graph"}, "index and graph are there for a new gateway")


def settled(whole: Cluster, name: str, paper: Paper) -> Iterator[str]:
    """Whether catalogue and every index have what the backend has."""
    finished(
        whole.engine, ask(whole.engine, name)
    )  # one that was cut off proves no absence, the next one does
    row = finished(whole.engine, ask(whole.engine, name))
    if row.state != "ok":
        yield f"a run of {name} ended {row.state}: {row.errors}"
    there, truth = catalogued(whole.engine, name), paper.truth()
    if there != truth:
        yield f"{name} and its backend differ in {sorted(there.items() ^ truth.items())[:5]}"
    versions = sum(kind == "version" for kind, _ in truth)
    for gateway in whole.gateways:
        try:
            until(partial(has, gateway, name, versions), f"{gateway.machine.name} finds all of {name}")
        except AssertionError as error:
            yield f"{error}, {versions} versions: {said_by(gateway, name)}"


def kept(whole: Cluster, people: People) -> Iterator[str]:
    """Whether what people were told is so."""
    with reading(whole.engine) as connection:
        known = set(connection.execute(select(operation.c.id)).scalars())
        versions, registries = tables.version.c, tables.registry.c
        gone = select(func.count()).where(versions.registry_id == registries.id, registries.name == WRITTEN)
        phantoms = connection.execute(gone.where(versions.deleted_at.is_not(None))).scalar_one()
        for text in people.checkpoints:
            told = parse_checkpoint(text.partition("\n\n")[0] + "\n")
            there = frontier_at(told.size, lambda wanted: read_tiles(connection, wanted))
            if there.root() != told.root:
                yield f"a checkpoint of {told.size} entries was served that the journal does not lead to"
    if lost := set(people.accepted) - known:
        yield f"{len(lost)} operations were acknowledged and are lost"
    if phantoms:
        yield f"{phantoms} versions were told to be deleted that never were"
    if not people.accepted or not people.checkpoints:
        yield "nobody could work"


def handed_over(whole: Cluster) -> set[str]:
    """Of what there are snapshots for a new gateway."""
    made = (whole.folder / "snapshots").glob("*/*/manifest")
    return {path.parent.name.partition("-")[0] for path in made}


def left_open(whole: Cluster) -> int:
    with reading(whole.engine) as connection:
        query = select(func.count()).select_from(operation).where(operation.c.state.in_(OPEN))
        return int(connection.execute(query).scalar_one())


def said_by(gateway: Gateway, registry: str) -> str:
    """What a gateway finds, how its parts stand, and the end of its log."""
    found = gateway.client.get("/api/v1/search", params={"q": f"registry:{registry}", "limit": 1}).text[:300]
    ready = gateway.client.get("/health/ready").text
    log = gateway.process.log_tail() if gateway.process is not None else ""
    return f"{found}\n{ready}\n{log}"


def has(gateway: Gateway, registry: str, versions: int) -> bool:
    """Whether this gateway's own index has so many of a registry."""
    with suppress(httpx.HTTPError):
        answer = gateway.client.get("/api/v1/search", params={"q": f"registry:{registry}"})
        return answer.is_success and answer.json()["total"] == versions
    return False


def finds(gateway: Gateway, ref: str) -> bool:
    """Whether this gateway's own index has a version."""
    answer = gateway.client.get("/api/v1/search", params={"q": ref.partition("/")[2].partition(":")[0]})
    return any(hit["ref"] == ref for hit in answer.json()["hits"])


def at_once(paper: Paper, name: str) -> Iterator[str]:
    """Whether two processes were at a backend at the same time: pages that were read to their end, in order."""
    began: dict[int, float] = {}
    pages = []
    for at, pid, what in paper.calls():
        if what == "begin":
            began[pid] = at
        elif what == "end":
            pages.append((began[pid], at, pid))
    for one, other in pairwise(sorted(pages)):
        if other[0] < one[1] and one[2] != other[2]:
            yield f"two workers were at {name} at once: {one[2]} and {other[2]}"


@soak(sample=1, full=20, batch=4)
def test_a_primary_that_is_killed_under_writes_is_soon_written_to_again(
    cases: int, seed: int, estate: ClusterEstate
) -> list[str]:
    whole, waited, driven = estate.whole, [], []
    people = People(estate, writers=32, rate=RATE) if estate.is_full else People(estate)
    with people:
        for _ in range(cases):
            for name in READ:
                estate.papers[name].change(random.Random(seed), 5)
                ask(whole.engine, name)
            people.write_on(10)
            with ExitStack() as stack:
                for gateway in whole.gateways:
                    stack.enter_context(gateway.answering_first())
                driven.append(people.driven())
                began = time.monotonic()
                whole.database.fail_over()
                people.write_on(1)
                waited.append(time.monotonic() - began)
            with people.resting():  # so that what waits does not grow from one case to the next
                whole.database.add_standby()
                until(lambda: not left_open(whole), "every operation ends", patience=3 * PATIENCE)
    print(
        f"written again after {max(waited):.1f} s at most, under {min(driven):.0f} operations a second at least; "
        f"{len(people.accepted)} operations",
        file=sys.stderr,
    )
    late = []
    if estate.is_full and max(waited) > WRITTEN_WITHIN:
        late.append(f"written again after {max(waited):.1f} s")
    if estate.is_full and min(driven) < RATE:
        late.append(f"only {min(driven):.0f} operations a second were driven: this machine is too busy")
    return [*late, *wrong_of(estate, people)]


@soak(sample=1, full=100, batch=100)
def test_without_redis_a_change_shows_elsewhere(cases: int, seed: int, estate: ClusterEstate) -> list[str]:
    whole, paper, late = estate.whole, estate.papers["r0"], []
    one, other = whole.gateways[:2]
    whole.kill_redis()
    try:
        for case in range(cases):
            name = f"baked-{seed}-{case}"
            paper.add(name, 1)
            answer: Any = one.client.post("/api/v1/registries/r0/sync").raise_for_status().json()
            assert finished(whole.engine, answer["id"]).state == "ok"
            began = time.monotonic()
            until(partial(finds, other, f"r0/{name}:1"), f"{name} is found elsewhere")
            late.append(time.monotonic() - began)
    finally:
        whole.start_redis()
    slowest = max(late)
    print(f"shown elsewhere after {slowest:.2f} s at most", file=sys.stderr)
    return [f"a change showed after {slowest:.1f} s"] if estate.is_full and slowest > SHOWN_WITHIN else []
