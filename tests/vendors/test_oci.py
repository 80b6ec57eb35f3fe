"""Debian's docker-registry, and the clients that push models to it."""

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from adapters import Key, VersionRecord
from adapters.conformance import Conformance, Gap
from adapters.emulators.oci.harness import INCARNATIONS, PushingHarness
from adapters.emulators.oci.pushing import Pusher
from gateway.demo.servers import Server
from tests.adapters.oci.conftest import Site
from tests.adapters.scans import scanned
from tests.vendors import environment

NO_UNTAGGING = Gap("upstream", "docker-registry 2.8.2 takes no tag away")


class RealHarness(PushingHarness):
    """Debian's docker-registry."""

    gaps: ClassVar[Mapping[str, Gap]] = {
        **INCARNATIONS,
        "a_removed_alias_is_seen": NO_UNTAGGING,
        "an_alias_is_set_moved_and_removed": NO_UNTAGGING,
        "other_aliases_stay": NO_UNTAGGING,
    }


@pytest.fixture(scope="module")
def harness(docker_registry: Server) -> Iterator[RealHarness]:
    made = RealHarness(docker_registry.url)
    yield made
    made.close()


class TestReal(Conformance, harness=RealHarness):
    """What can be done without breaking it."""


PUSH = """
import sys
from pathlib import Path
from modelpack_client import ModelDescriptor, ModelLayer, ModelPackClient, ModelPackConfig, ModelTechnicalConfig

host, repository, weight = sys.argv[1:]
told = ModelDescriptor(
    created_at="2026-03-01T12:00:00Z", authors=("Ada",), name="churn", version="1.2.0", description="Who leaves",
    source_url="https://git.example/churn", datasets_url=("https://data.example/churn",), revision="4f2b1c7",
    licenses=("Apache-2.0",),
)
made = ModelTechnicalConfig(architecture="transformer", format="onnx", param_size="8b", precision="fp16")
result = ModelPackClient(insecure=True).push(
    f"{host}/{repository}:1.2.0", [ModelLayer(weight)], ModelPackConfig(told, made), annotations={"team": "risk"}
)
print(result.digest)
"""
ORAS = """
import sys
from oras.client import OrasClient

host, repository, weight, config = sys.argv[1:]
client = OrasClient(insecure=True)
client.push(
    target=f"{host}/{repository}:1.2.0", files=[weight], disable_path_validation=True,
    manifest_config=f"{config}:application/vnd.cncf.model.config.v1+json",
    manifest_annotations={"org.opencontainers.image.revision": "4f2b1c7"},
)
print(",".join(client.get_tags(f"{host}/{repository}")))
"""
LOOK = """
import sys
from oras.client import OrasClient

client, place = OrasClient(insecure=True), sys.argv[1]
tags = sorted(client.get_tags(place))
print(tags, *(client.get_manifest(f"{place}:{tag}")["layers"][0]["digest"] for tag in ("production", "1.2.0")))
"""


def run(code: str, folder: Path, *arguments: str) -> str:
    """What a script prints in the environment of the clients."""
    command = [str(environment("oci")), "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def site(docker_registry: Server) -> Iterator[Site]:
    with Pusher(docker_registry.url) as pusher:
        yield Site(docker_registry.url, pusher, f"vendors/m{secrets.token_hex(6)}")


def test_what_the_modelpack_client_pushes_is_read_and_pulled_as_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    host = site.url.removeprefix("http://")
    digest = run(PUSH, tmp_path, host, site.repository, "model.onnx")
    adapter = site.adapter()
    _, version = site.only(adapter)
    assert (version.version, version.artifact_digest) == ("1.2.0", digest)
    assert (version.framework, version.license, version.creator) == ("onnx", "Apache-2.0", "Ada")
    assert (version.lineage.commit, version.lineage.repository) == ("4f2b1c7", "https://git.example/churn")
    assert [one.uri for one in version.lineage.datasets] == ["https://data.example/churn"]
    assert version.tags["team"] == "risk"
    assert version.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    for number, snippet in enumerate(
        one for one in adapter.snippets("m", version) if one.language == "python"
    ):
        (folder := tmp_path / str(number)).mkdir()
        run(snippet.code, folder)
        assert [one.read_bytes() for one in (folder / "model").rglob("model.onnx")] == [b"weights"], (
            snippet.title
        )


def test_what_oras_pushes_is_read(site: Site, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"weights")
    told = {
        "descriptor": {"name": "churn"},
        "config": {"format": "gguf"},
        "modelfs": {"type": "layers", "diffIds": []},
    }
    (tmp_path / "config.json").write_text(json.dumps(told))
    host = site.url.removeprefix("http://")
    assert run(ORAS, tmp_path, host, site.repository, "model.gguf", "config.json") == "1.2.0"
    _, version = site.only()
    assert (version.framework, version.lineage.commit) == ("gguf", "4f2b1c7")


def test_moved_tags_and_deletes_are_what_oras_sees(site: Site, tmp_path: Path) -> None:
    for number in (1, 2):
        site.pusher.modelpack(site.repository, f"1.{number}.0", seed=str(number))
    site.pusher.tag(site.repository, "production", site.pusher.tags(site.repository)["1.1.0"])
    adapter = site.adapter()
    model = Key("model", site.repository)
    adapter.set_alias(model, "production", "1.2.0")
    first = next(
        one for one in scanned(adapter).records if isinstance(one, VersionRecord) and one.version == "1.1.0"
    )
    adapter.delete(first.key)
    told = run(LOOK, tmp_path, f"{site.url.removeprefix('http://')}/{site.repository}")
    tags, _, digests = told.partition("] ")
    assert tags == "['1.2.0', 'production'"
    assert len(set(digests.split())) == 1
