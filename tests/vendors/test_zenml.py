"""ZenML by `preset = "zenml"`: a real server on SQLite, changed through the vendor's own client."""

import contextlib
import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import pytest

from adapters import (
    Adapter,
    Capability,
    EndpointRecord,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    StageField,
    Traffic,
    VersionRecord,
)
from adapters.conformance import Conformance, Gap
from adapters.conformance.harness import HOSTILE_NAMES, HOSTILE_VALUES, RETRIED, Fault, Harness
from adapters.rest import RestAdapter, RestConfig
from adapters.rest.expressions import labels
from tests.adapters.mlflow.proxy import FaultyProxy
from tests.adapters.scans import scanned
from tests.fidelity import follow, ref, watching
from tests.patience import PATIENCE
from tests.vendors import environment
from tests.vendors.zenml_server import ZenmlClient, ZenmlServer, zenml_server


@pytest.fixture(scope="module")
def zenml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZenmlServer]:
    with zenml_server(environment("zenml"), tmp_path_factory.mktemp("zenml")) as running:
        yield running


def opened(server: ZenmlServer, url: str = "", **settings: Any) -> RestAdapter:
    """The adapter, as a user would configure it."""
    known = {"preset": "zenml", "url": url or server.url, "api_key": server.key}
    return RestAdapter(RestConfig.model_validate(known | settings))


@pytest.fixture(scope="module")
def adapter(zenml: ZenmlServer) -> Iterator[RestAdapter]:
    with contextlib.closing(opened(zenml)) as made:
        yield made


class ZenmlProxy(FaultyProxy):
    """Misbehaves before the server, when told so."""

    passed_on = ("Content-Type", "Authorization")

    def list(self, path: str, body: bytes) -> bytes:
        if path.partition("?")[0].rpartition("/")[2] in ("models", "model_versions"):
            self.listed()
        return body

    def spoil(self, body: bytes) -> bytes:
        if not self.spoiled or b'"number"' not in body:
            return body
        answer = json.loads(body)
        for row in [*answer.get("items", []), answer]:
            if (row.get("id", ""), "") in self.spoiled:
                row["name"] = row["body"]["number"] = None
        return json.dumps(answer).encode()


FORBIDDEN = frozenset("\t\n")
"""Characters that no name of a model or tag may hold."""
ALIASES = (
    "an_alias_is_set_moved_and_removed", "other_aliases_stay", "an_alias_needs_a_version_that_exists",
    "a_write_returns_what_it_wrote", "writing_twice_is_writing_once", "a_current_etag_is_accepted",
)  # fmt: skip
REGISTRATIONS = (
    "a_version_is_registered", "the_same_token_registers_once", "another_token_registers_another",
)  # fmt: skip


class ZenmlHarness(Harness):
    """A real server behind a proxy."""

    adapter_type: ClassVar[type[Adapter]] = RestAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"stage": ("staging", "production")}
    hostile_names = tuple(one for one in HOSTILE_NAMES if not FORBIDDEN & set(one))
    hostile_values = tuple(one for one in HOSTILE_VALUES if not FORBIDDEN & set(one))
    gaps: ClassVar[Mapping[str, Gap]] = {
        **dict.fromkeys(ALIASES, Gap("upstream", "ZenML has no aliases")),
        **dict.fromkeys(
            REGISTRATIONS, Gap("upstream", "nothing tells a repeated registration from another one")
        ),
    }

    def __init__(self, server: ZenmlServer) -> None:
        self.server, self.proxy = server, ZenmlProxy(server.url)
        self.secrets = (server.key,)
        self.made: WeakSet[RestAdapter] = WeakSet()

    def adapter(self) -> Adapter:
        return self._open()

    def paged(self) -> Adapter:
        page = {
            "style": "page", "param": "page", "size": "size", "size_value": 5, "total": "total", "end_status": 400,
        }  # fmt: skip
        return self._open(models={"page": page}, versions={"page": page})

    def _open(self, **settings: Any) -> Adapter:
        fault = self.proxy.fault
        timeout = 1.0 if fault is Fault.SILENT else 10.0 if fault in RETRIED else PATIENCE
        made = opened(self.server, self.proxy.url, timeout=timeout, **settings)
        self.made.add(made)
        return made

    def put(self, model: str) -> str:
        self.put_model(model)
        made = self.server.ask(
            "POST", "/model_versions", {"model": self._model(model), "project": self.server.project}
        )
        return str(made["name"])

    def put_model(self, model: str) -> None:
        if self._found(model) is None:
            self.server.ask("POST", "/models", {"name": model, "project": self.server.project})

    def drop(self, model: str, version: str | None = None) -> None:
        with contextlib.suppress(LookupError):
            path = f"/models/{self._model(model)}" if version is None else self._path(model, version)
            self.server.ask("DELETE", path)

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        path = f"/models/{self._model(model)}" if version is None else self._path(model, version)
        self.server.ask("PUT", path, {"add_tags": [f"{key}={value}"]})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self.server.ask("PUT", self._path(model, version), {"stage": value, "force": True})

    def spoil(self, model: str, version: str) -> None:
        self.proxy.spoiled.add((self._path(model, version).rpartition("/")[2], ""))

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        with self.proxy.fail_with(fault):
            yield
        for one in self.made:  # ZenML hashes a key for as long as a busy machine likes
            api = one._api
            api.config = api.config.model_copy(update={"timeout": PATIENCE})
            api.http.endpoint = replace(api.http.endpoint, timeout=PATIENCE)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.proxy.listed = change
        try:
            yield
        finally:
            self.proxy.listed = lambda: None

    def requests(self) -> int:
        return len(self.proxy.requests)

    def close(self) -> None:
        self.proxy.close()

    def _found(self, model: str) -> str | None:
        found = self.server.http.get("/models", params={"name": f"equals:{model}"}).json()["items"]
        return next((str(one["id"]) for one in found if one["name"] == model), None)

    def _model(self, model: str) -> str:
        if (found := self._found(model)) is None:
            raise LookupError(model)
        return found

    def _path(self, model: str, version: str) -> str:
        query = {"model": self._model(model), "name": f"equals:{version}"}
        found = self.server.http.get("/model_versions", params=query).json()["items"]
        if not found:
            raise LookupError(version)
        return f"/model_versions/{found[0]['id']}"


