"""`make test` tries a fixed sample of the vendors' clients, `make test-vendors` all of them."""

import pytest

from tests.soak import PLUGIN


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--vendors") or config.pluginmanager.has_plugin(PLUGIN):  # soaks choose by themselves
        return
    here = [item for item in items if "vendors" in item.path.parts and not item.get_closest_marker("sample")]
    items[:] = [item for item in items if item not in set(here)]
    if here:
        config.hook.pytest_deselected(items=here)
