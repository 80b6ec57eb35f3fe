"""Every way a backend can fail, all at once, beside one that works: what a gateway does and what it says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine, select

from adapters.mlflow import MlflowAdapter, MlflowConfig
from federation import schema, tables
from federation.database import open_engine, reading
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.gateway.lines import TOKEN, Line, lines
from tests.gateway.paper import finished, problems
from tests.gateway.served import Served, served
from tests.patience import until
from tests.servers.mlflow import empty
from tests.servers.postgres import Postgres
from tests.soak import soak

MODELS = 12
FAULTS = {
    "refuses": ("failing", "cannot be connected to: check `url`"),
    "hangs": ("failing", "did not answer within 4 s: raise `timeout`"),
    "resets": ("failing", "broke the connection off: it is tried again"),
    "throttled": ("failing", "answered 429"),
    "breaks": ("failing", "answered 500"),
    "web page": ("failing", "a web page instead of JSON: check that `url`"),
    "endless": ("failing", "more than 1 MiB: raise `max_response_mb`"),
    "circle": ("failing", "page token"),
    "expired": ("failing", "renew the registry's credentials"),
    "no name": ("partial", "a version has no model name"),
    "empty": (
        "partial",
        "missing at once and were kept: if they are really gone, run `waypost registries confirm",
    ),
    "half": ("partial", "missing at once and were kept"),
}


@contextmanager
def federated(folder: Path, database: str, steady: Server, broken: dict[str, Line]) -> Iterator[Served]:
    """A gateway over a server that works, and over the same one behind each line."""
    (folder / "token").write_text(TOKEN)
    addresses = {"steady": steady.url} | {
        slug(fault): f"http://127.0.0.1:{line.port}" for fault, line in broken.items()
    }
    config = "".join(
        f'[[registries]]\nname = "{name}"\nkind = "mlflow"\nteam = "t"\nsync_every = 0\n'
        f'config = {{ url = "{url}", token = "file:{folder / "token"}", timeout = '
        f"{4 if name == 'hangs' else 60}, max_response_mb = 1 }}\n"
        for name, url in addresses.items()
    )
    schema.migrate(engine := open_engine(database))
    engine.dispose()
    with served(folder, config=config, database=database) as gateway:
        yield gateway


def slug(fault: str) -> str:
    return fault.replace(" ", "-")


def sync_all(gateway: Served) -> dict[str, Any]:
    """A full run of every registry; how each stands afterwards."""
    names = [one["name"] for one in registries(gateway).values()]
    asked = [gateway.client.post(f"/registries/{name}/sync", json={"full": True}) for name in names]
    for answer in asked:
        finished(gateway.engine, answer.raise_for_status().json()["id"])
    return registries(gateway)


def all_well(gateway: Served) -> dict[str, Any]:
    """How every registry stands after a run; nothing while one is not ok, as on a machine that is too busy."""
    found = sync_all(gateway)
    return found if {one["state"] for one in found.values()} == {"ok"} else {}


def registries(gateway: Served) -> dict[str, Any]:
    found = gateway.client.get("/registries").raise_for_status().json()["registries"]
    return {one["name"]: one for one in found}


@soak(sample=1, full=2, batch=2)
def test_one_backend_that_fails_hurts_nobody_else_and_says_what_is_wrong(
    cases: int, seed: int, mlflow_server: Server, postgres: Postgres, tmp_path: Path
) -> list[str]:
    """On either database, which has no say in it: in `make test` on SQLite, in `make soak` on PostgreSQL as well."""
    databases = (postgres.url(postgres.create()), f"sqlite:///{tmp_path / 'waypost.db'}")
    for number in range(seed, seed + cases):
        empty(mlflow_server)
        (folder := tmp_path / str(number)).mkdir()
        one_fails(mlflow_server, databases[number % 2], folder)
    return []


def one_fails(mlflow_server: Server, database: str, tmp_path: Path) -> None:
    mlflow = mlflow_client(mlflow_server.url)
    made = mlflow.create_run("0").info  # the server can say of its files that there are none
    for number in range(MODELS):
        mlflow.create_registered_model(f"model-{number}")
        for _ in range(2):
            mlflow.create_model_version(
                f"model-{number}", f"{made.artifact_uri}/model", run_id=made.run_id, await_creation_for=0
            )
    with (
        lines(mlflow_server.url, list(FAULTS)) as broken,
        federated(tmp_path, database, mlflow_server, broken) as gateway,
    ):
        before = until(lambda: all_well(gateway), "every registry is ok")
        for line in broken.values():
            line.cut()
        mlflow.create_registered_model("made-meanwhile")
        after = sync_all(gateway)

        assert after["steady"]["state"] == "ok"
        assert after["steady"]["models"] == MODELS + 1
        for fault, (state, told) in FAULTS.items():
            one = after[slug(fault)]
            assert (fault, one["state"]) == (fault, state)
            assert told in (one["last_error"] or ""), fault
            if state != "ok":
                assert one["last_error"].startswith(f"{slug(fault)}: ") or state == "partial", one[
                    "last_error"
                ]
            assert (one["models"], one["versions"]) >= (MODELS, 2 * MODELS), fault
        held_back(gateway, before)
        nothing_leaks(gateway)

        for line in broken.values():
            line.mend()
        mended = until(lambda: all_well(gateway), "every registry is ok again")
        assert {one["models"] for one in mended.values()} == {MODELS + 1}
        assert deleted(gateway.engine) == []
        assert problems(gateway.engine) == []


def held_back(gateway: Served, before: dict[str, Any]) -> None:
    """What is known of a backend that fails is served as before, with its age."""
    until(lambda: gateway.client.get("/search", params={"q": "model-1"}).json()["total"])
    found = gateway.client.get("/search", params={"q": "model-1", "limit": 100}).raise_for_status().json()
    assert {hit["registry"] for hit in found["hits"]} == {"steady", *map(slug, FAULTS)}
    ages = {one["name"]: (one["state"], one["synced_at"]) for one in found["registries"]}
    for fault, (state, _) in FAULTS.items():
        name = slug(fault)
        version = gateway.client.get(f"/versions/{name}/model-1:2").raise_for_status().json()
        assert version["version"] == "2"
        assert ages[name][0] == state
        if state == "failing":
            assert moment(ages[name][1]) == moment(before[name]["last_success_at"])
            assert gateway.client.get(f"/registries/{name}").json()["lag"] > 0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def nothing_leaks(gateway: Served) -> None:
    """The credential stands in no answer, no log, no row of the database, and in no adapter's repr."""
    names = ["steady", *map(slug, FAULTS)]
    paths = ["/registries", "/audit?limit=1000", "/search?q=model"]
    paths += [path for name in names for path in (f"/registries/{name}", f"/syncs?registry={name}")]
    for path in paths:
        answer = gateway.client.get(path)
        assert answer.status_code == 200, path
        assert TOKEN not in answer.text, path
    assert TOKEN not in gateway.process.log.read_text()
    with reading(gateway.engine) as connection:
        for table in schema.metadata().sorted_tables:
            for row in connection.execute(select(table)):
                assert TOKEN not in repr(tuple(row)), table.name
    adapter = MlflowAdapter(MlflowConfig(url="http://127.0.0.1", token=SecretStr(TOKEN)))
    for value in (adapter, adapter.__dict__, MlflowConfig(url="http://x", token=SecretStr(TOKEN))):
        assert TOKEN not in repr(value)


def deleted(engine: Engine) -> list[str]:
    """What has a tombstone."""
    with reading(engine) as connection:
        return [
            row.native_id
            for table in (tables.model, tables.version)
            for row in connection.execute(select(table).where(table.c.deleted_at.is_not(None)))
        ]
