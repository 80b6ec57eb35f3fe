"""`waypost.client` over a gateway in this process: each method once, and what a notebook shows."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from gateway.cli.local import catch_up
from tests.gateway.chained import chained
from waypost.client import Client, Version, WaypostClientError


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with chained(tmp_path_factory.mktemp("client")) as gateway:
        catch_up(gateway.waypost, ["search"])
        gateway.waypost.reload_search()

        def answer(request: httpx.Request) -> httpx.Response:
            headers, body = dict(request.headers), request.content
            said = gateway.send(request.method, str(request.url), headers=headers, content=body)
            return httpx.Response(said.status_code, headers=said.headers, content=said.content)

        with Client("http://localhost", transport=httpx.MockTransport(answer)) as made:
            yield made


def test_every_method_gives_what_the_gateway_says(client: Client) -> None:
    found = client.search("encoder", group="version")
    assert found.total >= len(found) > 0
    assert "texts/encoder:3" in [hit.ref for hit in found]
    version = client.show("encoder:3")
    assert (version.ref, version.data["registry"]) == ("texts/encoder:3", "texts")
    assert "texts/encoder:3" in [one["ref"] for one in client.model("texts/encoder").versions]
    impact = client.impact("texts/encoder:3", action="archive")
    assert impact.breaking > 0
    assert "ranking/ranker:5" in [one["ref"] for one in impact.versions]
    assert "texts/encoder:3" in [one["ref"] for one in client.deps("ranking/ranker:5")]
    assert "version" not in client.diff("texts/encoder:3", "texts/encoder:3")
    assert client.timeline("texts/encoder") == client.get("/timeline/texts/encoder")["spans"]
    assert client.production() == client.get("/production")["versions"]
    assert len(client.registries()) == 3
    assert client.snippets("texts/encoder:3")
    lists = {one["name"]: one["rows"] for one in client.get("/team", limit=200)["lists"]}
    assert client.team() == lists
    assert any(client.team().values())
    for shown in (found, version, impact, client.model("texts/encoder")):
        assert shown._repr_html_().count("<table>") == 1


def test_many_changes_are_refused_together_and_shown_as_a_table(client: Client) -> None:
    plan = client.bulk(["texts/encoder:3", "texts/nobody:1"], tags={"a": "<b>"}, until="2031-01-01")
    assert "read-only" in plan.refused["texts/encoder:3"]
    assert set(plan.refused) == {"texts/encoder:3", "texts/nobody:1", "texts/nobody"}
    assert plan._repr_html_().count("<tr>") == 1 + 1 + len(plan.refused)
    with pytest.raises(WaypostClientError, match="nothing was changed") as failed:
        plan.carry_out()
    assert failed.value.status == 422
    assert client.get("/deprecations")["deprecations"] == []


def test_what_goes_wrong_says_what_was_meant(client: Client) -> None:
    with pytest.raises(WaypostClientError) as failed:
        client.show("texts/encodr:3")
    assert (failed.value.status, failed.value.candidates) == (404, ["texts/encoder"])
    with pytest.raises(WaypostClientError, match="read-only"):
        client.set("texts/encoder:3", stage="archived")


def test_a_notebook_runs_nothing_of_what_stands_in_an_answer() -> None:
    hostile = "<script>alert(1)</script>"
    shown = Version(hostile, hostile, hostile, [hostile], {hostile: 1.0}, {}, {"owner": hostile})
    assert "<script>" not in shown._repr_html_()


def test_it_imports_nothing_of_the_gateway() -> None:
    code = "import sys, waypost.client; print({'adapters', 'federation', 'gateway', 'sqlalchemy'} & {*sys.modules})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
