"""The client of Azure ML judges our fake of it, over https, and what Waypost reads and writes there."""

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
from adapters.azureml import AzuremlAdapter, AzuremlConfig
from adapters.emulators.azureml import AzureWorkspace, serve
from adapters.emulators.services import Row
from tests.adapters.pasting import arguments
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.servers import blank
from tests.servers.certificates import certificate
from tests.soak import soak
from tests.vendors import environment
from tests.vendors.driving import WITHIN, Driven, VendorError, driven

SCRIPT = Path(__file__).with_name("azureml_user.py")
TOKEN = "azure-vendors"
SHOWN = """
import time
import azure.identity
from azure.core.credentials import AccessToken


class Shown:
    def get_token(self, *scopes, **more):
        return AccessToken("TOKEN", int(time.time()) + 3600)


azure.identity.DefaultAzureCredential = Shown
"""
"""In place of the login of a user."""
FLAVORS: Row = {"sklearn": {"data": {"code": "none"}}}


@dataclass
class RunningWorkspace:
    """A workspace that is served over https, and the vendor's client on it."""

    workspace: AzureWorkspace
    url: str
    authority: Path
    client: Driven

    def config(self) -> dict[str, Any]:
        """A registry's configuration."""
        place = {"subscription": "sub-1", "resource_group": "ml", "workspace": "risk"}
        return {"url": self.url, "token": TOKEN, "ca_file": str(self.authority), **place}

    def adapter(self) -> AzuremlAdapter:
        """Ours, on the same workspace."""
        return AzuremlAdapter(AzuremlConfig(**self.config()))


@contextmanager
def running(folder: Path) -> Iterator[RunningWorkspace]:
    """A workspace with one token."""
    files = (folder / "azure.crt", folder / "azure.key")
    files[1].write_bytes((pair := certificate("localhost"))[0])
    files[0].write_bytes(pair[1])
    workspace = AzureWorkspace(token=TOKEN, is_secure=True)
    server = serve(workspace, certificate=files)
    url = f"https://localhost:{server.server_port}"
    env = {**os.environ, "AZUREML_DEV_URL_MFE": url, "REQUESTS_CA_BUNDLE": str(files[0])}
    try:
        with driven(environment("azureml"), SCRIPT, TOKEN, env=env) as client:
            yield RunningWorkspace(workspace, url, files[0], client)
    finally:
        server.shutdown()
        server.server_close()


def told(record: ModelRecord | VersionRecord) -> object:
    """What is compared of a record."""
    if isinstance(record, ModelRecord):
        return record.name
    return record.stage, record.description, dict(record.tags)


def truth(client: Driven) -> dict[str, object]:
    """The same, as the vendor's client reads it."""
    found: dict[str, object] = {}
    for name, versions in client("everything").items():
        found[ref(name)] = name
        found |= {ref(name, version): tuple(row) for version, row in versions.items()}
    return found


def ours(adapter: AzuremlAdapter) -> dict[str, object]:
    """The same, as we read it."""
    records = [one for one in scanned(adapter).records if isinstance(one, ModelRecord | VersionRecord)]
    names = {one.key: one.name for one in records if isinstance(one, ModelRecord)}
    return {
        ref(one.name) if isinstance(one, ModelRecord) else ref(names[one.model], one.version): told(one)
        for one in records
    }


def test_what_the_client_reads_is_what_we_read_and_our_writes_drop_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as on:
        put, client = on.workspace.put, on.client
        put("fraud", flavors=FLAVORS, stage="Production", jobName="job-1", tags={"team": "risk"})
        put("fraud", flavors=FLAVORS, isArchived=True)
        put("uplift", flavors=FLAVORS)
        on.workspace.largest = 1
        adapter = on.adapter()
        assert ours(adapter) == truth(client)
        [key] = [
            one.key
            for one in scanned(adapter).records
            if isinstance(one, VersionRecord) and one.stage == "Production"
        ]
        adapter.set_stage(key, "lifecycle", "Archived")
        adapter.set_tags(key, {"note": "ours"})
        stage, _, job, flavors = client("get", "fraud", "1")
        assert (stage, job, flavors) == ("Production", "job-1", ["sklearn"])
        assert ours(adapter) == truth(client)
        on.workspace.touch(on.workspace.models["fraud"]["versions"]["1"], isArchived=False)
        client("archive", "fraud", "1")  # by the client, which sends no stage
        assert client("get", "fraud", "1")[0] is None
        assert ours(adapter) == truth(client)
        with pytest.raises(VendorError):
            client("get", "fraud", "9")


