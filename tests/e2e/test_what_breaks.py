"""encoder:3 (MLflow, team A) → ranker:5 (SageMaker, team B) → search-blend:7 (Vertex AI, team C, live endpoint).

A real MLflow server and the emulators of the other two, each filled through its vendor's own client, one gateway over
them in processes of its own: archiving, moving an alias and changing the schema give exactly the expected answer,
over the API, on the command line and in the exit code.
"""

import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators.sagemaker import Emulator
from adapters.emulators.vertex import VertexEmulator
from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.adapters.sagemaker.aws import REGION, client, package
from tests.adapters.vertex.vendor import Vendor
from tests.gateway.served import Served, served
from tests.servers import mlflow as mlflow_state

CONFIG = f"""
[[registries]]
name = "texts"
kind = "mlflow"
team = "A"
sync_every = 0
config = {{ url = "%(mlflow)s" }}
[[registries]]
name = "ranking"
kind = "sagemaker"
team = "B"
sync_every = 0
config = {{ region = "{REGION}", endpoint_url = "%(sagemaker)s", access_key_id = "file:%(secret)s", \
secret_access_key = "file:%(secret)s" }}
[[registries]]
name = "search"
kind = "vertex"
team = "C"
sync_every = 0
config = {{ project = "%(project)s", location = "%(location)s", endpoint = "%(vertex)s" }}
"""
TEXT = [{"name": "text", "type": "string", "required": True}]


def vector(width: int, *more: dict[str, Any]) -> list[dict[str, Any]]:
    spec = {"dtype": "float32", "shape": [-1, width]}
    return [{"name": "vector", "type": "tensor", "tensor-spec": spec}, *more]


OUTPUTS = {
    "1": vector(64),
    "2": vector(128),
    "3": vector(128),
    "4": vector(256),
    "5": vector(128, {"name": "language", "type": "string", "required": True}),
}
"""Version 4 gives longer vectors than 3; 5 gives what 3 gives, and more."""


def fill_mlflow(url: str) -> None:
    """encoder:1 to 5, each with its signature; champion is 3, which is in production."""
    mlflow = mlflow_client(url)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    mlflow.create_registered_model("encoder")
    with tempfile.TemporaryDirectory() as folder:
        for version, outputs in OUTPUTS.items():
            run = mlflow.create_run("0", tags={"mlflow.source.git.commit": f"{version}abcdef0123"}).info
            signature = {"inputs": json.dumps(TEXT), "outputs": json.dumps(outputs)}
            file = Path(folder, "MLmodel")
            file.write_text(json.dumps({"flavors": {"python_function": {}}, "signature": signature}))
            get_artifact_repository(run.artifact_uri, tracking_uri=url).log_artifact(str(file), "model")
            mlflow.create_model_version(
                "encoder", f"{run.artifact_uri}/model", run_id=run.run_id, await_creation_for=0
            )
    mlflow.set_registered_model_alias("encoder", "champion", "3")


def fill_sagemaker(url: str) -> None:
    """ranker:5 is pinned to encoder:3; ranker:4 follows its champion."""
    boto = client(url)
    needs = {4: {"depends_on": "texts/encoder@champion"}, 5: {"depends_on": "texts/encoder:3"}}
    for version in range(1, 6):
        package(boto, "ranker", CustomerMetadataProperties=needs.get(version, {"number": str(version)}))


def fill_vertex(emulator: VertexEmulator) -> None:
    """search-blend:7 takes all traffic of a live endpoint."""
    vendor = Vendor(emulator.address, emulator.parent)
    for _ in range(7):
        vendor.upload("search-blend")
    vendor.deploy(vendor.endpoint("blend-live"), "search-blend@7")
    vendor.close()


@pytest.fixture(scope="module")
def mlflow(mlflow_process: Server) -> Server:
    mlflow_state.empty(mlflow_process)
    return mlflow_process


@pytest.fixture(scope="module")
def gateway(mlflow: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Emulator() as sagemaker, VertexEmulator() as vertex:
        fill_mlflow(mlflow.url)
        fill_sagemaker(sagemaker.url)
        fill_vertex(vertex)
        folder = tmp_path_factory.mktemp("gateway")
        secret = folder / "secret"
        secret.write_text("waypost-secret")
        places = {
            "secret": str(secret),
            "mlflow": mlflow.url,
            "sagemaker": sagemaker.url,
            "vertex": vertex.address,
            "project": vertex.project,
            "location": vertex.location,
        }
        with served(folder, config=CONFIG % places) as running:
            read_everything(running)
            yield running


def read_everything(gateway: Served) -> None:
    """All three are read, Vertex's edge is declared (a label cannot hold it), and schemas have arrived."""
    for name in ("texts", "ranking", "search"):
        run = gateway.client.post(f"/registries/{name}/sync").json()["id"]
        until(lambda run=run: gateway.client.get(f"/syncs/{run}").json()["state"] == "ok")  # type: ignore[misc]
    edge = {"consumer": "search/search-blend:7", "provider": "ranking/ranker:5", "note": "blends its ranking"}
    made = gateway.client.post("/dependencies", json=edge)
    assert made.status_code == 201, made.text
    until(lambda: impact(gateway, "texts/encoder:3")["counts"]["affected"] == 3)
    for version in OUTPUTS:
        until(lambda v=version: gateway.client.get(f"/versions/texts/encoder:{v}").json()["schema"])  # type: ignore[misc]


def until(holds: Callable[[], object], patience: float = 60.0) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.05)


