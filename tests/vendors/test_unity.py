"""The vendors' clients judge our fake of Unity Catalog, and what Waypost reads and writes there: Databricks' SDK, the
open-source project's client, and MLflow's.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import ModelRecord, VersionRecord
from adapters.emulators.unity import Metastore, serve
from adapters.unity import UnityAdapter, UnityConfig
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.servers import blank
from tests.soak import soak
from tests.vendors import environment
from tests.vendors.driving import WITHIN, Driven, VendorError, driven

SCRIPT = Path(__file__).with_name("unity_user.py")
TOKEN = "unity-vendors"
PLACE = "main.risk"
BY_MLFLOW = """
import sys
import mlflow

client = mlflow.MlflowClient(registry_uri=sys.argv[1])
client.create_registered_model("main.risk.uplift", description="made by mlflow")
client.update_registered_model("main.risk.uplift", description="whom a voucher moves")
for model in client.search_registered_models():
    for version in client.search_model_versions(f"name='{model.name}'"):
        print(model.name, version.version, version.status, version.run_id)
print(client.get_registered_model("main.risk.uplift").description)
client.delete_model_version("main.risk.churn", "1")
"""

TAGS_BY_MLFLOW = """
import json
import mlflow

client = mlflow.MlflowClient(registry_uri="databricks-uc")
name = "main.risk.churn"
client.set_registered_model_tag(name, "team", "risk")
client.set_model_version_tag(name, "1", "env", "prod")
client.delete_model_version_tag(name, "1", "old")
print(json.dumps([client.get_registered_model(name).tags, client.get_model_version(name, "1").tags]))
"""


@dataclass
class RunningMetastore:
    """A metastore that is served, and the vendors' clients on it."""

    metastore: Metastore
    url: str
    client: Driven

    def adapter(self) -> UnityAdapter:
        """Ours, on the same metastore."""
        return UnityAdapter(UnityConfig(url=self.url, token=self.metastore.token))


@pytest.fixture(scope="module")
def client() -> Iterator[Driven]:
    """The vendors' clients, in one process for all tests here."""
    with driven(environment("unity"), SCRIPT) as made:
        yield made


@contextmanager
def running(client: Driven, **settings: Any) -> Iterator[RunningMetastore]:
    """A metastore with one schema, on which the clients work."""
    metastore = Metastore(token=TOKEN, **settings)
    metastore.create(f"{PLACE}.first")
    metastore.drop(f"{PLACE}.first")
    server = serve(metastore)
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        client("connect", url, TOKEN)
        yield RunningMetastore(metastore, url, client)
    finally:
        server.shutdown()
        server.server_close()


def by_mlflow(folder: Path, url: str, code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """What a program says that uses MLflow's client on a metastore.

    Without a tracking server it makes a database where it runs, which two at once break; its telemetry takes a variable
    away that another of its threads is about to read.
    """
    env = {"DATABRICKS_HOST": url, "DATABRICKS_TOKEN": TOKEN}
    env |= {"MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-W", "ignore", "-c", code, *args]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WITHIN, cwd=folder, env={**os.environ, **env}
    )


def told(record: ModelRecord | VersionRecord) -> object:
    """What is compared of a record."""
    if isinstance(record, ModelRecord):
        return record.description, dict(record.aliases)
    return record.state or "READY", record.description, record.lineage.run_id


def truth(client: Driven) -> dict[str, object]:
    """The same, as Databricks' SDK reads it."""
    found: dict[str, object] = {}
    for name, model in client("everything").items():
        found[ref(name)] = model["comment"], model["aliases"]
        found |= {ref(name, version): tuple(one) for version, one in model["versions"].items()}
    return found


def ours(adapter: UnityAdapter) -> dict[str, object]:
    """The same, as we read it."""
    records = [one for one in scanned(adapter).records if isinstance(one, ModelRecord | VersionRecord)]
    names = {one.key: one.name for one in records if isinstance(one, ModelRecord)}
    return {
        ref(one.name) if isinstance(one, ModelRecord) else ref(names[one.model], one.version): told(one)
        for one in records
    }


def test_what_databricks_users_make_is_what_we_read(client: Driven) -> None:
    with running(client) as on:
        for name in ("main.risk.churn", "main.risk.uplift"):
            client("create", name, comment="c")
            client("add", name, "r1")
            client("add", name, "r2")
        client("alias", "main.risk.churn", "champion", 1)
        client("describe", "main.risk.churn", "better", version=2)
        with pytest.raises(VendorError, match="already exists"):
            client("create", "main.risk.churn")
        on.metastore.hollow, on.metastore.largest = True, 1
        adapter = on.adapter()
        assert ours(adapter) == truth(client)
        churn = scanned(adapter).models()["main.risk.churn"]
        adapter.set_alias(churn.key, "champion", "2")
        adapter.describe(churn.key, "ours")
        assert client("everything")["main.risk.churn"]["aliases"] == {"champion": "2"}
        assert client("everything")["main.risk.churn"]["comment"] == "ours"
        adapter.delete(churn.key)
        assert list(client("everything")) == ["main.risk.uplift"]
        on.metastore.hidden.add("main")
        with pytest.raises(VendorError, match="does not exist"):
            client("describe", "main.risk.uplift", "hidden")


