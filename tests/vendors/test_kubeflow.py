"""The client of Kubeflow's registry judges our fake of it, and what Waypost reads and writes there."""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import EndpointRecord, ModelRecord, Registration, VersionRecord
from adapters.emulators.kubeflow import KubeflowRegistry, serve
from adapters.kubeflow import KubeflowAdapter, KubeflowConfig
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.servers import blank
from tests.soak import soak
from tests.vendors import environment
from tests.vendors.driving import WITHIN, Driven, VendorError, driven

SCRIPT = Path(__file__).with_name("kubeflow_user.py")
TOKEN = "kubeflow-vendors"


@dataclass
class RunningRegistry:
    """A registry that is served, and the vendor's client on it."""

    registry: KubeflowRegistry
    url: str
    client: Driven

    def adapter(self) -> KubeflowAdapter:
        """Ours, on the same registry."""
        return KubeflowAdapter(KubeflowConfig(**self.config()))

    def config(self) -> dict[str, Any]:
        """A registry's configuration."""
        return {"url": self.url, "token": TOKEN, "settle": 0}


@pytest.fixture(scope="module")
def client() -> Iterator[Driven]:
    """The vendor's client, in one process for all tests here."""
    with driven(environment("kubeflow"), SCRIPT) as made:
        yield made


@contextmanager
def running(client: Driven) -> Iterator[RunningRegistry]:
    """A registry with one token, on which the client works."""
    registry = KubeflowRegistry(token=TOKEN)
    server = serve(registry)
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        client("connect", url, TOKEN)
        yield RunningRegistry(registry, url, client)
    finally:
        server.shutdown()
        server.server_close()


def told(record: ModelRecord | VersionRecord) -> object:
    """What is compared of a record."""
    tags = dict(record.tags)
    if isinstance(record, VersionRecord):
        return record.lifecycle, record.description, tags
    return "ARCHIVED" if tags.pop("archived", "") else "LIVE", record.description, tags


def truth(client: Driven) -> dict[str, object]:
    """The same, as the vendor's client reads it."""

    def said(one: list[Any]) -> object:
        state, description, properties = one
        tags = {name: v if isinstance(v, str) else json.dumps(v) for name, v in properties.items()}
        return state, description, tags

    found: dict[str, object] = {}
    for name, model in client("everything").items():
        found[ref(name)] = said(model["model"])
        found |= {ref(name, version): said(one) for version, one in model["versions"].items()}
    return found


def test_what_the_client_makes_is_what_we_read(client: Driven) -> None:
    with running(client) as on:
        on.client("register", "churn", "v1", "s3://m/1", team="risk", folds=5, auc=0.5, live=True)
        on.client("register", "churn", "v2", "s3://m/2")
        with pytest.raises(VendorError):
            on.client("register", "churn", "v2", "s3://m/2")
        on.client("change", "churn", "v1", state="ARCHIVED")
        on.client("serve", "cluster-a", "newest", "churn", None)
        adapter = on.adapter()
        found = scanned(adapter)
        names = {one.key: one.name for one in found.records if isinstance(one, ModelRecord)}
        ours = {
            ref(one.name) if isinstance(one, ModelRecord) else ref(names[one.model], one.version): told(one)
            for one in found.records
            if not isinstance(one, EndpointRecord)
        }
        assert ours == truth(on.client)
        versions = {one.version: one for one in found.records if isinstance(one, VersionRecord)}
        [endpoint] = found.endpoints().values()
        assert [one.version for one in endpoint.traffic] == [versions["v2"].key]
        assert on.client("served", "newest") == "v2"

        adapter.set_tags(versions["v1"].key, {"folds": "6", "live": None, "note": "ours"})
        adapter.set_stage(versions["v1"].key, "lifecycle", "LIVE")
        made = adapter.register(Registration(model="churn", source="s3://m/3", run_id="run-3", token="t"))
        model = on.client("everything")["churn"]["versions"]
        assert model["v1"] == ["LIVE", None, {"team": "risk", "folds": 6, "auc": 0.5, "note": "ours"}]
        assert on.client("artifact", "churn", made.version) == ["s3://m/3", None, "run-3"]
        counts = on.client("validated")
        assert {one.removeprefix("get_"): count for one, count in counts.items()} == {
            "registered_models": 1, "model_versions": 3, "model_artifacts": 3, "serving_environments": 1,
            "inference_services": 1,
        }  # fmt: skip


def test_lines_to_find_a_version_find_it(client: Driven) -> None:
    with running(client) as on:
        on.client("register", "it's", "v1", "s3://m/1")
        adapter = on.adapter()
        found = scanned(adapter)
        [model] = found.models().values()
        [snippet] = adapter.snippets(model.name, found.versions(model.key)["v1"])
        on.registry.token = ""
        command = [str(environment("kubeflow")), "-W", "ignore", "-c", snippet.code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env={**os.environ})
        assert done.stdout.strip() == "s3://m/1", done.stderr


@dataclass
class KubeflowUser:
    """Works on the registry with the vendor's client; a version is deleted in the database alone."""

    on: RunningRegistry
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    models: dict[str, list[str]] = field(default_factory=dict)
    made: int = 0

    def act(self) -> None:
        """One random thing."""
        self.made += 1
        if len(self.models) < 3 or self.rng.random() < 0.1:
            self.models[f"m{self.made}"] = []
            self._register(f"m{self.made}")
            return
        name = self.rng.choice(sorted(self.models))
        if not self.models[name] or self.rng.random() < 0.3:
            self._register(name)
            return
        version = self.rng.choice([None, *self.models[name]])
        match self.rng.randrange(4):
            case 0:
                state = self.rng.choice(["LIVE", "ARCHIVED"])
                self.on.client("change", name, version, state=state)
            case 1:
                self.on.client("change", name, version, description=f"words {self.made}")
            case 2:
                properties = {"number": self.made, "share": self.made / 4, "even": self.made % 2 == 0}
                self.on.client("change", name, version, custom_properties=properties)
            case _:
                self._drop(name, version)

    def truth(self) -> Mapping[str, object]:
        """What the registry has."""
        return truth(self.on.client)

    def _register(self, name: str) -> None:
        version = f"v{self.made}"
        self.on.client("register", name, version, f"s3://m/{self.made}")
        self.models[name].append(version)

    def _drop(self, name: str, version: str | None) -> None:
        found = self.on.registry.named("registered_models", name)
        assert found is not None
        if version is None:
            self.on.registry.drop("registered_models", found["id"])
            del self.models[name]
        else:
            row = self.on.registry.named("model_versions", version, found["id"])
            assert row is not None
            self.on.registry.drop("model_versions", row["id"])
            self.models[name].remove(version)
        self.gone.add(ref(name, version))


@pytest.mark.sample
@soak(sample=4, full=1000, batch=250)
def test_fidelity_of_a_kubeflow_registry(cases: int, seed: int, tmp_path: Path, client: Driven) -> list[str]:
    rng = random.Random(seed)
    folder = tmp_path / str(seed)
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    with running(client) as on:
        on.registry.make("registered_models", {"name": "oldest"})  # by which the server is known
        config = {**on.config(), "token": f"file:{folder / 'token'}"}
        # Each run is a full one: what is taken out of the database shows in no other.
        with watching(blank.sqlite(folder / "waypost.db"), "kubeflow", config, sync_every=86_400) as watch:
            return follow(watch, KubeflowUser(on, rng), told, cases, rng)