def test_a_change_by_the_client_is_seen_as_it_is(tmp_path: Path) -> None:
    with running(tmp_path) as on:
        on.workspace.put("fraud", flavors=FLAVORS, stage="Staging", jobName="job-1", isArchived=True)
        adapter = on.adapter()
        on.client("tag", "fraud", "1", "team", "risk")
        [version] = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
        assert (version.tags, version.lifecycle, version.lineage.run_id) == ({"team": "risk"}, "Active", None)


def test_what_is_registered_here_is_listed_there_and_the_other_way_round(tmp_path: Path) -> None:
    with running(tmp_path) as on:
        path = "azureml://datastores/store/paths/fraud"
        adapter = on.adapter()
        made = adapter.register(
            Registration(model="fraud", source=path, run_id="job-1", tags={"team": "risk"}, token="once")
        )
        assert ours(adapter) == truth(on.client), "the client lists no model that has one without flavours"
        assert on.client("get", "fraud", made.version) == [None, path, "job-1", []]
        assert on.client("register", "fraud", f"{path}/next") == "2"
        found = scanned(adapter)
        second = found.versions(found.models()["fraud"].key)["2"]
        assert second.artifact_uri is not None
        assert second.artifact_uri.endswith("paths/fraud/next")
        assert adapter.register(Registration(model="fraud", source=path, token="more")).version == "3"
        assert ours(adapter) == truth(on.client)


def test_the_lines_that_download_a_version_ask_for_it(tmp_path: Path) -> None:
    with running(tmp_path) as on:
        on.workspace.put("fraud", flavors=FLAVORS)
        adapter = on.adapter()
        found = scanned(adapter)
        python, shell = adapter.snippets("fraud", found.versions(found.models()["fraud"].key)["1"])
        on.workspace.asked.clear()
        env = {**os.environ, "AZUREML_DEV_URL_MFE": on.url, "REQUESTS_CA_BUNDLE": str(on.authority)}
        code = SHOWN.replace("TOKEN", TOKEN) + python.code
        command = [str(environment("azureml")), "-W", "ignore", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env=env, cwd=tmp_path)
        asked = [one.path for one in on.workspace.asked]
        assert f"{on.workspace.path}/models/fraud/versions/1" in asked, done.stderr
        assert "datastores" in asked[-1], "it goes on to its files, which the fake has not"
        assert arguments("az", shell.code)[:5] == ["ml", "model", "download", "--name", "fraud"]


@dataclass
class AzureUser:
    """Registers versions, and changes and archives them with the vendor's client."""

    on: RunningWorkspace
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    made: int = 0

    def act(self) -> None:
        """One random thing."""
        self.made += 1
        workspace = self.on.workspace
        names = sorted(workspace.models)
        if len(names) < 3 or self.rng.random() < 0.1:
            workspace.put(f"m{self.made}", flavors=FLAVORS)
            return
        name = self.rng.choice(names)
        versions = sorted(workspace.models[name]["versions"])
        if not versions or self.rng.random() < 0.3:
            workspace.put(name, flavors=FLAVORS, stage=self.rng.choice(["Staging", "Production", None]))
            return
        version = self.rng.choice(versions)
        match self.rng.randrange(4):
            case 0:
                self.on.client("tag", name, version, "made", str(self.made))
            case 1:
                self.on.client("archive", name, version)
            case 2:
                workspace.drop(name, version)
                self.gone.add(ref(name, version))
            case _ if len(names) > 3:
                workspace.drop(name)
                self.gone.add(ref(name))

    def truth(self) -> Mapping[str, object]:
        """What the workspace has."""
        return truth(self.on.client)


@soak(sample=4, full=500, batch=125)
def test_fidelity_of_a_workspace(cases: int, seed: int, tmp_path: Path) -> list[str]:
    rng = random.Random(seed)
    folder = tmp_path / str(seed)
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    with running(folder) as on:
        config = {**on.config(), "token": f"file:{folder / 'token'}"}
        # Each run is a full one: a model that is deleted shows in no other.
        with watching(blank.sqlite(folder / "waypost.db"), "azureml", config, sync_every=86_400) as watch:
            return follow(watch, AzureUser(on, rng), told, cases, rng)