@pytest.fixture(scope="module")
def harness(zenml: ZenmlServer) -> Iterator[ZenmlHarness]:
    made = ZenmlHarness(zenml)
    yield made
    made.close()


class TestZenml(Conformance, harness=ZenmlHarness):
    """Every check that applies, with the preset alone."""


TRAINING = """
from typing import Annotated

from zenml import ArtifactConfig, Model, log_metadata, pipeline, step
from zenml.enums import ArtifactType


@step(enable_cache=False)
def load() -> Annotated[list, "clicks"]:
    return [1, 2, 3]


@step(enable_cache=False)
def train(data: list) -> Annotated[dict, ArtifactConfig(name="weights", artifact_type=ArtifactType.MODEL)]:
    log_metadata({"auc": 0.91, "optimiser": "adam", "nested": {"a": 1}}, infer_model=True)
    return {"sum": sum(data)}


@pipeline(model=Model(name="it's a fraud", tags=["env=prod", "nightly"]))
def training() -> None:
    train(load())


training()
"""


@pytest.fixture(scope="module")
def trained(zenml: ZenmlServer, adapter: RestAdapter) -> VersionRecord:
    """A version that a pipeline of the vendor's made."""
    program = zenml.folder / "training.py"
    program.write_text(TRAINING)
    zenml.run_file(program)
    found = scanned(adapter).records
    models = {one.key: one.name for one in found if isinstance(one, ModelRecord)}
    [made] = [one for one in found if isinstance(one, VersionRecord) and models[one.model] == "it's a fraud"]
    return made


def test_lineage_is_kept(zenml: ZenmlServer, adapter: RestAdapter, trained: VersionRecord) -> None:
    lineage = trained.lineage
    assert lineage.run_id
    assert lineage.run_url == f"{zenml.url}/projects/default/runs/{lineage.run_id}"
    assert lineage.pipeline == "training"
    [clicks] = lineage.datasets
    assert clicks.name == "clicks"
    assert clicks.uri
    assert trained.artifact_uri
    assert (trained.metrics["auc"], trained.params["optimiser"]) == (0.91, "adam")
    assert adapter.get(trained.key) == trained


def test_its_snippets_run(zenml: ZenmlServer, adapter: RestAdapter, trained: VersionRecord) -> None:
    python, curl = adapter.snippets("it's a fraud", trained)
    program = zenml.folder / "loading.py"
    program.write_text(f"{python.code}\nprint(model['sum'])\n")
    assert zenml.run_file(program).split()[-1] == "6"
    assert trained.key.native_id.rpartition("/")[2] in zenml.shell(curl.code)


def test_the_page_that_it_links_to_is_there(zenml: ZenmlServer, trained: VersionRecord) -> None:
    assert trained.url is not None
    assert zenml.http.get(trained.url).is_success


def test_probe_says_who_it_is(adapter: RestAdapter) -> None:
    info = adapter.probe()
    assert info.version == "0.98.0"
    assert info.unavailable == {Capability.SET_ALIAS, Capability.REGISTER}


def test_who_held_a_stage_is_archived_and_told(zenml: ZenmlServer, adapter: RestAdapter) -> None:
    model = zenml.ask("POST", "/models", {"name": "held", "project": zenml.project})
    body = {"model": model["id"], "project": zenml.project}
    first, second = (zenml.ask("POST", "/model_versions", body)["id"] for _ in range(2))
    keys = [Key("version", f"{model['id']}/{version}") for version in (first, second)]
    adapter.set_stage(keys[0], "stage", "production")
    mark = scanned(adapter).watermark
    adapter.set_stage(keys[1], "stage", "production")
    news = scanned(adapter, mark).by_key()
    assert [getattr(news[key], "stage", None) for key in keys] == ["archived", "production"]
    with pytest.raises(InvalidError, match="set_stage takes staging, production, archived"):
        adapter.set_stage(keys[1], "stage", "none")


