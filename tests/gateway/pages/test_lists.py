"""Every list is there as JSON and as CSV, at its own address and by the Accept header, for who may see it."""

import csv
import io
from collections.abc import Iterator

import pytest

from tests.gateway.access.gate import Gate, gate

LISTS = {
    "/": "/search",
    "/search": "/search",
    "/registries": "/registries",
    "/registries/fraud": "/registries/fraud",
    "/insights": "/insights",
    "/insights/orphans": "/insights/orphans",
    "/production": "/production",
    "/audit": "/audit",
    "/operations": "/operations",
    "/tokens": "/tokens",
    "/grants": "/grants",
}
"""The address of a list and what stands before `.json` and `.csv`."""


@pytest.fixture(scope="module")
def open_gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, str]]:
    with gate(tmp_path_factory.mktemp("lists"), teams=[("fraud", "risk")]) as found:
        yield found, found.token("all", ("viewer", "*"), ("auditor", "*"), ("operator", "*"))


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_there_as_data(open_gate: tuple[Gate, str], path: str) -> None:
    found, token = open_gate
    for address, accept in ((f"{LISTS[path]}.json", "text/html"), (path, "application/json")):
        answer = found.ask("GET", address, token=token, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        answer.json()
    for address, accept in ((f"{LISTS[path]}.csv", "text/html"), (path, "text/csv")):
        answer = found.ask("GET", address, token=token, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert isinstance(list(csv.reader(io.StringIO(answer.text))), list)
    shown = found.ask("GET", path, token=token, headers={"Accept": "text/html"}).text
    empty = 'class="empty"' in shown or "None yet" in shown
    assert empty or f'href="{LISTS[path]}.csv' in shown


@pytest.mark.parametrize("path", ["/audit", "/tokens", "/grants"])
def test_data_needs_what_its_page_needs(open_gate: tuple[Gate, str], path: str) -> None:
    found, _ = open_gate
    token = found.token(f"reader-{path.strip('/')}", ("viewer", "*"))
    for address in (path, f"{path}.json", f"{path}.csv"):
        assert found.ask("GET", address, token=token).status_code == 403
