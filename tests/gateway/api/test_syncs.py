"""A run is told as ended once search and graph know what it found."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from federation import changes, tables
from federation.changes import Change
from federation.database import now, reading, writing
from federation.journal.log import Batch
from tests.federation.graph.estate import Estate
from tests.gateway.served import Served, served
from tests.patience import until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def registry(gateway: Served, tmp_path_factory: pytest.TempPathFactory) -> int:
    return Estate(tmp_path_factory.mktemp("estate"), gateway.engine).join("fraud", "risk")


def ended(gateway: Served, registry: int, position: int, at: datetime) -> int:
    """A run that has written its outcome."""
    values = {"state": "ok", "full": False, "asked_full": False, "epoch": 1, "counts": {}, "errors": []}
    times = {"queued_at": at, "started_at": at, "finished_at": at}
    with writing(gateway.engine) as connection:
        made = insert(tables.sync).values(registry_id=registry, position=position, **values, **times)
        return int(connection.execute(made.returning(tables.sync.c.id)).scalar_one())


def told(gateway: Served, sync_id: int) -> Any:
    return gateway.client.get(f"/syncs/{sync_id}").raise_for_status().json()


def test_it_runs_until_the_followers_have_passed_what_it_found(gateway: Served, registry: int) -> None:
    with reading(gateway.engine) as connection:
        ahead = changes.newest(connection) + 1
    sync_id = ended(gateway, registry, ahead, now())
    run = told(gateway, sync_id)
    assert (run["state"], run.get("finished_at")) == ("running", None)
    with writing(gateway.engine) as connection:
        batch = Batch()
        batch.change(Change("registry", registry, registry))
        assert batch.append(connection) == ahead
    until(lambda: told(gateway, sync_id)["state"] == "ok")
    assert told(gateway, sync_id)["finished_at"]


def test_followers_that_stand_still_are_not_waited_for_for_ever(gateway: Served, registry: int) -> None:
    sync_id = ended(gateway, registry, 1_000_000, now())
    assert told(gateway, sync_id)["state"] == "running"
    with writing(gateway.engine) as connection:
        before = now() - timedelta(hours=1)
        connection.execute(update(tables.sync).values(finished_at=before))
    assert told(gateway, sync_id)["state"] == "ok"
