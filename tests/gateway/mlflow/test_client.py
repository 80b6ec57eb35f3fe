"""MLflow's client, as it is, over a registry that is no MLflow: lives of models, and what it is told of mistakes."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.mlflow.client import ClientError, RunningClient
from tests.gateway.served import Served

SOURCE = "s3://bucket/model"


def refused(code: str, client: RunningClient, call: str, *args: object, **named: object) -> str:
    """What a client is told where a call is refused with this code."""
    with pytest.raises(ClientError) as error:
        client(call, *args, **named)
    assert error.value.code == code, error.value
    return error.value.message


def test_a_model_lives_from_its_creation_to_its_delete(client: RunningClient) -> None:
    made = client("create_registered_model", "whole", tags={"a": "1"}, description="all of it")
    assert (made["name"], made["tags"], made["description"]) == ("whole", {"a": "1"}, "all of it")
    assert made["latest_versions"] == [] and made["creation_timestamp"] > 1.6e12
    assert "already" in refused("RESOURCE_ALREADY_EXISTS", client, "create_registered_model", "whole")

    first = client("create_model_version", "whole", SOURCE, tags={"b": "2"}, description="the first")
    expected: dict[str, Any] = {
        "name": "whole", "version": "1", "source": SOURCE, "status": "READY", "current_stage": "None",
        "tags": {"b": "2"}, "description": "the first", "run_id": None, "aliases": [],
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert client("create_model_version", "whole", SOURCE)["version"] == "2"
    client("update_registered_model", "whole", "better")
    client("update_model_version", "whole", "1", "best")
    client("set_registered_model_tag", "whole", "c", "3")
    client("delete_registered_model_tag", "whole", "a")
    client("set_model_version_tag", "whole", "1", "d", "4")
    client("delete_model_version_tag", "whole", "1", "b")
    client("set_registered_model_alias", "whole", "best", "2")

    model = client("get_registered_model", "whole")
    assert (model["description"], model["tags"], model["aliases"]) == ("better", {"c": "3"}, {"best": "2"})
    assert [one["version"] for one in model["latest_versions"]] == ["2"]
    version = client("get_model_version", "whole", "1")
    assert (version["description"], version["tags"]) == ("best", {"d": "4"})
    assert client("get_model_version_by_alias", "whole", "best")["aliases"] == ["best"]
    assert client("get_model_version_download_uri", "whole", "1") == SOURCE

    copied = client("copy_model_version", "models:/whole/1", "copied")
    assert (copied["name"], copied["version"], copied["source"]) == ("copied", "1", SOURCE)

    client("rename_registered_model", "whole", "renamed")
    assert client("get_model_version", "renamed", "1")["description"] == "best"
    assert "name=whole" in refused("RESOURCE_DOES_NOT_EXIST", client, "get_registered_model", "whole")
    client("delete_registered_model_alias", "renamed", "best")
    assert "alias best" in refused(
        "INVALID_PARAMETER_VALUE", client, "get_model_version_by_alias", "renamed", "best"
    )
    client("delete_model_version", "renamed", "2")
    assert "version=2" in refused("RESOURCE_DOES_NOT_EXIST", client, "get_model_version", "renamed", "2")
    client("delete_registered_model", "renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client, "get_registered_model", "renamed")


def test_an_archive_is_no_address_to_load_from(client: RunningClient) -> None:
    client("create_registered_model", "packed")
    client("create_model_version", "packed", "s3://bucket/model.tar.gz")
    said = refused("INVALID_PARAMETER_VALUE", client, "get_model_version_download_uri", "packed", "1")
    assert "archive" in said and "unpacks" in said


def test_a_token_is_never_shown_to_the_host_that_a_source_names(
    client: RunningClient, facade: Served, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers}")
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    shown = client.at(client.registry, MLFLOW_TRACKING_TOKEN="wpt-secret")
    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as host:
        threading.Thread(target=host.serve_forever, args=(0.05,), daemon=True).start()
        there = f"127.0.0.1:{host.server_port}"
        sources = [f"{scheme}//{there}/m" for scheme in ("http:", "HTTP:", " http:", "mlflow-artifacts:")]
        shown("create_registered_model", "elsewhere")
        for number, source in enumerate(
            (*sources, "mlflow-artifacts:/m", "runs:/1/m", "models:/elsewhere/1"), 1
        ):
            made = shown("create_model_version", "elsewhere", source)
            for address in (
                made["source"],
                shown("get_model_version_download_uri", "elsewhere", str(number)),
            ):
                assert there not in address or facade.url in address, address
            with pytest.raises(ClientError):
                shown("download", f"models:/elsewhere/{number}")
        host.shutdown()
    assert not asked


def test_stages_are_moved_and_asked_for_in_mlflows_words(client: RunningClient) -> None:
    client("create_registered_model", "staged")
    for _ in range(2):
        client("create_model_version", "staged", SOURCE)
    move = "transition_model_version_stage"
    assert client(move, "staged", "1", "production")["current_stage"] == "Production"
    assert (
        client(move, "staged", "2", "Production", archive_existing_versions=True)["current_stage"]
        == "Production"
    )
    latest = {one["version"]: one["current_stage"] for one in client("get_latest_versions", "staged")}
    assert latest == {"1": "Archived", "2": "Production"}
    found = client("get_latest_versions", "staged", stages=["Production"])
    assert [one["version"] for one in found] == ["2"]
    assert "absence" in refused("INVALID_PARAMETER_VALUE", client, move, "staged", "2", "None")
    assert "Staging" in refused("INVALID_PARAMETER_VALUE", client, move, "staged", "1", "Best")
    client("set_registered_model_alias", "staged", "champion", "1")
    assert client("get_model_version", "staged", "1")["current_stage"] == "Production", (
        "by a rule of the registry"
    )
    said = refused("RESOURCE_CONFLICT", client, move, "staged", "1", "Archived")
    assert "alias:champion" in said, "it would stay in production, so nothing is written"


def test_models_and_versions_are_found_by_mlflows_language_page_by_page(client: RunningClient) -> None:
    for place, name in enumerate(("find-a", "find-b", "Find-c", "found")):
        client("create_registered_model", name, tags={"place": str(place), "kind": "x y"})
        client("create_model_version", name, SOURCE, run_id=f"run{place}", tags={"place": str(place)})

    def models(where: str, **named: object) -> list[str]:
        return [one["name"] for one in client("search_registered_models", where, **named)["rows"]]

    def versions(where: str, **named: object) -> list[str]:
        return [one["name"] for one in client("search_model_versions", where, **named)["rows"]]

    assert models("name LIKE 'find-%'") == ["find-a", "find-b"]
    assert sorted(models("name ILIKE '%FIND-_'")) == ["Find-c", "find-a", "find-b"]
    assert models("name = 'found'") == models("tags.`place` = '3' AND name ILIKE 'f%'") == ["found"]
    assert models("name LIKE 'find-%' and tag.place != '0'") == ["find-b"]
    assert models("name LIKE 'fi%'", order_by=["name DESC"]) == ["find-b", "find-a"]
    first = client("search_registered_models", "name LIKE 'f%'", max_results=2)
    second = client("search_registered_models", "name LIKE 'f%'", max_results=2, page_token=first["token"])
    assert [one["name"] for one in (*first["rows"], *second["rows"])] == ["find-a", "find-b", "found"]
    assert not second["token"]

    assert versions("tags.place = '2'") == versions("run_id = 'run2'") == ["Find-c"]
    assert versions("name IN ('find-a', 'found')", order_by=["name DESC"]) == ["found", "find-a"]
    assert versions("run_id IN ('run0','run3') AND version_number < 2", order_by=["name"]) == [
        "find-a",
        "found",
    ]
    assert versions(f"source_path = '{SOURCE}' AND name LIKE 'find-_'", max_results=1) == ["find-b"], (
        "newest first"
    )
    assert "Invalid clause(s)" in refused(
        "INVALID_PARAMETER_VALUE", client, "search_registered_models", "what is this"
    )


def test_a_guarded_stage_says_at_once_where_its_plan_is(client: RunningClient) -> None:
    client("create_registered_model", "guarded")
    client("create_model_version", "guarded", SOURCE)
    said = refused(
        "PERMISSION_DENIED", client, "transition_model_version_stage", "guarded", "1", "Production"
    )
    assert "/promote/r/guarded:1?to=production" in said
    said = refused("PERMISSION_DENIED", client, "set_registered_model_alias", "guarded", "champion", "1")
    assert "policy guarded" in said
    assert client("get_model_version", "guarded", "1")["current_stage"] == "None"
    said = refused("RESOURCE_CONFLICT", client, "rename_registered_model", "guarded", "free")
    assert "policies" in said


def test_a_registry_that_is_read_only_says_so(client: RunningClient, facade: Served) -> None:
    closed = client.at(f"{facade.url}/mlflow/closed")
    assert "writable" in refused("PERMISSION_DENIED", closed, "create_registered_model", "new")
    assert closed("search_registered_models")["rows"] == []
    nowhere = client.at(f"{facade.url}/mlflow/nowhere")
    assert "registry" in refused("RESOURCE_DOES_NOT_EXIST", nowhere, "search_registered_models")
    refused("ENDPOINT_NOT_FOUND", client, "list_webhooks")


def test_an_answer_says_how_fresh_it_is_and_asks_the_backend_first_where_that_is_wanted(
    facade: Served,
) -> None:
    address = f"{facade.url}/mlflow/closed/api/2.0/mlflow/registered-models/search"
    fresh = httpx.get(address, headers={"Waypost-Fresh": "1"}, timeout=60)
    assert (fresh.status_code, fresh.json()) == (200, {})
    runs = facade.client.get("/registries/closed").json()
    assert runs["state"] == "ok", "the backend was asked for it"
    end = time.monotonic() + 60
    while not httpx.get(address).headers["waypost-freshness"].startswith("ok; synced_at=20"):
        assert time.monotonic() < end