def impact(gateway: Served, ref: str, **query: str) -> dict[str, Any]:
    answer = gateway.client.get(f"/impact/{ref}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def command(gateway: Served, *words: str) -> tuple[int, str, str]:
    """Exit code and output of `waypost` against the running gateway."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*words, "--url", gateway.url])
    return code, out.getvalue(), err.getvalue()


def hits(found: dict[str, Any]) -> list[tuple[str, int, bool, str, str]]:
    return [
        (one["ref"], one["distance"], one["breaks"], one["severity"], one["team"])
        for one in found["affected"]
    ]


def test_archiving_the_encoder(gateway: Served) -> None:
    found = impact(gateway, "texts/encoder:3", action="archive")
    assert hits(found) == [
        ("ranking/ranker:5", 1, True, "other", "B"),
        ("ranking/ranker:4", 1, True, "other", "B"),
        ("search/search-blend:7", 2, False, "live", "C"),
    ]
    assert [one["reason"] for one in found["affected"]] == [
        "pinned to texts/encoder:3, which would be archived",
        "follows texts/encoder@champion, which means texts/encoder:3, which would be archived",
        "depends on ranking/ranker:5",
    ]
    assert [one["via"] for one in found["affected"]] == [[], ["texts/encoder@champion"], ["ranking/ranker:5"]]
    assert found["counts"] == {
        "affected": 3, "breaking": 2, "live": 1, "production": 1, "staging": 0, "teams": 2, "registries": 2,
        "unreadable": 0,
    }  # fmt: skip
    (served_by,) = found["affected"][2]["endpoints"]
    assert (served_by["name"], served_by["live"], served_by["percent"]) == ("blend-live", True, 100)
    assert (found["severity"], found["scope"], found["complete"], found["incomplete"]) == (
        "live",
        "all",
        True,
        [],
    )
    code, out, err = command(gateway, "impact", "texts/encoder:3", "--action", "archive", "--fail-on", "live")
    assert code == 1, err
    assert "2 break, 3 affected in all" in out
    assert "└── search/search-blend:7  production  blend-live 100 %" in out
    assert "gate live: fails" in err


def test_moving_the_champion(gateway: Served) -> None:
    refused = impact(gateway, "texts/encoder@champion", action="move-alias", to="4")
    assert hits(refused) == [("ranking/ranker:4", 1, True, "other", "B")]
    assert (
        "texts/encoder:4: output vector: shape changed ([-1, 128] → [-1, 256])"
        in refused["affected"][0]["reason"]
    )
    taken = impact(gateway, "texts/encoder@champion", action="move-alias", to="5")
    assert hits(taken) == [("ranking/ranker:4", 1, False, "other", "B")]
    words = ("impact", "texts/encoder@champion", "--action", "move-alias", "--to", "4", "--fail-on")
    assert command(gateway, *words, "any")[0] == 1
    assert command(gateway, *words, "production")[0] == 0


def test_changing_the_schema(gateway: Served) -> None:
    refused = impact(gateway, "texts/encoder:3", action="change", to="4")
    assert hits(refused) == [
        ("ranking/ranker:5", 1, True, "other", "B"),
        ("ranking/ranker:4", 1, True, "other", "B"),
        ("search/search-blend:7", 2, False, "live", "C"),
    ]
    taken = impact(gateway, "texts/encoder:3", action="change", to="5")
    assert (taken["counts"]["breaking"], taken["counts"]["affected"]) == (0, 3)
    verdicts = {
        version: gateway.client.get(
            "/diff", params={"left": "texts/encoder:3", "right": f"texts/encoder:{version}"}
        ).json()["contract"]["verdict"]
        for version in ("2", "4", "5")
    }
    assert verdicts == {"2": "full", "4": "none", "5": "backward"}
    code, out, _ = command(gateway, "impact", "texts/encoder:3", "--to", "4", "--fail-on", "live", "--json")
    assert code == 1
    assert json.loads(out)["counts"] == refused["counts"]


def test_upstream_of_what_is_live(gateway: Served) -> None:
    found = gateway.client.get("/dependencies/search/search-blend:7").json()
    needed = {one["ref"]: one for one in found["dependencies"]}
    assert list(needed)[:2] == ["ranking/ranker:5", "texts/encoder:3"]
    assert [source["origin"] for source in needed["ranking/ranker:5"]["sources"]] == ["api"]
    assert [source["origin"] for source in needed["texts/encoder:3"]["sources"]] == ["tag"]
    assert "commit:3abcdef0123" in needed
    learned = gateway.client.get("/impact", params={"commit": "3abcdef"}).json()
    assert learned["affected"][0]["ref"] == "search/search-blend:7"
    assert learned["counts"]["affected"] == 4
    assert command(gateway, "bom", "search/search-blend:7")[0] == 0
