"""A database that is held, gone or full: a change is refused in time, the backend untouched, and all is well after."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from federation.database import writing
from tests.adapters.vertex.line import ForwardingLine
from tests.gateway.served import Served, migrated, served
from tests.servers.postgres import Postgres

CONFIG = '[[registries]]\nname = "r"\nkind = "memory"\nteam = "t"\nsync_every = 0\nwritable = true\n'
WITHIN = 2.0
LOADED = 15.0
"""What a machine that does much else may add to an answer."""
PATIENCE = 60.0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def tag(gateway: Served, value: str) -> httpx.Response:
    """Ask for a change."""
    began = time.monotonic()
    answer = gateway.client.patch("/versions/r/m:1/tags", json={"tags": {"x": value}})
    if answer.status_code == 503:
        assert time.monotonic() - began < WITHIN + LOADED
        assert answer.json()["type"] == "/problems/database-unavailable"
        assert "retry-after" in answer.headers
    return answer


def value(gateway: Served) -> str | None:
    """What the backend was told last, as it was read back."""
    tags: dict[str, str] = gateway.client.get("/versions/r/m:1").json()["tags"]
    return tags.get("x")


def listed(gateway: Served) -> list[Any]:
    """Every operation but the first, newest first."""
    return [
        one for one in gateway.client.get("/operations").json()["operations"] if one["kind"] == "set_tags"
    ]


def prepare(gateway: Served) -> None:
    """A version with a tag."""
    gateway.client.post("/registries/r/versions", json={"model": "m", "source": "s3://b/1"})
    until(lambda: gateway.client.get("/versions/r/m:1").status_code == 200)
    assert tag(gateway, "before").status_code == 202
    until(lambda: value(gateway) == "before")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with its database on a small disk, which holds a version."""
    folder = tmp_path_factory.mktemp("small")
    with small_disk(folder / "disk") as disk:
        with served(folder, config=CONFIG, database=f"sqlite:///{disk / 'waypost.db'}") as gateway:
            prepare(gateway)
            yield gateway


def test_a_database_that_another_writer_holds(small: Served) -> None:
    before = len(listed(small))
    with writing(small.engine):
        assert tag(small, "during").status_code == 503
    assert len(listed(small)) == before
    assert tag(small, "released").status_code == 202
    until(lambda: value(small) == "released")


def test_a_database_that_is_stopped(tmp_path: Path, postgres: Postgres) -> None:
    name = postgres.create()
    with ForwardingLine(f"127.0.0.1:{postgres.server.port}") as line:
        database = postgres.url(name).replace(
            f":{postgres.server.port}/", f":{line.address.rpartition(':')[2]}/"
        )
        migrated(database).dispose()
        with served(tmp_path, config=CONFIG, database=database) as gateway:
            prepare(gateway)
            line.set("refuse")
            for _ in range(3):
                assert tag(gateway, "during").status_code == 503
            line.set("through")
            until(lambda: tag(gateway, "after").status_code == 202)
            until(lambda: value(gateway) == "after")
            assert {one["wanted"]["tags"]["x"] for one in listed(gateway)} == {"before", "after"}
    postgres.drop(name)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 12 MB; as large as any where this is not root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    is_small = os.geteuid() == 0 and not subprocess.run(command, capture_output=True).returncode
    try:
        yield folder
    finally:
        if is_small:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def need_mount(disk: Path) -> None:
    if not disk.is_mount():
        pytest.skip("mounting a small disk takes root")


def fill(disk: Path) -> Path:
    """A file that leaves no room for another page of a small disk."""
    need_mount(disk)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"\0" * 4096)
    return filler


def found(gateway: Served, model: str) -> bool:
    """Whether a search, which must always answer, finds a model."""
    answer = gateway.client.get("/search", params={"q": f"model:{model}"})
    return bool(answer.raise_for_status().json()["total"])


def register(gateway: Served, model: str) -> None:
    """A new version, which the catalogue has when this returns."""
    asked = gateway.client.post("/registries/r/versions", json={"model": model, "source": "s3://b/1"})
    assert asked.status_code == 202
    until(lambda: gateway.client.get(f"/versions/r/{model}:1").status_code == 200)


def test_a_disk_that_is_full(small: Served) -> None:
    before = len(listed(small))
    filler = fill(Path(str(small.engine.url.database)).parent)
    taken = 0  # what SQLite has set aside already holds a few more
    while tag(small, f"full-{taken}").status_code == 202:
        taken += 1
        assert taken < 1_000, "a full disk was never noticed"
    filler.unlink()
    until(lambda: tag(small, "emptied").status_code == 202)
    until(lambda: value(small) == "emptied")
    until(lambda: all(one["state"] == "ok" for one in listed(small)))
    wanted = [one["wanted"]["tags"]["x"] for one in listed(small)]
    assert (wanted[0], len(set(wanted))) == ("emptied", before + taken + 1)


def test_a_disk_that_is_full_of_other_things_than_the_index(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        config = f'[search]\npath = "{disk / "index"}"\n{CONFIG}'
        with served(tmp_path, config=config) as gateway:
            register(gateway, "before")
            until(lambda: found(gateway, "before"))
            filler = fill(disk)
            register(gateway, "during")
            log = tmp_path / "gateway.log"
            until(lambda: log.read_text().count("a loop cannot go on now") > 4)
            assert found(gateway, "before")
            assert not found(gateway, "during")
            register(gateway, "meanwhile")
            filler.unlink()
            until(
                lambda: found(gateway, "during") and found(gateway, "meanwhile") and found(gateway, "before")
            )
            assert "Traceback" not in log.read_text()


def test_a_disk_that_became_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        url = f"sqlite:///{disk / 'waypost.db'}"
        with served(tmp_path, config=CONFIG, database=url) as gateway:
            prepare(gateway)
        remounted(disk, "ro")
        with served(tmp_path, config=CONFIG, database=url) as gateway:
            assert value(gateway) == "before"
            assert tag(gateway, "during").status_code == 503
            log = tmp_path / "gateway.log"
            until(lambda: "give this user the right to write" in log.read_text())
            remounted(disk, "rw")
            until(lambda: tag(gateway, "after").status_code == 202)
            register(gateway, "after")  # through the worker, whose backend in memory is a new one
            assert [one["wanted"]["tags"]["x"] for one in listed(gateway)] == ["after", "before"]


def remounted(disk: Path, how: str) -> None:
    need_mount(disk)
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)
