"""Deprecations, watches and their inbox, and what changed: over HTTP, on pages, on the command line and as Atom."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapters import Key, ModelRecord, VersionRecord
from gateway.app import API
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.worlds import Draft, write

BASE, USER, OTHER = Key("model", "b"), Key("model", "u"), Key("model", "o")
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def needing(
    key: Key, name: str, version: str, needs: str = "", **more: Any
) -> tuple[ModelRecord, VersionRecord]:
    tags = {"depends_on": needs} if needs else {}
    made = VersionRecord(
        key=Key("version", f"{key.native_id}{version}"), model=key, version=version, tags=tags
    )
    return ModelRecord(key=key, name=name, **more), made


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with gate(
        tmp_path_factory.mktemp("changes"), teams=(("texts", "nlp"), ("risk", "risk"), ("secret", "hidden"))
    ) as found:
        write(found, Draft("texts", needing(BASE, "encoder", "1")))
        write(found, Draft("secret", needing(OTHER, "base", "1")))
        write(found, Draft("risk", needing(USER, "scorer", "1", "texts/encoder:1,secret/base:1")))
        found.follow()
        yield found


class As:
    """Somebody who asks."""

    def __init__(self, here: Gate, name: str, *roles: tuple[str, str]) -> None:
        self.here, self.token = here, here.token(name, *roles)

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> httpx.Response:
        answer = self.here.ask(method, path, token=self.token, **more)
        assert answer.status_code == status, answer.text
        return answer

    def get(self, path: str, **params: Any) -> Any:
        return self.ask("GET", f"{API}{path}", params=params).json()


@pytest.fixture(scope="module")
def owner(here: Gate) -> As:
    return As(here, "owner", ("approver", "*"))


@pytest.fixture(scope="module")
def consumer(here: Gate) -> As:
    return As(here, "consumer", ("viewer", "team:risk"), ("viewer", "team:nlp"))


def deprecate(here: Gate, owner: As, consumer: As) -> None:
    """What is deprecated is told to whoever watches what needs it."""
    consumer.ask("POST", f"{API}/watches", 201, json={"on": "risk/scorer"})
    assert len(consumer.get("/inbox")["changes"]) == 2
    said = {"until": "2027-03-31", "replacement": "secret/base", "note": "too slow"}
    owner.ask("POST", f"{API}/models/texts/encoder/deprecate", 204, json=said)
    owner.ask("POST", f"{API}/models/secret/base/deprecate", 204, json={"until": "2026-12-24"})
    here.follow()

    [first, *_] = consumer.get("/inbox")["changes"]
    assert (first["type"], first["subject"], first["after"]) == (
        "model.deprecated",
        "texts/encoder",
        "2027-03-31",
    )
    assert not any("secret" in one["subject"] for one in consumer.get("/inbox")["changes"])
    assert len(owner.get("/deprecations")["deprecations"]) == 2

    for who, replacement, seen in ((consumer, "", 1), (owner, "secret/base", 2)):
        found = who.get("/dependencies/risk/scorer:1")["dependencies"]
        marks = {one["ref"]: one["deprecated"] for one in found if one["deprecated"]}
        assert len(marks) == seen
        mark = marks["texts/encoder:1"]
        assert (mark["until"], mark["replacement"], mark["note"]) == ("2027-03-31", replacement, "too slow")
        assert who.get("/impact/texts/encoder:1")["deprecated"]["replacement"] == replacement
        page = who.ask("GET", "/versions/risk/scorer:1", headers={"Accept": "text/html"}).text
        assert "deprecated until 2027-03-31" in page
        assert ("2026-12-24" in page) == (who is owner)

    owner.ask("POST", f"{API}/models/texts/encoder/reinstate", 204)
    owner.ask("POST", f"{API}/models/texts/encoder/reinstate", 404)
    owner.ask("POST", f"{API}/models/texts/encoder/deprecate", 400)
    owner.ask("POST", f"{API}/models/texts/encoder:1/deprecate", 422, json=said)
    owner.ask(
        "POST", f"{API}/models/texts/encoder/deprecate", 422, json={**said, "replacement": "texts/encoder:2"}
    )
    consumer.ask("POST", f"{API}/models/texts/encoder/deprecate", 403, json=said)
    consumer.ask("POST", f"{API}/models/secret/base/deprecate", 403, json=said)
    assert owner.get("/impact/texts/encoder:1")["deprecated"] is None


def watch(here: Gate, owner: As, consumer: As) -> None:
    """An inbox is of what one watches and may see."""
    [watched] = consumer.get("/watches")["watches"]
    assert (
        consumer.ask("POST", f"{API}/watches", 201, json={"on": "risk/scorer"}).json() == watched
    )  # twice is once
    for hidden in ("secret/base", "registry:secret", "nowhere/x"):
        consumer.ask("POST", f"{API}/watches", 404, json={"on": hidden})
    for wrong in ("*", "risk/scorer:1"):
        consumer.ask("POST", f"{API}/watches", 422, json={"on": wrong})
    owner.ask("DELETE", f"{API}/watches/{watched['id']}", 404)
    assert owner.get("/inbox")["changes"] == []
    owner.ask("POST", f"{API}/watches", 201, json={"on": "team:hidden"})
    assert {one["registry"] for one in owner.get("/inbox")["changes"]} == {"secret"}

    write(here, Draft("texts", needing(BASE, "encoder", "1", aliases={"best": "1"})))
    write(here, Draft("texts", needing(BASE, "encoder", "2", aliases={"best": "2"})))
    here.follow()
    assert "alias.moved" in {one["type"] for one in consumer.get("/inbox")["changes"]}
    assert "alias.set" not in {one["type"] for one in consumer.get("/inbox")["changes"]}  # nothing moved
    page = consumer.ask("GET", "/inbox", headers={"Accept": "text/html"}).text
    assert "alias.moved" in page
    assert "risk/scorer" in page
    consumer.ask("DELETE", f"{API}/watches/{watched['id']}", 204)
    assert consumer.get("/inbox")["changes"] == []


def look(consumer: As) -> None:
    """What changed, as pages of data, as CSV and as Atom."""
    first = consumer.get("/changes", limit=2)
    second = consumer.get("/changes", limit=2, cursor=first["next_cursor"])
    whole = consumer.get("/changes", since="yesterday")["changes"]
    assert [*first["changes"], *second["changes"]] == whole[:4]
    assert {one["registry"] for one in whole} == {"texts", "risk"}
    assert consumer.get("/changes", since="2999-01-01")["changes"] == []
    assert {one["type"] for one in consumer.get("/changes", type="alias", on="team:nlp")["changes"]} == {
        "alias.set", "alias.moved",
    }  # fmt: skip
    table = consumer.ask("GET", f"{API}/changes", params={"format": "csv"}).text
    assert [row["id"] for row in csv.DictReader(io.StringIO(table))] == [one["id"] for one in whole]
    for path in ("/changes.csv", "/inbox.csv"):
        assert consumer.ask("GET", path).headers["content-type"].startswith("text/csv")
    page = consumer.ask("GET", "/changes", params={"on": "nowhere/x"}, headers={"Accept": "text/html"}).text
    assert 'role="alert"' in page
    assert "on=team%3Arisk&amp;since=week" in page

    for path in ("/changes.atom?on=team:nlp", "/inbox.atom"):
        answer = consumer.ask("GET", path)
        assert answer.headers["content-type"].startswith("application/atom+xml")
        root = ET.fromstring(answer.text)
        assert root.findtext("a:id", namespaces=ATOM) == f"http://localhost{path}"
        for link in root.iterfind(".//a:link", ATOM):
            assert link.attrib["href"].startswith("http://localhost/")
    root = ET.fromstring(consumer.ask("GET", "/changes.atom?on=team:nlp").text)
    of_team = consumer.get("/changes", on="team:nlp")["changes"]
    titles = [entry.findtext("a:title", namespaces=ATOM) for entry in root.iterfind("a:entry", ATOM)]
    assert len(titles) == len(of_team)
    assert str(titles[0]).startswith(f"{of_team[0]['type']} {of_team[0]['subject']}")


def test_a_model_is_deprecated_watched_and_looked_at(here: Gate, owner: As, consumer: As) -> None:
    deprecate(here, owner, consumer)
    watch(here, owner, consumer)
    look(consumer)


def test_a_search_is_watched_and_fed_like_a_model(here: Gate, consumer: As) -> None:
    found = consumer.get("/changes", on="search:registry:texts")["changes"]
    assert {one["registry"] for one in found} == {"texts"}
    assert consumer.get("/changes", on="search:registry:secret")["changes"] == []
    consumer.ask("GET", f"{API}/changes", 422, params={"on": "search:("})
    watch = consumer.ask("POST", f"{API}/watches", 201, json={"on": "search:registry:texts"}).json()
    assert consumer.get("/inbox")["changes"] == found
    answer = consumer.ask("GET", "/changes.atom", params={"on": "search:registry:texts"})
    assert len(ET.fromstring(answer.text).findall("a:entry", ATOM)) == len(found)
    consumer.ask("DELETE", f"{API}/watches/{watch['id']}", 204)
