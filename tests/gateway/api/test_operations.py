"""Models changed through the API of a served gateway: outcomes, repetitions, preconditions, refusals."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gateway.cli import run
from tests.gateway.served import Served, served

CONFIG = """
[[registries]]
name = "r"
kind = "memory"
team = "t"
sync_every = 0
writable = true
stages = { production = ["alias:champion", "stage:Production"], staging = ["tag:env=staging"], archived = ["deployed"] }
[[registries]]
name = "closed"
kind = "memory"
team = "t"
sync_every = 0
"""
PATIENCE = 60.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("operations"), config=CONFIG) as running:
        yield running


def ended(gateway: Served, answer: httpx.Response) -> dict[str, Any]:
    """The operation that an answer speaks of, once it has its outcome."""
    assert answer.status_code == 202, answer.text
    end = time.monotonic() + PATIENCE
    while True:
        found = gateway.client.get(answer.headers["location"].removeprefix("/api/v1"))
        told: dict[str, Any] = found.json()
        if told["state"] in ("ok", "failed"):
            assert found.headers["waypost-position"] == told["position"]
            return told
        assert time.monotonic() < end, told
        time.sleep(0.02)


def made(gateway: Served, model: str, **fields: Any) -> str:
    """The reference of a version that was registered."""
    body = {"model": model, "source": "s3://bucket/model", **fields}
    told = ended(gateway, gateway.client.post("/registries/r/versions", json=body))
    assert told["state"] == "ok", told
    return str(told["ref"])


def read(gateway: Served, ref: str, told: dict[str, Any]) -> dict[str, Any]:
    """A version as it is after an operation."""
    found = gateway.client.get(f"/versions/{ref}", headers={"Waypost-Position": told["position"]})
    assert found.status_code == 200, found.text
    version: dict[str, Any] = found.json()
    return version


def journal(gateway: Served, ref: str) -> list[str]:
    """The actions of the journal for a reference, in order."""
    entries = gateway.client.get("/audit", params={"ref": ref}).json()["entries"]
    return [entry["action"] for entry in entries]


def test_a_version_is_registered_staged_tagged_named_and_deleted(gateway: Served) -> None:
    first, second = made(gateway, "whole", tags={"a": "1"}), made(gateway, "whole")
    assert (first, second) == ("r/whole:1", "r/whole:2")

    told = ended(gateway, gateway.client.put(f"/versions/{first}/stage", json={"stage": "production"}))
    assert (told["kind"], told["wanted"]) == ("set_alias", {"alias": "champion", "version": "1"})
    assert (told["state"], told["error"], told["actor"]) == ("ok", None, "local")
    version = read(gateway, first, told)
    assert (version["stage"], version["aliases"]) == ("production", ["champion"])

    told = ended(gateway, gateway.client.put("/models/r/whole/aliases/champion", json={"version": 2}))
    assert read(gateway, "r/whole@champion", told)["version"] == "2"
    assert read(gateway, first, told)["stage"] == "none"
    spans = gateway.client.get("/timeline/r/whole@champion").json()["spans"]
    assert [(span["version"], span["source"], span["began_actor"]) for span in spans] == [
        ("2", "operation", "local"), ("1", "operation", "local"),
    ]  # fmt: skip

    told = ended(
        gateway, gateway.client.patch(f"/versions/{first}/tags", json={"tags": {"a": None, "b": "2"}})
    )
    assert read(gateway, first, told)["tags"] == {"b": "2"}
    told = ended(gateway, gateway.client.patch("/models/r/whole/tags", json={"tags": {"owner": "risk"}}))
    assert gateway.client.get("/models/r/whole").json()["tags"] == {"owner": "risk"}

    told = ended(gateway, gateway.client.delete("/models/r/whole/aliases/champion"))
    assert read(gateway, second, told)["aliases"] == []
    told = ended(gateway, gateway.client.delete(f"/versions/{first}"))
    assert told["state"] == "ok"
    assert gateway.client.get(f"/versions/{first}").status_code == 410
    told = ended(gateway, gateway.client.delete("/models/r/whole"))
    assert gateway.client.get("/models/r/whole").status_code == 410


def test_a_model_that_lives_without_versions_was_not_deleted(gateway: Served) -> None:
    made(gateway, "emptied")
    ended(gateway, gateway.client.delete("/models/r/emptied"))
    assert gateway.client.get("/versions/r/emptied").status_code == 410
    version = made(gateway, "emptied")
    ended(gateway, gateway.client.delete(f"/versions/{version}"))
    assert gateway.client.get("/models/r/emptied").status_code == 200
    assert gateway.client.get("/versions/r/emptied").status_code == 404
    assert gateway.client.get(f"/versions/{version}").status_code == 410


def test_the_journal_has_intent_and_outcome_and_what_changed(gateway: Served) -> None:
    ref = made(gateway, "told")
    ended(gateway, gateway.client.put(f"/versions/{ref}/stage", json={"stage": "staging"}))
    actions = journal(gateway, ref)
    assert actions[-4:] == ["operation.requested", "version.changed", "stage.changed", "operation.succeeded"]
    entry = gateway.client.get("/audit", params={"ref": ref, "action": "stage.changed"}).json()["entries"][-1]
    assert entry["actor"] == "local"


def test_a_repeated_key_gives_the_same_answer(gateway: Served) -> None:
    ref = made(gateway, "again")
    headers = {"Idempotency-Key": "again-1"}

    def ask() -> httpx.Response:
        return gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "1"}}, headers=headers)

    first = ask()
    again = ask()
    assert again.status_code in (202, 409), "on a slow machine it may still be under way"
    ended(gateway, first)
    later = ask()
    assert (later.status_code, later.json()) == (202, first.json())
    assert later.headers["location"] == first.headers["location"]
    other = gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "2"}}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    listed = gateway.client.get("/operations", params={"ref": ref}).json()["operations"]
    assert [one["id"] for one in listed] == [first.json()["id"]]


def test_many_at_once_with_one_key_make_one_version(gateway: Served) -> None:
    made(gateway, "crowd")
    body = {"model": "crowd", "source": "s3://bucket/2"}
    headers = {"Idempotency-Key": "crowd-1"}
    with ThreadPoolExecutor(8) as pool:
        ask = lambda _: gateway.client.post("/registries/r/versions", json=body, headers=headers)  # noqa: E731
        answers = list(pool.map(ask, range(16)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    ended(gateway, next(answer for answer in answers if answer.status_code == 202))
    assert len(gateway.client.get("/models/r/crowd").json()["versions"]) == 2


def test_if_match_is_compare_and_set(gateway: Served) -> None:
    ref = made(gateway, "match")
    etag = gateway.client.get(f"/versions/{ref}").json()["etag"]
    headers = {"If-Match": f'"{etag}"'}
    told = ended(
        gateway, gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "1"}}, headers=headers)
    )
    assert told["state"] == "ok"
    late = gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "2"}}, headers=headers)
    assert (late.status_code, late.json()["type"]) == (412, "/problems/precondition-failed")
    assert read(gateway, ref, told)["tags"] == {"x": "1"}


def test_what_was_asked_for_already_holds(gateway: Served) -> None:
    ref = made(gateway, "same", tags={"x": "1"})
    told = ended(gateway, gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "1"}}))
    assert (told["state"], told["started_at"]) == ("ok", None)


def test_a_dry_run_tells_the_plan_and_changes_nothing_and_its_token_binds(gateway: Served) -> None:
    first, second = made(gateway, "planned"), made(gateway, "planned")
    ended(gateway, gateway.client.put("/models/r/planned/aliases/champion", json={"version": "2"}))
    before = gateway.client.get("/operations").json()
    answer = gateway.client.put(
        f"/versions/{first}/stage", params={"dry_run": True}, json={"stage": "production"}
    )
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert [step["wanted"] for step in plan["steps"]] == [{"alias": "champion", "version": "1"}]
    assert plan["steps"][0]["fields"] == [
        {"ref": "r/planned", "field": "alias:champion", "before": "2", "after": "1"}
    ]
    assert plan["stages"] == [
        {
            "ref": first,
            "before": "none",
            "before_reason": "",
            "after": "production",
            "after_reason": "alias:champion",
        },
        {
            "ref": second,
            "before": "production",
            "before_reason": "alias:champion",
            "after": "none",
            "after_reason": "",
        },
    ]
    assert {"ref": "r/planned@stage:production", "before": second, "after": first} in plan["meanings"]
    assert gateway.client.get("/operations").json() == before

    headers = {"Waypost-Plan": plan["token"]}
    told = ended(
        gateway, gateway.client.put(f"/versions/{first}/stage", json={"stage": "production"}, headers=headers)
    )
    assert (told["state"], told["follows"], told["then"]) == ("ok", None, None)
    late = gateway.client.put(f"/versions/{first}/stage", json={"stage": "production"}, headers=headers)
    assert (late.status_code, late.json()["type"]) == (412, "/problems/plan-changed")
    assert "is another one than was shown" in late.json()["detail"]


def test_registering_and_deleting_have_plans_too(gateway: Served) -> None:
    body = {"model": "foreseen", "source": "s3://b/1", "tags": {"env": "staging"}}
    plan = gateway.client.post("/registries/r/versions", params={"dry_run": True}, json=body).json()
    assert plan["steps"][0]["made"] == ["r/foreseen", "r/foreseen:(new)"]
    assert [(one["ref"], one["after"]) for one in plan["stages"]] == [("r/foreseen:(new)", "staging")]
    assert gateway.client.get("/models/r/foreseen").status_code == 404
    ref = made(gateway, "foreseen", tags={"env": "staging"})
    for path, gone in ((f"/versions/{ref}", [ref]), ("/models/r/foreseen", ["r/foreseen", ref])):
        answer = gateway.client.delete(path, params={"dry_run": True})
        assert answer.json()["steps"][0]["deleted"] == gone
        headers = {"Waypost-Plan": answer.json()["token"]}
        if path.startswith("/models"):
            assert ended(gateway, gateway.client.delete(path, headers=headers))["state"] == "ok"
    assert gateway.client.get("/models/r/foreseen").status_code == 410


def test_a_plan_of_what_would_be_refused_is_refused_alike(gateway: Served) -> None:
    made(gateway, "unplanned")
    answer = gateway.client.put(
        "/versions/r/unplanned:1/stage", params={"dry_run": True}, json={"stage": "archived"}
    )
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/stage-not-writable")


REFUSED = [
    ("POST", "/registries/closed/versions", {"model": "m", "source": "s"}, 409, "not-writable"),
    ("POST", "/registries/absent/versions", {"model": "m", "source": "s"}, 404, "not-found"),
    ("PUT", "/versions/r/absent:1/stage", {"stage": "production"}, 404, "not-found"),
    ("PUT", "/versions/r/refused:1/stage", {"stage": "archived"}, 422, "stage-not-writable"),
    ("PUT", "/versions/r/refused:1/stage", {"stage": "none"}, 422, "stage-not-writable"),
    ("PUT", "/versions/r/refused:1/stage", {"stage": "gone"}, 400, "invalid-request"),
    ("PUT", "/versions/r/refused/stage", {"stage": "production"}, 422, "invalid-request"),
    ("PUT", "/versions/r/refused:1", {"stage": "production"}, 404, "not-found"),
    ("PUT", "/models/r/refused/aliases/a", {"version": "99"}, 404, "not-found"),
    ("PUT", "/models/r/refused/aliases/a", {"version": "1", "more": 1}, 400, "invalid-request"),
    ("PATCH", "/versions/r/refused:1/tags", {"tags": {}}, 422, "invalid-request"),
    ("PATCH", "/versions/r/refused:1/tags", {"tags": {"a": "\0"}}, 422, "invalid-request"),
    ("DELETE", "/versions/r/refused", None, 422, "invalid-request"),
    ("DELETE", "/versions/r/refused@champion", None, 422, "invalid-request"),
    ("DELETE", "/models/r/refused:1", None, 422, "invalid-request"),
    ("GET", "/operations/4611686018427387904", None, 404, "not-found"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "problem"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(
    gateway: Served, method: str, path: str, body: Any, status: int, problem: str
) -> None:
    if gateway.client.get("/models/r/refused").status_code == 404:
        made(gateway, "refused")
    before = len(gateway.client.get("/operations").json()["operations"])
    answer = gateway.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")
    assert len(gateway.client.get("/operations").json()["operations"]) == before


def test_operations_are_listed_page_by_page(gateway: Served) -> None:
    ref = made(gateway, "pages")
    for value in "abc":
        ended(gateway, gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": value}}))
    seen: list[int] = []
    cursor = None
    while True:
        page = gateway.client.get(
            "/operations", params={"ref": ref, "limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        found = page.json()
        seen += [one["id"] for one in found["operations"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)


def test_the_command_that_lists_them_says_who_asked_beside_whole_references(
    gateway: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = made(gateway, "a-model-whose-name-is-rather-long-for-a-narrow-terminal")
    ended(gateway, gateway.client.patch(f"/versions/{ref}/tags", json={"tags": {"x": "1"}}))
    command = ["operations", "--limit", "1", "--url", gateway.url]
    assert run([*command, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["operations"]
    assert run(command) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "BY"
    assert row.endswith(f"  {one['actor_name']}")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert run(command) == 0
    narrow = capsys.readouterr().out
    assert ref in narrow
    assert f"by {one['actor_name']}" in narrow.replace("\n  ", " ")


def test_the_description_has_the_paths_as_they_are_written(gateway: Served) -> None:
    schema = gateway.client.get(f"{gateway.url}/openapi.json").json()
    shown = {
        (path.removeprefix("/api/v1"), method)
        for path, methods in schema["paths"].items()
        for method in methods
    }
    assert {
        ("/versions/{ref}/stage", "put"),
        ("/versions/{ref}/tags", "patch"),
        ("/models/{ref}/aliases/{alias}", "put"),
        ("/models/{ref}/aliases/{alias}", "delete"),
        ("/versions/{ref}", "delete"),
        ("/registries/{name}/versions", "post"),
        ("/operations", "get"),
        ("/operations/{operation_id}", "get"),
    } <= shown
    assert ("/versions/{ref}", "put") not in shown
    names = [one["operationId"] for methods in schema["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
