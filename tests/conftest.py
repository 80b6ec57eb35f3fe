"""What every test shares: the real servers."""

import signal
from typing import Any

import hypothesis
import pytest

from tests.servers.fixtures import (
    database,
    demo,
    demo_gateway,
    mlflow_address,
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
    "demo",
    "demo_gateway",
    "mlflow_address",
    "mlflow_process",
    "mlflow_server",
    "moto",
    "moto_server",
    "postgres",
    "redis_server",
    "redis_url",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send to one process all tests on the shared MLflow server, those on the demo, and those of a module that share
    something: starting it is what costs.
    """
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "mlflow_process" in names:
            item.add_marker(pytest.mark.xdist_group("mlflow"))
        elif "demo" in names:
            item.add_marker(pytest.mark.xdist_group("demo"))
        elif _shares_within_its_module(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _shares_within_its_module(item: pytest.Item) -> bool:
    known: dict[str, Any] = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009
    return any(found[-1].scope == "module" for found in known.values())


def pytest_configure() -> None:
    """Keep a busy machine from failing a property: no test looks at a time. Try the same examples each time: new ones
    are drawn by `make soak`. Let what tests start hear Ctrl-C, also where this was itself started in the background,
    which shells make deaf to it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "waypost", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("waypost")
