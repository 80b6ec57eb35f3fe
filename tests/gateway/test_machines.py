"""Several gateways on one PostgreSQL without Redis (`test_cluster` has one); a worker that dies or falls silent."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select

from federation import tables
from federation.database import open_engine, reading, writing
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.federation.sync.world import expire_leases
from tests.gateway.paper import (
    PLUGINS,
    Paper,
    ask,
    catalogued,
    finished,
    machine,
    problems,
    run_of,
    workers_of,
)
from tests.gateway.served import Served, served
from tests.patience import until
from tests.servers import blank
from tests.servers.postgres import Postgres

REGISTRIES = 4


@dataclass(frozen=True)
class TwoGateways:
    """Two gateways over one database, and the backends that both know."""

    folder: Path
    gateways: tuple[Served, Served]
    papers: dict[str, Paper]


@pytest.fixture(scope="module")
def estate(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoGateways]:
    folder = tmp_path_factory.mktemp("estate")
    papers = {f"r{number}": Paper(folder / f"r{number}") for number in range(REGISTRIES)}
    for paper in papers.values():
        for number in range(3):
            paper.add(f"model-{number}", 2)
    config = "".join(paper.config(name, page=3, pause=0.01) for name, paper in papers.items())
    name = blank.postgresql(postgres)
    url = postgres.url(name)
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(served(folder / name, config=config, database=url, plugins=PLUGINS))
            for name in ("one", "other")
        )
        yield TwoGateways(folder, (one, other), papers)
    postgres.drop(name)


def found(gateway: Served, query: str) -> int:
    """How many versions this gateway's own index has for a query."""
    total: int = gateway.client.get("/search", params={"q": query}).raise_for_status().json()["total"]
    return total


def test_each_registry_is_synchronised_by_one_at_a_time(estate: TwoGateways) -> None:
    one, _ = estate.gateways
    before = {name: len(paper.calls()) for name, paper in estate.papers.items()}
    for _ in range(3):
        for sync_id in [ask(one.engine, name) for name in estate.papers]:
            assert finished(one.engine, sync_id).state == "ok"
    for name, paper in estate.papers.items():
        calls = [(what, pid) for _, pid, what in paper.calls()[before[name] :]]
        pairs = list(zip(calls[::2], calls[1::2], strict=True))
        assert pairs
        assert all((begin[0], end[0]) == ("begin", "end") and begin[1] == end[1] for begin, end in pairs), (
            f"two workers were at {name} at once"
        )
        assert catalogued(one.engine, name) == paper.truth()
    assert problems(one.engine) == []


def test_what_one_takes_in_the_other_finds(estate: TwoGateways) -> None:
    one, other = estate.gateways
    estate.papers["r0"].add("freshly-baked", 2)
    answer = one.client.post("/registries/r0/sync").raise_for_status().json()
    assert finished(one.engine, answer["id"]).state == "ok"
    for gateway in (one, other):
        until(lambda gateway=gateway: found(gateway, "freshly-baked") == 2)  # type: ignore[misc]
        assert gateway.client.get("/versions/r0/freshly-baked@champion").json()["version"] == "1"


def test_one_that_was_paused_and_wakes_late_writes_nothing(estate: TwoGateways) -> None:
    one, _ = estate.gateways
    paper = estate.papers["r1"]
    (paper.folder / "hold").touch()
    sync_id = ask(one.engine, "r1")
    held = until(lambda: next((pid for _, pid, what in paper.calls() if what == "held"), 0), "a scan holds")
    late = next(
        gateway
        for gateway in estate.gateways
        if held in workers_of(gateway.process.log.parent / "waypost.toml")
    )
    epoch = run_of(one.engine, sync_id).epoch
    with stopped(late, held) as wake:
        paper.add("made-meanwhile")
        del paper.models["model-0"]["versions"]["2"]
        paper.write()
        expire_leases(one.engine)
        assert finished(one.engine, sync_id).state == "ok"
        assert run_of(one.engine, sync_id).epoch > epoch
        assert finished(one.engine, ask(one.engine, "r1")).state == "ok"
        before = catalogued(one.engine, "r1")
        assert before == paper.truth()
        (paper.folder / "held").unlink()
        wake()
        until(lambda: "left to another worker" in late.process.log.read_text(), "the late one gives up")
        assert catalogued(one.engine, "r1") == before
    assert problems(one.engine) == []


def test_a_worker_that_is_stopped_in_the_middle_of_a_run_leaves_it_to_be_gone_on_with(
    database: str, tmp_path: Path
) -> None:
    paper = Paper(tmp_path / "paper")
    for number in range(4):
        paper.add(f"model-{number}", 2)
    folder, config = tmp_path / "gateway", paper.config("r", page=5)
    with machine(folder, config, database) as worker:
        assert finished(worker.engine, ask(worker.engine, "r")).state == "ok"
        told = entries(worker.engine)
        paper.add("model-4", 2)
        before = len(paper.calls())
        (paper.folder / "hold").touch()
        sync_id = ask(worker.engine, "r")
        hold_the_second_page(paper, lambda: [what for _, _, what in paper.calls()[before:]])
        stopping = worker.worker.process
    assert stopping is not None
    assert stopping.returncode == 0  # it waited for no backend, so nobody had to kill it
    engine = open_engine(database)
    cut = run_of(engine, sync_id)
    assert (cut.state, cut.page, cut.finished_at) == ("running", "5", None)
    with reading(engine) as connection:
        owners = set(connection.execute(select(tables.lease.c.owner)).scalars())
        registry = connection.execute(select(tables.registry)).one()
    assert owners == {None}
    assert (registry.failures, registry.last_error, registry.partial) == (0, None, False)
    assert "registry.state_changed" not in entries(engine)[len(told) :]
    assert list(folder.rglob("*.held")) == list(folder.rglob("deaths.json")) == []
    (paper.folder / "held").unlink()
    asked = len(paper.calls())
    with machine(folder, config, database):
        assert finished(engine, sync_id).state == "ok"
    assert [what for _, _, what in paper.calls()[asked:]].count("begin") == 2  # of three pages
    assert catalogued(engine, "r") == paper.truth()
    assert problems(engine) == []
    engine.dispose()


