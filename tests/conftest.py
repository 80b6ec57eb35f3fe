"""What every test shares: the real servers."""

import hypothesis
import pytest
from hypothesis import settings

from tests.servers.fixtures import (
    database,
    mlflow_process,
    mlflow_server,
    moto,
    moto_server,
    postgres,
    redis_server,
    redis_url,
)

__all__ = [
    "database",
    "mlflow_process",
    "mlflow_server",
    "moto",
    "moto_server",
    "postgres",
    "redis_server",
    "redis_url",
]


settings.register_profile("waypost", deadline=None)  # a busy machine is no failure
settings.load_profile("waypost")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send all tests on the shared MLflow server to one process: starting it is what costs."""
    for item in items:
        if "mlflow_process" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("mlflow"))


def pytest_configure() -> None:
    """Keep a busy machine from failing a property: no test looks at a time."""
    hypothesis.settings.register_profile(
        "waypost", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("waypost")
