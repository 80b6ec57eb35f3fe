"""Who did something is told by name until the name is erased; what is exported is whole."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from federation.access import LOCAL
from federation.database import now
from federation.graph.graph import Going
from federation.identity.identity import GrantSpec, TokenSpec
from federation.references import parse
from federation.searches.searches import SearchSpec
from gateway.cli.local import catch_up
from gateway.pages import search
from tests.gateway.chained import Chained, chained


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with chained(tmp_path_factory.mktemp("names")) as made:
        catch_up(made.waypost, ["search"])
        made.waypost.reload_search()
        yield made


def test_a_name_is_told_found_and_erased(gateway: Chained) -> None:
    token, _ = gateway.waypost.identity.create_token(LOCAL, TokenSpec("deployer", roles=[("viewer", "*")]))
    actor = replace(LOCAL, id=token.principal, name="deployer")
    gateway.waypost.graph.declare(actor, parse("ranking/ranker:5"), parse("texts/encoder:3"), note="why")
    going = Going(date(2031, 1, 1), None, "")
    gateway.waypost.graph.deprecate(actor, [parse("texts/encoder")], going)

    def said_by() -> list[str]:
        lists = ("dependencies", "deprecations")
        found = [one for each in lists for one in gateway.get(f"/{each}")[each]]
        assert found == [one for each in lists for one in gateway.send("GET", f"/api/v1/{each}").json()[each]]
        return [one["said_by_name"] for one in found if one["said_by"] == token.principal]

    assert said_by() == ["deployer"] * 2

    asked = {"actor": "deployer", "action": "dependency.declared"}
    (entry,) = gateway.get("/audit", **asked)["entries"]
    assert (entry["action"], entry["actor"], entry["actor_name"]) == (
        "dependency.declared", token.principal, "deployer",
    )  # fmt: skip
    assert gateway.send("GET", "/api/v1/audit", params=asked).json()["entries"] == [entry]
    told = [one["summary"] for one in gateway.get("/audit", action="grant.added")["entries"]]
    assert told == ["grant.added (viewer, *, of token:deployer)"]
    page = gateway.send("GET", "/audit", headers={"Accept": "text/html"}).text
    assert "<bdi>deployer</bdi>" in page

    gateway.ask("POST", "/audit/erasures", body={"subject": "deployer"})
    assert gateway.get("/audit", actor="deployer")["entries"] == []
    (entry,) = gateway.get("/audit", action="dependency.declared")["entries"]
    assert entry["actor_name"] == "[erased]"
    assert said_by() == ["[erased]"] * 2
    assert "deployer" not in gateway.send("GET", "/audit.json").text


def test_who_kept_made_and_gave_is_named_until_that_is_erased(tmp_path: Path) -> None:
    with chained(tmp_path) as gateway:
        identity = gateway.waypost.identity
        token, _ = identity.create_token(LOCAL, TokenSpec("keeper", roles=[("viewer", "*")]))
        keeper = replace(LOCAL, id=token.principal, name="keeper")
        spec = SearchSpec(name="live", q="stage:production", team="search")
        kept, _ = gateway.waypost.searches.save(keeper, spec)
        made, _ = identity.create_token(keeper, TokenSpec("made"))
        given = identity.give_role(keeper, GrantSpec("token:made", "viewer", "team:search"))
        of = {"searches": kept.id, "tokens": made.id, "grants": given.id}

        def named() -> Iterator[str]:
            for each, id_ in of.items():
                found = gateway.get(f"/{each}")
                assert found == gateway.send("GET", f"/api/v1/{each}").json()
                assert found == gateway.send("GET", f"/{each}.json").json()
                (one,) = [one for one in found[each] if one["id"] == id_]
                field = "saved_by" if each == "searches" else "created_by"
                assert one[field] == keeper.id
                page = gateway.send("GET", f"/{each}", headers={"Accept": "text/html"}).text
                assert f"<bdi>{one[f'{field}_name']}</bdi>" in page
                yield one[f"{field}_name"]

        assert list(named()) == ["keeper"] * 3
        assert gateway.get(f"/searches/{kept.id}")["saved_by_name"] == "keeper"
        gateway.ask("POST", "/audit/erasures", body={"subject": "keeper"})
        assert list(named()) == ["[erased]"] * 3
        again = gateway.ask("POST", "/tokens", body={"name": "another"})["token"]
        assert again["created_by_name"] == again["created_by"] == LOCAL.id


def test_a_search_is_exported_whole(gateway: Chained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "EXPORTED", 2)
    found = gateway.get("/search", limit=200, group="version")
    answer = gateway.send("GET", "/search.csv?group=version")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["ref"] for row in rows] == [hit["ref"] for hit in found["hits"]]
    assert len(rows) > 4
    told = gateway.send("GET", "/search.json?group=version").json()
    assert told["hits"] == found["hits"]
    assert told["next_cursor"] is None
    assert len(gateway.send("GET", "/search.json?group=version&limit=2").json()["hits"]) == 2


@pytest.mark.parametrize(
    "path", ["/search.csv?q=nobodyhasthis", "/tokens.csv", "/operations.csv", "/searches.csv"]
)
def test_a_table_without_rows_has_its_header(gateway: Chained, path: str) -> None:
    (head,) = gateway.send("GET", path).text.splitlines()[:1]
    assert len(head.split(",")) > 3


def test_a_day_means_that_day_and_the_future_is_refused(gateway: Chained) -> None:
    today = now().date()
    then = gateway.get("/production", as_of=today.isoformat())
    assert [one["ref"] for one in then["versions"]] == [
        one["ref"] for one in gateway.get("/production")["versions"]
    ]
    assert then["versions"]
    assert "owner" in then["versions"][0]
    assert gateway.get("/production", as_of="2020-01-01")["as_of"].startswith("2020-01-01T23:59:59")
    assert gateway.get("/production", as_of="2020-01-01T05:00")["as_of"].startswith("2020-01-01T05:00:00")
    tomorrow = (today + timedelta(days=1)).isoformat()
    for path in ("/api/v1/production", "/api/v1/timeline/texts/encoder", "/production"):
        refused = gateway.send("GET", path, params={"as_of": tomorrow})
        assert refused.status_code == 400
        assert "future" in refused.text


@pytest.mark.parametrize(
    ("ref", "label"), [("texts/encoder", "encoder: production 3"), ("encoder:3", "encoder 3: production")]
)
def test_a_badge_says_how_something_stands(gateway: Chained, ref: str, label: str) -> None:
    answer = gateway.send("GET", f"/badge/{ref}.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert f'aria-label="{label}"' in answer.text
    assert gateway.send("GET", "/badge/texts/nobody.svg").status_code == 404
