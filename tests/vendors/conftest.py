"""`make test` tries a fixed sample of the vendors' clients, `make test-vendors` all of them."""

from pathlib import Path

import pytest

from tests.soak import PLUGIN


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--vendors") or config.pluginmanager.has_plugin(PLUGIN):  # soaks choose by themselves
        return
    folder = str(Path(__file__).parent)
    here = {
        item for item in items if str(item.path).startswith(folder) and not item.get_closest_marker("sample")
    }
    items[:] = [item for item in items if item not in here]
    if here:
        config.hook.pytest_deselected(items=list(here))
