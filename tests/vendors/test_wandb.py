"""The client of Weights & Biases judges our fake of it, and what Waypost reads and writes there."""

import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import ModelRecord, Registration, VersionRecord
from adapters.emulators.wandb import Organization, serve
from adapters.wandb import WandbAdapter, WandbConfig
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.servers import blank
from tests.soak import soak
from tests.vendors import environment
from tests.vendors.driving import WITHIN, Driven, VendorError, driven

SCRIPT = Path(__file__).with_name("wandb_user.py")
KEY = "0123456789abcdef0123456789abcdef01234567"
"""Of the form that the client takes."""


@dataclass
class RunningOrganization:
    """An organisation that is served, and the vendor's client on it."""

    organization: Organization
    url: str
    client: Driven

    def adapter(self) -> WandbAdapter:
        """Ours, on the same organisation."""
        return WandbAdapter(WandbConfig(url=self.url, organization="acme", api_key=KEY))


@pytest.fixture(scope="module")
def client() -> Iterator[Driven]:
    """The vendor's client, in one process for all tests here."""
    with driven(environment("wandb"), SCRIPT) as made:
        yield made


@contextmanager
def running(client: Driven) -> Iterator[RunningOrganization]:
    """An organisation with a registry, on which the client works."""
    organization = Organization(key=KEY)
    organization.registry("model")
    server = serve(organization)
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        client("connect", url, KEY, "acme")
        yield RunningOrganization(organization, url, client)
    finally:
        server.shutdown()
        server.server_close()


def told(record: ModelRecord | VersionRecord) -> object:
    """What is compared of a record."""
    if isinstance(record, ModelRecord):
        return record.description, dict(record.aliases)
    return record.artifact_digest, (record.artifact_uri or "").removeprefix("wandb-artifact://")


def truth(client: Driven) -> dict[str, object]:
    """The same, as the vendor's client reads it."""
    found: dict[str, object] = {}
    for name, model in client("everything").items():
        found[ref(name)] = (
            model["description"],
            {alias: version for version, row in model["versions"].items() for alias in row[2]},
        )
        found |= {ref(name, version): (row[0], row[1]) for version, row in model["versions"].items()}
    return found


def ours(adapter: WandbAdapter) -> dict[str, object]:
    """The same, as we read it."""
    records = [one for one in scanned(adapter).records if isinstance(one, ModelRecord | VersionRecord)]
    names = {one.key: one.name for one in records if isinstance(one, ModelRecord)}
    return {
        ref(one.name) if isinstance(one, ModelRecord) else ref(names[one.model], one.version): told(one)
        for one in records
    }


def test_what_the_client_reads_is_what_we_read(client: Driven) -> None:
    with running(client) as on:
        organization = on.organization
        base = organization.log("base")
        organization.link(organization.collection("model/base"), base)
        organization.link(
            organization.collection("model/churn"), organization.log("churn", inputs=[base["id"]])
        )
        organization.put("model/churn")
        organization.put("team/uplift")
        organization.largest = 2
        adapter = on.adapter()
        assert ours(adapter) == truth(client)
        found = scanned(adapter)
        [version] = found.versions(found.models()["model/base"].key).values()
        users = [edge["node"]["name"] for edge in version.native["artifact"]["usedBy"]["edges"]]
        name = "acme-org/wandb-registry-model/base:v0"
        assert client("lineage", name) == [version.lineage.run_id, users]
        [snippet] = adapter.snippets("model/base", version)
        assert repr(name) in snippet.code
        lines = snippet.code.replace(
            "folder =", "print(artifact.digest)\nfolder ="
        )  # whose files the fake has not
        env = {**os.environ, "WANDB_API_KEY": KEY, "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
        command = [str(environment("wandb")), "-W", "ignore", "-c", lines]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env=env)
        assert done.stdout.splitlines()[:1] == [version.artifact_digest], done.stderr


def test_aliases_are_written_without_rights_on_the_source(client: Driven) -> None:
    with running(client) as on:
        on.organization.put("model/churn")
        on.organization.put("model/churn")
        adapter = on.adapter()
        name = "acme-org/wandb-registry-model/churn:v0"
        client("move", name, ["production"], [])
        model = scanned(adapter).models()["model/churn"]
        assert model.aliases == {"latest": "v1", "production": "v0"}
        on.organization.is_source_read_only = True
        client("move", name, ["staging"], [])  # it asks first, and leaves the artifact itself alone then
        assert adapter.set_alias(model.key, "production", "v1").aliases["production"] == "v1"
        assert ours(adapter) == truth(client)
        on.organization.is_hidden = True
        with pytest.raises(VendorError):
            client("everything")


def test_what_is_linked_here_is_seen_there_and_the_other_way_round(client: Driven) -> None:
    with running(client) as on:
        for _ in range(2):
            on.organization.log("churn")
        adapter = on.adapter()
        source = "wandb-artifact://research/training/churn"
        wanted = Registration(model="model/churn", source=f"{source}:v0", token="once")
        made = adapter.register(wanted)
        name = f"acme-org/wandb-registry-model/churn:{made.version}"
        assert client("lineage", name)[0] == made.lineage.run_id
        target = "acme/wandb-registry-model/churn"
        assert client("link", "research/training/churn:v1", target, ["staging"]) == "v1"
        model = scanned(adapter).models()["model/churn"]
        assert model.aliases == {"latest": "v1", "staging": "v1"}
        assert adapter.register(wanted) == adapter.get(made.key)
        told_there = client("everything")["model/churn"]["versions"]
        assert told_there["v0"][1] == "research/training/churn:v0"
        [token] = told_there["v0"][2]
        assert token.startswith("waypost-"), "which is how the registration is known again"


@dataclass
class WandbUser:
    """Logs and links artifacts, and moves aliases with the vendor's client."""

    on: RunningOrganization
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    made: int = 0

    def act(self) -> None:
        """One random thing."""
        self.made += 1
        organization = self.on.organization
        names = sorted(f"{row['registry']}/{row['name']}" for row in organization.collections.values())
        if len(names) < 3 or self.rng.random() < 0.1:
            organization.put(f"model/m{self.made}")
            return
        name = self.rng.choice(names)
        row = organization.named(name)
        assert row is not None
        links = organization.of(row)
        if not links or self.rng.random() < 0.3:
            organization.put(name)
            return
        version = f"v{self.rng.choice(links)['index']}"
        match self.rng.randrange(4):
            case 0 | 1:
                alias = self.rng.choice(["production", "staging"])
                self.on.client("move", f"acme-org/wandb-registry-{name}:{version}", [alias], [])
            case 2:
                organization.drop(name, int(version[1:]))
                self.gone.add(ref(name, version))
            case _ if len(names) > 3:
                organization.drop(name)
                self.gone.add(ref(name))

    def truth(self) -> Mapping[str, object]:
        """What the organisation has."""
        return truth(self.on.client)


@soak(sample=4, full=500, batch=125)
def test_fidelity_of_registries_of_artifacts(
    cases: int, seed: int, tmp_path: Path, client: Driven
) -> list[str]:
    rng = random.Random(seed)
    folder = tmp_path / str(seed)
    folder.mkdir()
    (folder / "key").write_text(KEY)
    with running(client) as on:
        config: dict[str, Any] = {"url": on.url, "organization": "acme", "api_key": f"file:{folder / 'key'}"}
        with watching(blank.sqlite(folder / "waypost.db"), "wandb", config) as watch:
            return follow(watch, WandbUser(on, rng), told, cases, rng)
