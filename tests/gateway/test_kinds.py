"""One search and one chain of dependencies over ten kinds of registries, as the command line tells them."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators import azureml as azure
from adapters.emulators import huggingface, kubeflow, oci, rest, unity, wandb
from adapters.emulators.folder import Shelves
from adapters.emulators.oci.pushing import Pusher
from adapters.emulators.rest.harness import SHELF
from adapters.emulators.sagemaker import Emulator
from adapters.memory import BACKENDS, MemoryBackend
from gateway.cli import run
from tests.adapters.sagemaker import aws
from tests.adapters.waypost import gateways as peers

REGISTRY = """
[[registries]]
name = "{name}"
kind = "{kind}"
team = "t"
sync_every = 0
config = {config}
"""
CHAIN = (
    "app/chain:1", "scoring/chain:1", "shelf/chain:1", "cloud/chain:1", "share/chain:1", "edge/models/chain:1.0.0",
    "hub/acme/chain:main",
)  # fmt: skip
"""Each needs the next one, the last all of the ends."""
ENDS = ("lake/main.risk.chain:1", "research/model/chain:v0", "emea/theirs/chain:1")
ADDRESS = "wandb-artifact://research/training/chain:v0"
Serves = Callable[[Any, Any], str]


@pytest.fixture
def serves() -> Iterator[Serves]:
    """Serves an emulator until the end; its address."""
    with ExitStack() as stack:

        def opened(serve: Callable[[Any], ThreadingHTTPServer], service: Any) -> str:
            server = serve(service)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield opened


def needs(reference: str) -> dict[str, str]:
    """A tag that says what a version needs."""
    return {"depends_on": reference}


def test_one_search_and_one_chain_lead_over_ten_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], serves: Serves
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("a-key")
    app = kubeflow.KubeflowRegistry()
    named = {"metadataType": "MetadataStringValue", "string_value": CHAIN[1]}
    app.put("chain", customProperties={"depends_on": named})
    scoring = azure.AzureWorkspace(token="a-key")
    scoring.put("chain", tags=needs(CHAIN[2]))
    shelf = rest.Shelf(token="a-key")
    shelf.touch(shelf.put_version("chain"), tags=needs(CHAIN[3]))
    share = Shelves(tmp_path / "share")
    share.put("chain", "1", tags=needs(CHAIN[5]))
    edge, hub = oci.OciRegistry(), huggingface.Hub()
    hub.create("acme/chain")
    card = f"---\ntags: ['depends_on:{ENDS[0]},{ADDRESS},{ENDS[2]}']\n---\n"
    hub.commit("acme/chain", {"README.md": card.encode()})
    lake, research = unity.Metastore(), wandb.Organization(key="a-key")
    lake.put("main.risk.chain")
    research.put("model/chain")
    edge_url = serves(oci.serve, edge)
    with Pusher(edge_url) as pusher:
        pusher.modelpack("models/chain", "1.0.0", annotations=needs(CHAIN[6]))
    shelf_url = serves(rest.serve, shelf)
    theirs = BACKENDS.setdefault("theirs", MemoryBackend(identity="memory:theirs"))
    theirs.add_version(theirs.model("chain"), "1")
    inner = peers.registry("theirs", "memory", backend="theirs")
    with Emulator() as cloud, peers.gateway(tmp_path / "emea", inner) as emea:
        assert emea.sync("theirs") == "ok"
        aws.package(aws.client(cloud.url), "chain", CustomerMetadataProperties=needs(CHAIN[4]))
        known: dict[str, tuple[str, dict[str, Any]]] = {
            "app": ("kubeflow", {"url": serves(kubeflow.serve, app)}),
            "scoring": (
                "azureml",
                {
                    "url": serves(azure.serve, scoring), "subscription": "sub-1", "resource_group": "ml",
                    "workspace": "risk", "token": "file:key",
                },
            ),
            "shelf": ("rest", _shelf(f"{shelf_url}/api")),
            "cloud": (
                "sagemaker",
                {
                    "region": aws.REGION, "endpoint_url": cloud.url, "access_key_id": "file:key",
                    "secret_access_key": "file:key",
                },
            ),
            "share": ("folder", {"path": str(tmp_path / "share"), "settle": 0}),
            "edge": ("oci", {"url": edge_url}),
            "hub": ("huggingface", {"url": serves(huggingface.serve, hub), "authors": ["acme"]}),
            "lake": ("unity", {"url": serves(unity.serve, lake)}),
            "research": (
                "wandb",
                {"url": serves(wandb.serve, research), "organization": "acme", "api_key": "file:key"},
            ),
            "emea": ("waypost", {"url": emea.url}),
        }  # fmt: skip
        tables = [
            REGISTRY.format(name=name, kind=kind, config=_inline(config))
            for name, (kind, config) in known.items()
        ]
        (tmp_path / "waypost.toml").write_text("".join(tables))

        def said(*words: str) -> Any:
            assert run(["--config", "waypost.toml", "--json", *words]) == 0, capsys.readouterr()
            return json.loads(capsys.readouterr().out)

        said("sync")
    del BACKENDS["theirs"]
    found = said("search", "chain", "--group", "version")
    assert {hit["registry"] for hit in found["hits"]} == known.keys()
    listed = said("deps", CHAIN[0], "--depth", "9")["dependencies"]
    needed = {one["ref"]: one["distance"] for one in listed if one["ref"].partition("/")[0] in known}
    assert needed == {ref: place for place, ref in enumerate(CHAIN) if place} | dict.fromkeys(
        ENDS, len(CHAIN)
    )


def _shelf(url: str) -> dict[str, Any]:
    listings = {name: SHELF[name] for name in ("auth", "info", "models", "versions")}
    return {"url": url, "token": "file:key", **listings}


def _inline(value: Any) -> str:
    """As TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_inline(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)
