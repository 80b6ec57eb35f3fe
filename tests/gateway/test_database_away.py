"""A gateway that is started while its database is away: it starts, says so, and goes on when the database comes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.demo.servers import Server, reserved_port, server
from tests.patience import until
from tests.servers import blank
from tests.servers.cable import Cable
from tests.servers.postgres import Postgres


@contextmanager
def started(folder: Path, port: int, database: str) -> Iterator[Server]:
    """`waypost serve` over a database at a port, once it answers at all."""
    file = folder / "waypost.toml"
    with reserved_port() as own:
        file.write_text(
            f'[server]\nport = {own}\n[database]\nurl = "postgresql+psycopg://waypost@127.0.0.1:{port}/{database}"\n'
            '[[registries]]\nname = "r"\nkind = "memory"\nteam = "t"\n'
        )
        url = f"http://127.0.0.1:{own}"
        with server(
            "gateway",
            [sys.executable, "-m", "gateway", "serve", "--config", str(file)],
            port=own,
            log=folder / "gateway.log",
            ready=lambda: health(url, "live") == 200,
            environment=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        ) as running:
            yield running


def health(url: str, what: str) -> int:
    try:
        return httpx.get(f"{url}/health/{what}", timeout=30.0, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


def test_it_starts_and_says_what_is_missing_and_goes_on_by_itself(tmp_path: Path, postgres: Postgres) -> None:
    name = blank.postgresql(postgres)
    with reserved_port() as port, started(tmp_path, port, name) as gateway:
        found = httpx.get(f"{gateway.url}/health/ready", timeout=30.0, trust_env=False)
        assert found.status_code == 503
        assert found.json()["checks"]["database"].startswith("the database cannot be used now")
        assert httpx.get(f"{gateway.url}/api/v1/registries", timeout=30.0).status_code == 503
        assert "the gateway starts and waits for it" in gateway.log.read_text()
        cable = Cable(postgres.server.port, port)
        try:
            until(lambda: health(gateway.url, "ready") == 200, "it is ready")
            listed = httpx.get(f"{gateway.url}/api/v1/registries", timeout=30.0).json()
            assert [one["name"] for one in listed["registries"]] == ["r"]
        finally:
            cable.close()


def test_one_that_cannot_work_with_the_database_that_comes_ends_and_says_why(
    tmp_path: Path, postgres: Postgres
) -> None:
    with reserved_port() as port, started(tmp_path, port, postgres.create()) as gateway:
        cable = Cable(postgres.server.port, port)
        try:
            until(lambda: not gateway.running, "it ends")
        finally:
            cable.close()
    assert "run `waypost migrate` and start again" in (tmp_path / "gateway.log").read_text()