def test_an_open_source_server_is_read_as_its_client_reads_it(client: Driven) -> None:
    with running(client, is_databricks=False) as on:
        on.metastore.create("main.risk.churn")
        for run in ("r1", "r2"):
            client("add", "main.risk.churn", run)
        on.metastore.put("main.risk.uplift", run_id="r3")
        found = {
            ref(name): (model["comment"], {})
            for name, model in client("everything_open").items()
        } | {
            ref(name, version): tuple(one)
            for name, model in client("everything_open").items()
            for version, one in model["versions"].items()
        }  # fmt: skip
        assert ours(on.adapter()) == found


def test_mlflow_works_on_the_same_server(client: Driven, tmp_path: Path) -> None:
    with running(client, is_databricks=False) as on:
        on.metastore.token = ""
        on.metastore.put("main.risk.churn", run_id="r1")
        done = by_mlflow(tmp_path, on.url, BY_MLFLOW, f"uc:{on.url}")
        assert done.stdout.splitlines() == ["main.risk.churn 1 READY r1", "whom a voucher moves"], done.stderr
        found = scanned(on.adapter())
        assert found.models()["main.risk.uplift"].description == "whom a voucher moves"
        assert not [one for one in found.records if isinstance(one, VersionRecord)]


def test_tags_are_those_that_mlflow_writes_on_databricks_and_reads(client: Driven, tmp_path: Path) -> None:
    with running(client) as on:
        on.metastore.put("main.risk.churn")
        adapter = UnityAdapter(UnityConfig(url=on.url, token=TOKEN, tags=True))
        model = scanned(adapter).models()["main.risk.churn"]
        [version] = scanned(adapter).versions(model.key).values()
        adapter.set_tags(model.key, {"tier": "1"})
        adapter.set_tags(version.key, {"old": "1", "tier": "2"})
        done = by_mlflow(tmp_path, on.url, TAGS_BY_MLFLOW)
        told_there = [{"tier": "1", "team": "risk"}, {"tier": "2", "env": "prod"}]
        assert done.stdout.splitlines()[-1:] == [json.dumps(told_there)], done.stderr
        found = scanned(adapter)
        [version] = found.versions(model.key).values()
        assert [found.models()["main.risk.churn"].tags, version.tags] == told_there


@pytest.mark.parametrize("is_databricks", [True, False])
def test_the_lines_that_load_a_version_ask_for_it(
    client: Driven, is_databricks: bool, tmp_path: Path
) -> None:
    with running(client, is_databricks=is_databricks) as on:
        on.metastore.put("main.risk.churn")
        adapter = on.adapter()
        found = scanned(adapter)
        [version] = found.versions(found.models()["main.risk.churn"].key).values()
        [snippet] = adapter.snippets("main.risk.churn", version)
        on.metastore.token = on.metastore.token if is_databricks else ""
        on.metastore.asked.clear()
        done = by_mlflow(tmp_path, on.url, snippet.code)
        named = {
            (said.get("name"), said.get("version")) for one in on.metastore.asked if (said := one.json())
        }
        paths = [one.path for one in on.metastore.asked]
        if is_databricks:
            assert ("main.risk.churn", "1") in named, done.stderr
        else:
            assert any(one.endswith("/models/main.risk.churn/versions/1") for one in paths), done.stderr


def test_a_model_that_is_renamed_here_has_its_new_name_there(client: Driven) -> None:
    with running(client) as on:
        on.metastore.put("main.risk.churn")
        adapter = on.adapter()
        key = scanned(adapter).models()["main.risk.churn"].key
        adapter.rename(key, "main.risk.better")
        assert list(client("everything")) == ["main.risk.better"]
        client("rename", "main.risk.better", "best")
        model = scanned(adapter).models()["main.risk.best"]
        assert adapter.succeeds(model.key, key)


@dataclass
class UnityUser:
    """Works on the metastore with the vendors' clients."""

    client: Driven
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    models: dict[str, list[int]] = field(default_factory=dict)
    made: int = 0

    def act(self) -> None:
        """One random thing."""
        self.made += 1
        if len(self.models) < 3 or self.rng.random() < 0.1:
            name = f"{PLACE}.m{self.made}"
            self.client("create", name)
            self.models[name] = []
            return
        name = self.rng.choice(sorted(self.models))
        versions = self.models[name]
        if not versions or self.rng.random() < 0.3:
            versions.append(self.client("add", name, f"r{self.made}"))
            return
        version = self.rng.choice(versions)
        match self.rng.randrange(4):
            case 0:
                self.client("alias", name, self.rng.choice(["champion", "challenger"]), version)
            case 1:
                self.client("describe", name, f"words {self.made}", self.rng.choice([None, version]))
            case 2:
                self.client("delete", name, version)
                versions.remove(version)
                self.gone.add(ref(name, str(version)))
            case _ if len(self.models) > 3:
                self.client("delete", name)
                del self.models[name]
                self.gone.add(ref(name))

    def truth(self) -> Mapping[str, object]:
        """What the metastore has."""
        return truth(self.client)


@soak(sample=4, full=1000, batch=250)
def test_fidelity_of_a_metastore(cases: int, seed: int, tmp_path: Path, client: Driven) -> list[str]:
    rng = random.Random(seed)
    folder = tmp_path / str(seed)
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    with running(client) as on:
        config = {"url": on.url, "token": f"file:{folder / 'token'}"}
        # Each run is a full one: a model that is deleted shows in no other.
        with watching(blank.sqlite(folder / "waypost.db"), "unity", config, sync_every=86_400) as watch:
            return follow(watch, UnityUser(client, rng), told, cases, rng)