def test_a_service_is_an_endpoint(zenml: ZenmlServer, adapter: RestAdapter) -> None:
    model = zenml.ask("POST", "/models", {"name": "served", "project": zenml.project})
    version = zenml.ask("POST", "/model_versions", {"model": model["id"], "project": zenml.project})
    service = {
        "name": "scoring", "service_type": {"type": "model-serving", "flavor": "mlflow"}, "config": {},
        "status": {"state": "active"}, "model_version_id": version["id"], "project": zenml.project,
    }  # fmt: skip
    made = zenml.ask("POST", "/services", service)
    [found] = [one for one in scanned(adapter).records if isinstance(one, EndpointRecord)]
    assert (found.key.native_id, found.name, found.state, found.live) == (
        made["id"],
        "scoring",
        "active",
        True,
    )
    assert found.traffic == (Traffic(Key("version", f"{model['id']}/{version['id']}"), 100.0),)
    assert adapter.get(found.key) == found
    zenml.ask("DELETE", f"/services/{made['id']}")
    with pytest.raises(NotFoundError):
        adapter.get(found.key)


class ZenmlTeam:
    """People who work with the vendor's client."""

    NAMES = ("fraud", "churn", "price of a day", "ümläut")
    TAGS = ("env=prod", "env=dev", "nightly", "gold")

    def __init__(self, client: ZenmlClient, rng: random.Random, *, deletes: bool) -> None:
        self.client, self.rng, self.deletes = client, rng, deletes
        self.gone: set[str] = set()
        self.models: dict[str, dict[str, str]] = {}
        """Ids of versions by name, by model."""
        self.made = 0

    def truth(self) -> Mapping[str, object]:
        rows = self.client("truth")
        return {
            ref(name, version): (described, stage, tags) for name, version, described, stage, tags in rows
        }

    def act(self) -> None:
        name = self.rng.choice(self.NAMES)
        if name not in self.models:
            self.client("create_model", name=name, tags=self.rng.sample(self.TAGS[1:], 1))
            self.models[name] = {}
            return
        versions = self.models[name]
        doing = self.rng.random()
        if not versions or doing < 0.3:
            self.made += 1
            made = self.client("create_model_version", model_name_or_id=name, name=f"v{self.made}")
            versions[made["name"]] = made["id"]
        elif doing < 0.34 and self.deletes:
            self.client("delete_model", model_name_or_id=name)
            self.gone.add(ref(name))
            del self.models[name]
        elif doing < 0.44 and self.deletes:
            version = self.rng.choice(sorted(versions))
            self.client("delete_model_version", model_version_id=versions.pop(version))
            self.gone.add(ref(name, version))
        elif doing < 0.54:
            self.client("update_model", model_name_or_id=name, description=self._words(), add_tags=["gold"])
        else:
            self._change(name, self.rng.choice(sorted(versions)))

    def _change(self, name: str, version: str) -> None:
        change: dict[str, Any] = self.rng.choice(
            [
                {"stage": self.rng.choice(["staging", "production", "archived"]), "force": True},
                {"add_tags": self.rng.sample(self.TAGS[1:], 2)},
                {"remove_tags": self.rng.sample(self.TAGS[1:], 1)},
                {"description": self._words()},
            ]
        )
        self.client("update_model_version", model_name_or_id=name, version_name_or_id=version, **change)

    def _words(self) -> str:
        return f"said {self.rng.randrange(10_000)}"


def told(record: ModelRecord | VersionRecord) -> object:
    """What the team sees of it too."""
    stage = record.stage if isinstance(record, VersionRecord) else None
    return record.description, stage, sorted(labels(record.tags))


@pytest.mark.parametrize(
    ("deletes", "sync_every"), [(True, 86_400), (False, 0.001)], ids=["full-scans", "incremental-scans"]
)
def test_fidelity(zenml: ZenmlServer, tmp_path: Path, deletes: bool, sync_every: float) -> None:
    """Scans that are cheap list everything, and find what was deleted; the others ask for what changed since."""
    for one in zenml.ask("GET", "/models?size=1000")["items"]:
        zenml.ask("DELETE", f"/models/{one['id']}")
    key = tmp_path / "key"
    key.write_text(zenml.key)
    config = {"preset": "zenml", "url": zenml.url, "api_key": f"file:{key}"}
    rng = random.Random(int(os.environ.get("ZENML_SEED", "7")))
    operations = int(os.environ.get("ZENML_OPERATIONS", "250"))
    database = f"sqlite:///{tmp_path / 'watch.db'}"
    with (
        contextlib.closing(ZenmlClient(zenml)) as client,
        watching(database, "rest", config, sync_every=sync_every) as watch,
    ):
        assert follow(watch, ZenmlTeam(client, rng, deletes=deletes), told, operations, rng) == []
