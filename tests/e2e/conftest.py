"""What tests of several systems share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.demo.servers import Server, mlflow_server
from tests.soak import PLUGIN


@pytest.fixture(scope="module")
def servers(
    request: pytest.FixtureRequest, mlflow_process: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    """One server in the sample, two in full size."""
    with ExitStack() as stack:
        found = [mlflow_process]
        if request.config.pluginmanager.get_plugin(PLUGIN) is not None:
            found.append(stack.enter_context(mlflow_server(tmp_path_factory.mktemp("second"))))
        yield found
