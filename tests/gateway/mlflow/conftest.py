"""One gateway and one client's process for all tests of the dialect on the in-memory backend."""

from collections.abc import Iterator

import pytest

from tests.gateway.mlflow.client import RunningClient, mlflow_client
from tests.gateway.served import Served, served

CONFIG = """
[[registries]]
name = "r"
kind = "memory"
team = "t"
sync_every = 0
writable = true
stages = { production = ["stage:Production", "alias:champion"] }
config = { backend = "r" }
[[registries]]
name = "closed"
kind = "memory"
team = "t"
sync_every = 0
config = { backend = "closed" }
[[policies]]
name = "guarded"
on = "r/guarded"
stage = "production"
require = ["owner"]
"""


@pytest.fixture(scope="session")
def facade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("facade"), config=CONFIG) as running:
        yield running


@pytest.fixture(scope="session")
def mlflow_process_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClient]:
    with mlflow_client(str(tmp_path_factory.mktemp("client"))) as client:
        yield client


@pytest.fixture
def client(facade: Served, mlflow_process_of_ours: RunningClient) -> RunningClient:
    """MLflow's client with the façade over the in-memory registry."""
    return mlflow_process_of_ours.at(f"{facade.url}/mlflow/r")
