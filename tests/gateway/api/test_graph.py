"""The graph over HTTP: every form of an answer, declared edges, bills of materials, top lists."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from federation.access import EVERYTHING, LOCAL, Permission, Principal, View
from gateway import app, docs
from gateway.api.rows import AFFECTED
from gateway.app import API
from gateway.cli.local import catch_up
from tests.bills import validator
from tests.gateway.chained import Chained, chained

ENCODER = "/impact/texts/encoder:3"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with chained(tmp_path_factory.mktemp("chained")) as found:
        yield found


def ask(gateway: Chained, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    return gateway.send(method, f"{API}{path}", **options)


def settle(gateway: Chained) -> None:
    assert gateway.waypost is not None
    catch_up(gateway.waypost)


def test_an_impact_has_every_field_of_the_contract(gateway: Chained) -> None:
    found = ask(gateway, f"{ENCODER}?action=archive").json()
    assert {"ref", "action", "scope", "complete", "counts", "affected", "unresolved", "next_cursor"} <= set(
        found
    )
    assert {"affected", "breaking", "production", "teams", "registries"} <= set(found["counts"])
    first = found["affected"][0]
    assert {"ref", "distance", "breaks", "reason", "stage", "team", "registry", "endpoints", "via"} <= set(
        first
    )
    assert (found["scope"], found["complete"], found["severity"]) == ("all", True, "live")
    assert found["affected"][2]["endpoints"] == [
        {"name": "blend-live", "registry": "search", "live": True, "percent": 100.0}
    ]


def test_a_large_impact_is_answered_as_a_small_one_is(
    gateway: Chained, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ask(gateway, f"{ENCODER}?action=archive")
    for name in ("walk.FEW", "walk.MANY", "blast.FEW"):
        monkeypatch.setattr(f"federation.graph.{name}", -1)
    large = ask(gateway, f"{ENCODER}?action=archive")
    assert large.content == small.content
    assert large.headers["vary"] == small.headers["vary"] == "Accept"


def test_a_page_ends_in_a_cursor_and_the_counts_stay_exact(gateway: Chained) -> None:
    first = ask(gateway, f"{ENCODER}?action=archive&limit=2").json()
    second = ask(gateway, f"{ENCODER}?action=archive&limit=2&cursor={first['next_cursor']}").json()
    assert [one["ref"] for one in first["affected"] + second["affected"]] == [
        "ranking/ranker:5", "ranking/follower:1", "search/search-blend:7",
    ]  # fmt: skip
    assert first["counts"] == second["counts"]
    assert second["next_cursor"] is None
    assert ask(gateway, f"{ENCODER}?cursor=nonsense").json()["type"] == "/problems/invalid-cursor"


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", "*/*", "application/json"),
        ("", "text/html", "application/json"),
        ("", "text/csv", "text/csv"),
        ("", "text/vnd.graphviz", "text/vnd.graphviz"),
        ("", "image/avif,image/svg+xml,image/*,*/*;q=0.8", "image/svg+xml"),
        ("format=csv", "application/json", "text/csv"),
        ("format=json", "text/csv", "application/json"),
    ],
)
def test_the_form_is_chosen_by_parameter_or_header(
    gateway: Chained, query: str, accept: str, media: str
) -> None:
    for path in (ENCODER, "/dependencies/search/search-blend:7", "/impact"):
        more = "&dataset=clicks" if path == "/impact" else ""
        answer = ask(gateway, f"{path}?{query}{more}", headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == media
        assert answer.headers["vary"] == "Accept"


def test_an_unknown_form_is_refused_by_name(gateway: Chained) -> None:
    answer = ask(gateway, f"{ENCODER}?format=yaml")
    assert answer.status_code == 400
    assert "format" in answer.json()["detail"]


def test_csv_has_everybody_whatever_the_page(gateway: Chained) -> None:
    rows = list(
        csv.DictReader(io.StringIO(ask(gateway, f"{ENCODER}?action=archive&limit=1&format=csv").text))
    )
    assert list(rows[0]) == list(AFFECTED)
    assert [(row["ref"], row["breaks"], row["severity"]) for row in rows] == [
        ("ranking/ranker:5", "true", "staging"),
        ("ranking/follower:1", "true", "other"),
        ("search/search-blend:7", "false", "live"),
    ]
    assert rows[2]["via"] == "ranking/ranker:5"
    upstream = list(
        csv.DictReader(io.StringIO(ask(gateway, "/dependencies/search/search-blend:7?format=csv").text))
    )
    assert [row["ref"] for row in upstream][:2] == ["ranking/ranker:5", "texts/encoder:3"]


def test_a_picture_runs_nothing(gateway: Chained) -> None:
    answer = ask(gateway, f"{ENCODER}?action=archive&format=svg")
    assert "sandbox" in answer.headers["content-security-policy"]
    drawn = "".join(ET.fromstring(answer.text).itertext())
    assert "search/search-blend:7" in drawn
    upstream = ask(gateway, "/dependencies/search/search-blend:7?format=svg").text
    assert "dataset:clicks#d1" in "".join(ET.fromstring(upstream).itertext())


def test_a_bill_of_materials_is_valid_and_names_everything_upstream(gateway: Chained) -> None:
    answer = ask(gateway, "/bom/search/search-blend:7")
    assert answer.headers["content-type"].startswith("application/vnd.cyclonedx+json")
    assert validator("1.6").validate_str(answer.text) is None
    found = json.loads(answer.text)
    assert found["metadata"]["component"]["bom-ref"] == "search/search-blend:7"
    assert {"ranking/ranker:5", "texts/encoder:3"} < {one["bom-ref"] for one in found["components"]}
    assert ask(gateway, "/bom/texts/encoder").status_code == 422


def test_every_list_answers_in_json_and_csv(gateway: Chained) -> None:
    names = [one["name"] for one in ask(gateway, "/insights").json()["insights"]]
    assert len(names) == 9
    for name in names:
        found = ask(gateway, f"/insights/{name}").json()
        assert (found["name"], found["total"] >= len(found["items"])) == (name, True)
        rows = list(csv.reader(io.StringIO(ask(gateway, f"/insights/{name}?format=csv").text)))
        assert len(rows) == len(found["items"]) + 1
    missing = ask(gateway, "/insights/nothing")
    assert missing.status_code == 404
    assert "cross-team" in missing.json()["detail"]


def test_a_list_is_read_in_pages(gateway: Chained) -> None:
    whole = ask(gateway, "/insights/cross-team").json()["items"]
    first = ask(gateway, "/insights/cross-team?limit=1").json()
    second = ask(gateway, f"/insights/cross-team?limit=50&cursor={first['next_cursor']}").json()
    assert first["items"] + second["items"] == whole
    assert second["next_cursor"] is None


def test_an_edge_is_declared_once_counted_and_taken_back(gateway: Chained) -> None:
    body = {"consumer": "search/search-blend:7", "provider": "texts/encoder:4", "note": "by hand"}
    before = ask(gateway, "/impact/texts/encoder:4?action=delete").json()["counts"]["affected"]
    made = ask(gateway, "/dependencies", "POST", json=body)
    again = ask(gateway, "/dependencies", "POST", json=body)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    assert made.headers["waypost-position"]
    settle(gateway)
    assert ask(gateway, "/impact/texts/encoder:4?action=delete").json()["counts"]["affected"] == before + 1
    assert made.json() in ask(gateway, "/dependencies").json()["dependencies"]
    gone = ask(gateway, f"/dependencies/{made.json()['id']}", "DELETE")
    assert (gone.status_code, gone.content) == (204, b"")
    assert ask(gateway, f"/dependencies/{made.json()['id']}", "DELETE").status_code == 404
    settle(gateway)
    assert ask(gateway, "/impact/texts/encoder:4?action=delete").json()["counts"]["affected"] == before
    told = [entry["action"] for entry in ask(gateway, "/audit?limit=200").json()["entries"]]
    assert told[-2:] == ["dependency.declared", "dependency.removed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"consumer": "search/search-blend:7", "provider": "search/search-blend:7"}, 422),
        ({"consumer": "search/nobody:1", "provider": "texts/encoder:3"}, 404),
        ({"consumer": "no reference", "provider": "texts/encoder:3"}, 400),
        ({"consumer": "search/search-blend:7", "provider": "texts/encoder:3", "kind": "likes"}, 400),
        ({"consumer": "search/search-blend:7"}, 400),
        ({"consumer": "search/search-blend:7", "provider": "x/y", "more": 1}, 400),
    ],
)
def test_what_cannot_be_declared_is_refused(gateway: Chained, body: dict[str, str], status: int) -> None:
    answer = ask(gateway, "/dependencies", "POST", json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_an_edge_is_named_by_a_number(gateway: Chained) -> None:
    for name in ("x", "1.5", "-1", "9" * 40):
        answer = ask(gateway, f"/dependencies/{name}", "DELETE")
        assert answer.status_code == 400, name


def test_who_may_not_declare_is_told_so(gateway: Chained, monkeypatch: pytest.MonkeyPatch) -> None:
    def become(principal: Principal) -> None:
        async def authenticate(scope: object) -> Principal:
            return principal

        monkeypatch.setattr(gateway.front, "_authenticate", authenticate)

    body = {"consumer": "search/search-blend:7", "provider": "texts/encoder:4"}
    become(Principal("reader", "reader", {Permission.READ: EVERYTHING}))
    assert ask(gateway, "/dependencies", "POST", json=body).status_code == 403
    become(
        Principal("elsewhere", "elsewhere", {Permission.READ: EVERYTHING, Permission.DECLARE: View.of([1])})
    )
    assert ask(gateway, "/dependencies", "POST", json=body).status_code == 403
    gate = {Permission.READ: View.of([1]), Permission.IMPACT_GLOBAL: EVERYTHING}
    become(Principal("gate", "gate", gate))
    found = ask(gateway, f"{ENCODER}?action=archive").json()
    assert (found["counts"]["affected"], found["affected"], found["by_team"]) == (3, [], [])
    assert (found["severity"], found["scope"]) == ("live", "all")
    become(LOCAL)


def test_a_diff_says_whether_one_can_stand_in_for_the_other(gateway: Chained) -> None:
    verdicts = {
        other: ask(gateway, f"/diff?left=texts/encoder:3&right={other}").json()["contract"]["verdict"]
        for other in ("texts/encoder:3", "texts/encoder:4", "texts/encoder:5", "ranking/ranker:5")
    }
    assert list(verdicts.values()) == ["full", "none", "backward", "unknown"]
    contract = ask(gateway, "/diff?left=texts/encoder:5&right=texts/encoder:3").json()["contract"]
    assert contract["verdict"] == "forward"
    assert [(one["column"], one["problem"]) for one in contract["backward_breaks"]] == [
        ("norm", "column missing")
    ]


def test_pictures_and_tables_stand_in_the_description() -> None:
    paths = docs.as_written(app.application(1024).openapi_schema.to_schema())["paths"]
    content = paths[f"{API}/impact/{{ref}}"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["application/json", "text/csv", "text/vnd.graphviz", "image/svg+xml"]
    assert app.API == API
