"""What a team has to look at, as the API, the command line and a table say it."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html import unescape

import pytest

from gateway.cli.local import catch_up
from gateway.team import COLUMNS, LISTS
from tests.gateway.chained import Chained, chained


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with chained(tmp_path_factory.mktemp("team")) as made:
        catch_up(made.waypost, ["search"])
        made.waypost.reload_search()
        made.get("/team")  # which takes in the events
        yield made


def test_every_list_is_of_the_team_and_whole_as_a_table(gateway: Chained) -> None:
    every = gateway.send("GET", "/api/v1/team").json()
    assert (every["team"], [one["name"] for one in every["lists"]]) == ("", list(LISTS))
    assert len(every["teams"]) > 1
    for team in every["teams"]:
        told = gateway.send("GET", "/api/v1/team", params={"team": team, "limit": 200}).json()
        for one in told["lists"]:
            assert {row["team"] for row in one["rows"]} <= {team}
            alone = gateway.send("GET", f"/api/v1/team/{one['name']}", params={"team": team, "limit": 200})
            assert alone.json() == one == gateway.get(f"/team/{one['name']}", team=team, limit=200)
            table = gateway.send("GET", f"/api/v1/team/{one['name']}",
                                 params={"team": team, "format": "csv"}).text  # fmt: skip
            rows = list(csv.DictReader(io.StringIO(table)))
            assert table.startswith(",".join(COLUMNS))
            assert [row["ref"] for row in rows] == [row["ref"] for row in one["rows"]]
            assert one["total"] == len(rows)
            assert table == gateway.text(f"/team/{one['name']}", team=team, format="csv")
    production = gateway.get("/team/production", limit=1)
    found = gateway.get("/search", q="stage:production", group="version", limit=200)
    assert production["total"] == len(found["hits"]) > len(production["rows"]) == 1
    assert all(
        one["rows"] for one in every["lists"] if one["name"] in ("production", "changed", "without-owner")
    )


def test_a_page_leads_to_as_many_rows_as_it_says(gateway: Chained) -> None:
    page = gateway.send("GET", "/team", headers={"Accept": "text/html"}).text
    counts = re.findall(r'<span class="quiet">([1-9]\d*)</span></h2>', page)
    tables = re.findall(r'href="(/search\.csv\?[^"]*)"', page)
    assert len(tables) == len(counts) > 1
    for table, count in zip(tables, counts, strict=True):
        rows = csv.DictReader(io.StringIO(gateway.send("GET", unescape(table)).text))
        assert len(list(rows)) == int(count)
    stranger = gateway.send("GET", "/team?team=nobody", headers={"Accept": "text/html"}).text
    assert "There is no registry of team <bdi>nobody</bdi>" in stranger


def test_a_list_that_is_not_there_is_said(gateway: Chained) -> None:
    answer = gateway.send("GET", "/api/v1/team/everything", params={"format": "csv"})
    assert answer.status_code == 404
    assert "without-lineage" in answer.json()["detail"]


def test_it_is_a_command(
    gateway: Chained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contextlib import nullcontext

    from gateway.cli import run, team

    monkeypatch.setattr(team, "connect", lambda _: nullcontext(gateway))
    assert run(["team"]) == 0
    printed = capsys.readouterr().out
    assert all(f"--list {name}" in printed for name in LISTS)
    name = gateway.get("/team")["teams"][0]
    assert run(["team", name, "--list", "production", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == gateway.get("/team/production", team=name, limit=5)
    assert run(["team", name, "--csv"]) == 2
    assert "--list" in capsys.readouterr().err
    assert run(["team", "--list", "waiting", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("ref,")
