"""Who may ask the façade, what strangers learn of what is hidden, and the shape of every refusal."""

import base64
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.mlflow import changing, facade
from gateway.mlflow.site import READS, WRITES
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.worlds import draft, write
from tests.soak import soak

API = "/mlflow/{}/api/2.0/mlflow"
SAMPLE, FULL = 120, 5_000
CONFIG = """
[auth]
mode = "token"
[[registries]]
name = "open"
kind = "memory"
team = "risk"
sync_every = 0
writable = true
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder, teams = tmp_path_factory.mktemp("façade"), [("alpha", "risk"), ("secret", "hidden")]
    with gate(folder, config=CONFIG, teams=teams) as made:
        for name in ("alpha", "secret"):
            write(made, draft(random.Random(7), name))
        made.follow()
        yield made


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()}


def test_a_token_is_shown_as_bearer_or_as_the_password(filled: Gate) -> None:
    token = filled.token("reader", ("viewer", "registry:alpha"))
    path = f"{API.format('alpha')}/registered-models/search"
    shown = filled.ask("GET", path, token=token)
    assert shown.status_code == 200 and shown.json()["registered_models"]
    assert filled.ask("GET", path, headers=basic(token)).json() == shown.json()
    assert shown.headers["waypost-freshness"].startswith("never")
    for headers in ({}, basic("wrong"), {"Authorization": "Basic !"}, {"Authorization": "Digest x"}):
        found = filled.ask("GET", path, headers=headers)
        assert (found.status_code, found.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert filled.ask("GET", "/api/v1/registries", headers=basic(token)).status_code == 401, (
        "a browser's way in"
    )
    made = filled.ask("POST", path.replace("search", "create"), token=token, json={"name": "x"})
    assert (made.status_code, made.json()["error_code"]) == (403, "PERMISSION_DENIED")
    fresh = filled.ask("GET", path, token=token, headers={"Waypost-Fresh": "1"})
    assert (fresh.status_code, fresh.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_what_has_not_ended_is_said_with_its_number_and_joined_by_who_asks_again(
    filled: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "ASKED_WITHIN", 0.0)  # nobody carries an operation out here
    path = f"{API.format('open')}/registered-models/create"
    one, other = (filled.token(name, ("approver", "registry:open")) for name in ("one", "another"))
    numbers = []
    for token, name in ((one, "new"), (one, "new"), (one, "newer"), (other, "new")):
        told = filled.ask("POST", path, token=token, json={"name": name})
        assert (told.status_code, told.json()["error_code"]) == (409, "RESOURCE_CONFLICT"), told.text
        said = re.fullmatch(
            r"operation (\d+) has not ended after 0 s .+ \(http://.+/operations/\1\)", told.json()["message"]
        )
        assert said, told.text
        numbers.append(said[1])
    assert numbers[0] == numbers[1] and len(set(numbers)) == 3


def test_what_is_hidden_is_as_if_it_were_not_there(filled: Gate) -> None:
    token = filled.token("other", ("approver", "registry:alpha"))
    for address in (*READS, *WRITES):
        method, path = address.split(" ")
        path = path.replace("{model_id:str}", "m-1")
        body = {
            "name": "fraud", "version": "1", "alias": "best", "key": "a", "value": "b", "stage": "Production",
            "source": "s3://b/m", "new_name": "other", "run_id": "r", "description": "d",
        }  # fmt: skip
        sent: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        told = {
            name: filled.ask(method, f"/mlflow/{name}{path}", token=token, **sent)
            for name in ("secret", "nowhere")
        }
        assert told["secret"].status_code == told["nowhere"].status_code == 404, address
        assert told["secret"].content == told["nowhere"].content.replace(b"nowhere", b"secret"), address


def test_every_refusal_has_mlflows_shape(filled: Gate) -> None:
    token = filled.token("asker", ("viewer", "*"))
    for method, path, status in (
        ("GET", "/mlflow/alpha/api/2.0/mlflow/nothing", 404),
        ("GET", "/mlflow/alpha", 404),
        ("PUT", "/mlflow/alpha/api/2.0/mlflow/registered-models/get", 405),
        ("GET", "/mlflow/alpha/api/2.0/mlflow/registered-models/get?name=%ff", 400),
        ("GET", "/mlflow/alpha/api/2.0/mlflow/registered-models/search?max_results=1001", 400),
        ("GET", "/mlflow/alpha/api/2.0/mlflow/webhooks", 404),
        ("GET", "/mlflow/alpha/api/2.0/mlflow-artifacts/artifacts/x/1/MLmodel", 404),
    ):
        found = filled.ask(method, path, token=token, headers={"Accept": "text/html"})
        assert found.status_code == status, (path, found.text)
        assert (
            set(found.json()) == {"error_code", "message"}
            and found.headers["content-type"] == "application/json"
        )


@pytest.mark.parametrize(("method", "path"), [("GET", "get"), ("POST", "get-latest-versions")])
def test_what_is_nested_too_deeply_is_refused_before_it_is_parsed(
    filled: Gate, method: str, path: str
) -> None:
    token, at = filled.token(path, ("viewer", "*")), f"{API.format('alpha')}/registered-models/{path}"
    found = filled.ask(method, at, token=token, content=b"[" * 2_000)
    assert (found.status_code, found.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "levels of nesting" in found.json()["message"]


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, "", " ", "a", "fraud", "x" * 300, "%", "\u2028", "'", "`", "a/b", "m:1", "../..",
    "name = 'a'", "name LIKE '%a%' AND tags.`x` != 'y'", "version_number > 1", "name IN ('a','b')", "tags.env = 'prod'",
    "last_updated_timestamp DESC", "e30=", "W10=", [], ["name ASC"], [1], {}, {"key": "a"},
    [{"key": "a", "value": "b"}],
)  # fmt: skip
FIELDS = (
    "name", "version", "alias", "key", "value", "stage", "source", "new_name", "filter", "order_by", "max_results",
    "page_token", "stages", "tags", "description", "run_id", "archive_existing_versions", "path",
)  # fmt: skip


BODIES = (
    b"",
    b"{",
    b"[]",
    b"1",
    b"\xff",
    b'{"name": "\\ud800"}',
    b"[" * 2_000,
    b'{"name": NaN}',
    b'{"name":"a","name":1}',
)
REGISTRY = ("open",) * 8 + ("closed", "nowhere", "%2e", "a%2fb")


@soak(sample=SAMPLE, full=FULL, batch=FULL)
def test_no_request_breaks_it(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """Requests of any content at every route: never 5xx, and every refusal in MLflow's shape."""
    rng, wrong = random.Random(seed), list[str]()
    addresses = [
        *READS,
        *WRITES,
        "GET /api/2.0/mlflow-artifacts/artifacts",
        "GET /api/2.0/mlflow-artifacts/artifacts/a/1/b",
    ]
    with (
        gate(tmp_path, config=CONFIG, teams=[("closed", "risk")]) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        for module in (changing, facade):  # nobody carries an operation out here
            patch.setattr(module, "ASKED_WITHIN", 0.0)
        for name in ("open", "closed"):
            write(made, draft(rng, name))
        made.follow()
        token = made.token("any", ("operator", "*"))
        for _ in range(cases):
            method, path = rng.choice(addresses).split(" ")
            path = f"/mlflow/{rng.choice(REGISTRY)}{path}".replace(
                "{model_id:str}", rng.choice(("m-1", "x", "a b"))
            )
            body: Any = {name: rng.choice(ODD) for name in rng.sample(FIELDS, rng.randint(0, 6))}
            if rng.random() < 0.1:
                body = rng.choice(ODD)
            sent: dict[str, Any] = {"content": json.dumps(body).encode()}
            if method == "GET" and isinstance(body, dict):
                sent = {
                    "params": {name: value for name, value in body.items() if not isinstance(value, dict)}
                }
            elif rng.random() < 0.1:
                sent = {"content": rng.choice(BODIES)}
            headers = {"Waypost-Fresh": "1"} if rng.random() < 0.05 else {}
            headers |= (
                {"Range": rng.choice(("bytes=0-", "bytes=9-1", "lines=1"))} if rng.random() < 0.1 else {}
            )
            found = made.ask(method, path, token=token, headers=headers, **sent)
            wrong += [f"{method} {path} {sent}: {found.status_code} {found.text[:200]}"] * _is_wrong(found)
    return wrong


def _is_wrong(found: Any) -> bool:
    told = found.json()
    refusal = found.status_code >= 300
    return bool(found.status_code >= 500 or (refusal and set(told) != {"error_code", "message"}))
