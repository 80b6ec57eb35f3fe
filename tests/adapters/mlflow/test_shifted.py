"""Rows that move between two pages of MLflow's: none is missed, and no page is taken for one that was given."""

from collections.abc import Iterator

import pytest

from adapters.mlflow import MlflowAdapter, MlflowConfig
from tests.adapters.mlflow.emulated import EmulatedMlflow
from tests.adapters.scans import scanned

NAMES = tuple("abcdefgh")


@pytest.fixture
def server() -> EmulatedMlflow:
    made = EmulatedMlflow()
    for name in NAMES:
        made.create(name)
    return made


@pytest.fixture
def adapter(server: EmulatedMlflow) -> Iterator[MlflowAdapter]:
    made = MlflowAdapter(MlflowConfig(url="http://127.0.0.1:5000", model_page=2))
    made._api.http._pool = server  # type: ignore[assignment]
    yield made
    made.close()


@pytest.mark.parametrize("deleted", [("h",), ("h", "g"), ("g", "f"), ("h", "g", "f"), ("h", "g", "f", "e")])
def test_deletes_behind_the_first_page_hide_nothing(
    server: EmulatedMlflow, adapter: MlflowAdapter, deleted: tuple[str, ...]
) -> None:
    """Newest first: where all that a page ended with is gone, the next begins at its very token again."""
    answers = iter(range(100))

    def listed() -> None:
        if next(answers) == 3:  # before the first statement of the second page
            for name in deleted:
                server.delete_model(name)

    server.point = listed
    assert scanned(adapter).models().keys() >= set(NAMES) - set(deleted)
