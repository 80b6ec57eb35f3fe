"""What MLflow's own client writes about origin and needs, as deps and impact tell it; and a rename."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from adapters import discover
from federation import schema, tables
from federation.access import EVERYTHING
from federation.database import open_engine, reading, writing
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph, Question
from federation.graph.resolve import unreadable_in
from federation.leases import Leases
from federation.references import Reference, parse
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.sync import schedule
from federation.sync.context import SyncContext
from federation.sync.details import read_details
from federation.sync.run import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client

NAMES = ("plain", "fraud model", "a,b", "100% sure", "weird@name")


class Synced:
    """One real server, synchronised when told, and the graph over it."""

    def __init__(self, server: Server, engine: Engine, folder: Path) -> None:
        self.client: Any = mlflow_client(server.url)
        self.experiment = self.client.create_experiment("lineage")
        self.engine = engine
        schema.migrate(engine)
        self.follower, self.graph = GraphFollower(engine, folder), Graph(engine, folder)
        self.context = SyncContext(engine, Connections(discover()), Leases("lineage"))
        with writing(engine) as connection:
            spec = RegistrySpec(name="ml", kind="mlflow", team="t", config={"url": server.url})
            configured.apply(connection, [spec])
            self.id = connection.execute(select(tables.registry.c.id)).scalar_one()

    def version(self, name: str, source: str | None = None, run_id: str | None = None, **tags: str) -> str:
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        given = {"run_id": run_id, "tags": tags, "await_creation_for": None}
        if source is not None and source.startswith("models:/m-"):
            given["model_id"] = source.removeprefix("models:/")
        made = self.client.create_model_version(name, source or "s3://bucket/model", **given)
        return str(Reference("ml", name, str(made.version)))

    def sync(self) -> dict[str, int]:
        with writing(self.engine) as connection:
            sync_id = schedule.request(connection, self.id, full=False)
        assert run(self.context, sync_id) == "ok"
        self.settle()
        with reading(self.engine) as connection:
            query = select(tables.sync.c.counts).where(tables.sync.c.id == sync_id)
            counts: dict[str, int] = connection.execute(query).scalar_one()
            return counts

    def read_details(self) -> None:
        while read_details(self.context, self.id, 100):
            pass
        self.settle()

    def settle(self) -> None:
        while self.follower.step():
            pass

    def needs(self, ref: str) -> list[str]:
        found = self.graph.dependencies(EVERYTHING, parse(ref), depth=1).dependencies
        return sorted(one.ref for one in found if one.kind == "version")

    def unresolved(self, ref: str) -> list[str]:
        return [one.wanted for one in self.graph.dependencies(EVERYTHING, parse(ref)).unresolved]

    def affected(self, ref: str) -> list[str]:
        return [one.ref for one in self.graph.impact(EVERYTHING, Question(parse(ref)), "delete").affected]

    def actions(self) -> list[str]:
        with reading(self.engine) as connection:
            query = select(tables.journal.c.action).order_by(tables.journal.c.seq)
            return list(connection.execute(query).scalars())


@pytest.fixture
def synced(mlflow_server: Server, tmp_path: Path) -> Any:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    made = Synced(mlflow_server, engine, tmp_path / "graph")
    yield made
    made.context.connections.close()
    engine.dispose()


def test_origin_and_needs_are_what_mlflow_means(synced: Synced) -> None:
    synced.version("fraud")
    originals = [synced.version(name) for name in NAMES]
    for name in NAMES:
        synced.client.copy_model_version(f"models:/{name}/1", f"{name} prod")
    made = synced.client.create_run(synced.experiment).info
    encoder = synced.version("enc", f"{made.artifact_uri}/model", made.run_id)
    merged = synced.version("merged", base_model='["meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-7B"]')
    spaced = synced.version("spaced", base_model="Llama 3 8B")
    listed = synced.version("listed", parent_model="fraud:1, plain:1")
    by_run = synced.version("by-run", depends_on=f"runs:/{made.run_id}/model")
    latest = synced.version("latest", depends_on="models:/enc/latest")
    on_model = synced.version("on-model")
    synced.client.set_registered_model_tag("on-model", "depends_on", "ML/enc:1")
    vague = synced.version("vague", depends_on='{"model": "enc"}')
    synced.sync()
    with reading(synced.engine) as connection:
        assert unreadable_in(connection, synced.id) == 1
    for name, original in zip(NAMES, originals, strict=True):
        copy = str(Reference("ml", f"{name} prod", "1"))
        assert synced.needs(copy) == [original]
    assert synced.affected("ml/fraud:1") == [listed]
    assert synced.unresolved(merged) == ["meta-llama/Llama-3.1-8B", "ml/Qwen/Qwen2.5-7B"]
    assert synced.unresolved(spaced) == ["ml/Llama 3 8B"]
    assert synced.needs(listed) == ["ml/fraud:1", "ml/plain:1"]
    assert synced.unresolved(vague) == ['{"model": "enc"}']
    assert sorted(synced.affected(encoder)) == [by_run, latest, on_model]


def test_a_logged_model_is_known_by_its_address(synced: Synced) -> None:
    logged = synced.client.create_logged_model(synced.experiment, name="net")
    synced.client.finalize_logged_model(logged.model_id, "READY")
    trained = synced.version("trained", f"models:/{logged.model_id}")
    user = synced.version("user", depends_on=f"models:/{logged.model_id}")
    synced.sync()
    assert (synced.needs(user), synced.affected(trained)) == ([trained], [user])


def test_a_rename_is_told_as_one_and_its_copies_stay_its_own(synced: Synced) -> None:
    synced.version("scorer")
    synced.client.set_registered_model_alias("scorer", "champion", "1")
    synced.client.copy_model_version("models:/scorer/1", "scorer-prod")
    synced.sync()
    since = len(synced.actions())
    synced.client.rename_registered_model("scorer", "retired")
    synced.version("scorer")
    synced.sync()
    told = [action for action in synced.actions()[since:] if action.startswith(("model", "version"))]
    assert sorted(told) == ["model.created", "model.renamed", "version.created", "versions.renamed"]
    assert (synced.needs("ml/scorer-prod:1"), synced.affected("ml/scorer:1")) == (["ml/retired:1"], [])


def test_a_copy_whose_source_was_renamed_before_anybody_looked_is_of_no_namesake(synced: Synced) -> None:
    synced.version("scorer")
    synced.client.copy_model_version("models:/scorer/1", "scorer-prod")
    synced.client.rename_registered_model("scorer", "retired")
    synced.version("scorer")
    synced.sync()
    assert synced.affected("ml/scorer:1") == []
    (waits,) = synced.graph.dependencies(EVERYTHING, parse("ml/scorer-prod:1")).unresolved
    assert (waits.wanted, waits.reason) == ("ml/scorer:1", "what is called so now is younger than the copy")


def test_a_copy_is_of_no_older_namesake_that_has_other_files(synced: Synced) -> None:
    for name in ("older", "scorer"):
        made = synced.client.create_run(synced.experiment).info
        synced.version(name, f"{made.artifact_uri}/model", made.run_id)
    synced.client.copy_model_version("models:/scorer/1", "scorer-prod")
    synced.client.copy_model_version("models:/scorer-prod/1", "scorer-live")
    synced.client.rename_registered_model("scorer", "retired")
    synced.client.rename_registered_model("older", "scorer")
    synced.sync()
    synced.read_details()
    assert synced.affected("ml/scorer:1") == []
    (waits,) = synced.graph.dependencies(EVERYTHING, parse("ml/scorer-prod:1")).unresolved
    reason = "what is called so now has other files than the copy"
    assert (waits.wanted, waits.reason) == ("ml/scorer:1", reason)
    assert synced.needs("ml/scorer-live:1") == ["ml/scorer-prod:1"]
    synced.client.rename_registered_model("scorer", "elsewhere")
    synced.client.rename_registered_model("retired", "scorer")
    synced.sync()
    assert synced.needs("ml/scorer-prod:1") == ["ml/scorer:1"]
