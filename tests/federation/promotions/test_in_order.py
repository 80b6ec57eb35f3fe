"""Everything that a policy may be asked of is read page by page, in the order of names, and nothing twice or never."""

from collections.abc import Iterator
from itertools import chain

import pytest

from federation.access import EVERYTHING, View
from federation.database import reading
from federation.promotions.reader import read_in_order
from federation.references import Reference
from tests.federation.graph.chain import build
from tests.federation.graph.estate import Estate


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    made = Estate(tmp_path_factory.mktemp("estate"))
    build(made)
    yield made
    made.engine.dispose()


def pages(estate: Estate, view: View, under: str, limit: int) -> Iterator[list[str]]:
    after: Reference | None = None
    with reading(estate.engine) as connection:
        while found := read_in_order(connection, view, under, after, limit):
            assert len(found) <= limit
            yield [str(one.reference) for one in found]
            after = found[-1].reference


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
def test_pages_of_any_size_have_everything_once_and_in_order(estate: Estate, limit: int) -> None:
    [whole] = pages(estate, EVERYTHING, "", 1000)
    assert len(whole) == len(set(whole)) > 5
    assert len({ref.partition("/")[0] for ref in whole}) > 1
    assert [ref.partition("/")[0] for ref in whole] == sorted(ref.partition("/")[0] for ref in whole)
    assert list(chain.from_iterable(pages(estate, EVERYTHING, "", limit))) == whole


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_a_registry_a_model_or_a_view_has_its_part_of_that(estate: Estate, limit: int) -> None:
    [whole] = pages(estate, EVERYTHING, "", 1000)
    for name, id_ in estate.ids.items():
        part = [ref for ref in whole if ref.startswith(f"{name}/")]
        assert list(chain.from_iterable(pages(estate, EVERYTHING, name, limit))) == part
        assert list(chain.from_iterable(pages(estate, View.of([id_]), "", limit))) == part
    model = whole[0].rpartition(":")[0]
    mine = [ref for ref in whole if ref.rpartition(":")[0] == model]
    assert list(chain.from_iterable(pages(estate, EVERYTHING, model, limit))) == mine
