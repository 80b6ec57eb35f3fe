"""The MLflow adapter passes the conformance suite against a real server."""

from collections.abc import Iterator

import pytest

from adapters.conformance import Conformance
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import MlflowHarness, running
from tests.servers.mlflow import empty


@pytest.fixture(scope="module")
def harness(mlflow_process: Server) -> Iterator[MlflowHarness]:
    empty(mlflow_process)
    with running(mlflow_process.url) as made:
        yield made


class TestMlflow(Conformance, harness=MlflowHarness):
    """Every check but those about endpoints and another clock, which a real MLflow server has not."""