def entries(engine: Engine) -> list[str]:
    """The actions of the journal, in order."""
    with reading(engine) as connection:
        return list(
            connection.execute(select(tables.journal.c.action).order_by(tables.journal.c.seq)).scalars()
        )


def hold_the_second_page(paper: Paper, calls: Callable[[], list[str]]) -> None:
    """See that a scan that holds its first page waits with its second one in its hand."""
    until(lambda: "held" in calls(), "the first page is held")
    (paper.folder / "hold").touch()
    (paper.folder / "held").unlink()
    until(lambda: calls().count("held") == 2, "the second page is held")


def test_machines_of_one_name_with_copies_of_one_folder_take_nothing_from_each_other(
    postgres: Postgres, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "data", tmp_path / "moved"
    folder.mkdir()
    name = postgres.create(postgres.template("blank", blank.migrate))
    (folder / "waypost.toml").write_text(f'[database]\nurl = "{postgres.url(name)}"\n')
    one = Waypost(load_settings(folder / "waypost.toml"))
    owner = one.leases.owner
    folder.rename(moved)
    shutil.copytree(moved, folder)
    other, again = (Waypost(load_settings(here / "waypost.toml")) for here in (folder, moved))
    with writing(one.engine) as connection:
        for work in ("sync", "operations"):
            held = one.leases.take(connection, work, 1)
            assert held is not None
            assert other.leases.take(connection, work, 1) is None
            after = again.leases.take(connection, work, 1)  # started anew, it goes on at once
            assert after is not None
            assert after.epoch > held.epoch
    assert again.leases.owner == owner
    for waypost in (one, other, again):
        waypost.close()
    postgres.drop(name)


def test_sealing_is_a_follower_that_all_gateways_share(tmp_path: Path) -> None:
    config = tmp_path / "waypost.toml"
    for days in (0, 30):
        config.write_text(f"[audit]\nkeep_days = {days}\n")
        waypost = Waypost(load_settings(config))
        assert ("sealing" in waypost.shared_followers()) == bool(days)
        waypost.close()


@contextmanager
def stopped(gateway: Served, worker: int) -> Iterator[Callable[[], None]]:
    """Freeze a gateway and its worker; calling what is given lets the worker go on alone."""
    gateway.process.pause()
    os.kill(worker, signal.SIGSTOP)
    try:
        yield lambda: os.kill(worker, signal.SIGCONT)
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
        gateway.process.resume()


def end(pid: int, config: Path) -> None:
    """See that a worker is gone, which nobody else would end while it is frozen."""
    if pid in workers_of(config):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass
class Reader:
    """Somebody who reads all the time, and what went wrong meanwhile."""

    url: str
    registry: str
    wrong: list[str] = field(default_factory=list)
    reads: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def reading(self) -> Iterator[None]:
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _read(self) -> None:
        with httpx.Client(
            base_url=f"{self.url}/api/v1", timeout=60.0, trust_env=False, verify=False
        ) as client:
            while not self._stopped.is_set():
                for path in (
                    "/registries",
                    "/search?q=model",
                    f"/versions/{self.registry}/model-0:1",
                    f"/impact/{self.registry}/model-0:1",
                ):
                    answer = client.get(path)
                    self.reads += 1
                    if answer.status_code != 200:
                        self.wrong.append(f"{path}: {answer.status_code} {answer.text[:100]}")


BLOWS = {"dies": signal.SIGKILL, "silent": signal.SIGSTOP}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, Paper]]]:
    """One gateway with a registry for each blow, and what they read."""
    folder = tmp_path_factory.mktemp("alone")
    papers = {name: Paper(folder / name) for name in BLOWS}
    config = "".join(paper.config(name) for name, paper in papers.items())
    with served(folder / "gateway", config=config, plugins=PLUGINS) as gateway:
        yield gateway, papers


@pytest.mark.parametrize("name", BLOWS)
def test_a_worker_that_is_lost_is_replaced_while_reads_go_on(
    name: str, alone: tuple[Served, dict[str, Paper]]
) -> None:
    gateway, paper = alone[0], alone[1][name]
    paper.add("model-0", 3)
    assert finished(gateway.engine, ask(gateway.engine, name)).state == "ok"
    until(lambda: found(gateway, f"registry:{name}") == 3)
    file = gateway.process.log.with_name("waypost.toml")
    (old,) = workers_of(file)
    reader = Reader(gateway.url, name)
    with ExitStack() as stack, reader.reading():
        stack.callback(end, old, file)
        os.kill(old, BLOWS[name])
        paper.add("model-1", 1)
        sync_id = gateway.client.post(f"/registries/{name}/sync").raise_for_status().json()["id"]
        assert finished(gateway.engine, sync_id).state == "ok"
        until(lambda: found(gateway, f"registry:{name}") == 4)
    until(lambda: old not in workers_of(file), "the old one is gone")
    assert len(workers_of(file)) == 1
    assert reader.reads
    assert reader.wrong == []
    assert problems(gateway.engine) == []
