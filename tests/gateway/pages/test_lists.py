"""Every list is there as JSON and as CSV, at its own address and by the Accept header, for who may see it."""

import csv
import io
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from gateway.pages.part import ROWS
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
    "/principals": "/principals",
    "/sessions": "/sessions",
    "/promotions": "/promotions",
}
"""The address of a list and what stands before `.json` and `.csv`."""
HTML = {"Accept": "text/html"}


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


def test_a_long_list_is_shown_in_parts_found_by_name_and_whole_as_data(
    open_gate: tuple[Gate, str],
) -> None:
    found, token = open_gate
    made = [f"robot-{number:03}" for number in range(ROWS + 20)]
    for name in made:
        found.token(name)
    for path in ("/tokens", "/principals"):
        names: list[str] = []
        at: str | None = path
        while at is not None:
            page = found.ask("GET", at, token=token, headers=HTML).text
            shown = re.findall(r"<th scope=\"row\"[^>]*><bdi>([^<]+)</bdi>", page)
            assert 0 < len(shown) <= ROWS
            names += shown
            onward = re.search(r'href="([^"]+)" rel="next"', page)
            at = unescape(onward[1]) if onward else None
        assert set(made) <= set(names)
        assert len(names) == len(set(names))
        some = found.ask("GET", f"{path}?find=ROBOT-01", token=token, headers=HTML).text
        assert re.findall(r"<bdi>(robot-\d+)</bdi>", some) == made[10:20]
        none = found.ask("GET", f"{path}?find=nobody-at-all", token=token, headers=HTML).text
        assert "See everything" in none
        for strange in ("-1", "99999999999999999999", "x", "²"):
            answer = found.ask("GET", path, params={"first": strange}, token=token, headers=HTML)
            assert answer.status_code == 200
        rows = csv.reader(io.StringIO(found.ask("GET", f"{path}.csv", token=token).text))
        assert len(list(rows)) == len(names) + 1


def test_many_registries_are_shown_in_parts_and_found_by_name_or_team(tmp_path: Path) -> None:
    teams = [(f"r{number:03}", f"team-{number % 2}") for number in range(ROWS + 20)]
    with gate(tmp_path, teams=teams) as found:
        token = found.token("all", ("viewer", "*"))

        def shown(query: str) -> list[str]:
            page = found.ask("GET", f"/registries{query}", token=token, headers=HTML).text
            assert f"{ROWS + 20} registries with" in page, "all are counted"
            return re.findall(r"<th scope=\"row\"[^>]*><a [^>]*><bdi>([^<]+)</bdi>", page)

        names = [name for name, _ in teams]
        assert shown("") == names[:ROWS]
        assert shown(f"?first={ROWS}") == names[ROWS:]
        assert shown("?find=R01") == names[10:20]
        assert shown("?find=team-1") == names[1::2]
        assert shown("?find=nobody") == []
        rows = csv.reader(io.StringIO(found.ask("GET", "/registries.csv", token=token).text))
        assert len(list(rows)) == len(names) + 1


@pytest.mark.parametrize("path", ["/operations", "/promotions"])
def test_what_was_asked_for_is_gone_through_by_id(open_gate: tuple[Gate, str], path: str) -> None:
    found, token = open_gate
    for before in ("1", str(2**62)):
        assert found.ask("GET", f"{path}?before={before}", token=token, headers=HTML).status_code == 200
    assert found.ask("GET", f"{path}?before=x", token=token, headers=HTML).status_code == 400


def test_a_file_that_may_lack_rows_says_so_by_its_name(
    open_gate: tuple[Gate, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, token = open_gate
    whole = found.ask("GET", "/audit.csv", token=token)
    assert "-first-" not in whole.headers["content-disposition"]
    monkeypatch.setattr("gateway.pages.audit.MOST", 3)
    part = found.ask("GET", "/audit.csv", token=token)
    assert part.headers["content-disposition"].endswith('-first-3.csv"')
    assert len(list(csv.reader(io.StringIO(part.text)))) == 1 + 3
