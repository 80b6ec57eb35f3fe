"""How long policies take: over a version that a million need, and over ten thousand versions; and a way back."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import update

from adapters import discover
from federation import tables
from federation.access import EVERYTHING, LOCAL
from federation.database import writing
from federation.graph.graph import Question
from federation.policies.policies import LicenseTerms, Policies, Policy
from federation.promotions.promotions import Promotions
from federation.references import Reference, parse
from gateway.demo.servers import mlflow_server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.graph import SAMPLE, catalogue
from tests.e2e.test_rollback import RULE
from tests.servers.mlflow import GUARDED

SURVEYED = 10_000
AT_ONCE = 500
GUARD = Policy(
    "guard", "*", stage="archived", impact="acknowledged", require=("owner", "license"), duplicates="deny",
    licenses=LicenseTerms(("cc-by-nc-*",), "lineage"), unknown="allow",
)  # fmt: skip


@benchmark(sample=SAMPLE, full=1_000_000)
def checks(size: int, folder: Path) -> Iterator[Figure]:
    """Every check of two policies of a version that all others need, beside its impact; then a plan of everything."""
    estate = catalogue(size, folder)
    with writing(estate.engine) as connection:
        connection.execute(update(tables.registry).values(writable=True))
    policies = Policies(estate.engine)
    policies.apply([GUARD, Policy("another", "*", stage="archived", impact="none")], {})
    face, hub = Promotions(estate.engine, discover(), lambda: estate.graph), parse("r0/hub:1")
    alone, judged = [], []
    for _ in range(11):  # in turn: the machine is the same for both
        began = time.perf_counter()
        found = estate.graph.impact(EVERYTHING, Question(hub), "archive")
        alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        plan = face.plan(LOCAL, hub, "archived")
        judged.append(time.perf_counter() - began)
        assert found.counts.affected == size - 1
        assert [one.verdict for one in plan.checks if one.name == "impact"] == ["no", "unknown"]
    mine, theirs = (spread(one[1:]).p50 * 1e3 for one in (judged, alone))
    yield Figure(
        "every check of a version that all others need", mine, "ms", 1.5 * theirs, ("GET /impact", theirs)
    )
    policies.apply(
        [Policy("guard", "*", stage="archived", require=GUARD.require, licenses=GUARD.licenses)], {}
    )
    began, seen = time.perf_counter(), 0
    after: Reference | None = None
    while seen < min(size, SURVEYED):
        some, after = face.survey(EVERYTHING, "archived", "", after, AT_ONCE)
        seen += len(some)
        if after is None:
            break
    yield Figure(f"plan --all over {seen:,} versions", time.perf_counter() - began, "s", goal=10)
    estate.engine.dispose()


@benchmark(sample=1, full=50, servers=True)
def rollback(size: int, folder: Path) -> Iterator[Figure]:
    """`waypost rollback` as a whole process over a real MLflow server, to what is read back there; index and graph are
    deleted before each.
    """
    with mlflow_server(folder / "mlflow") as server:
        client: Any = mlflow_client(server.url)
        client.create_registered_model("scorer")
        for _ in range(2):
            client.create_model_version("scorer", "s3://bucket/model", await_creation_for=None)
        client.set_registered_model_alias("scorer", "champion", "1")
        config = folder / "waypost.toml"
        config.write_text(GUARDED.format(url=server.url, rule=RULE))

        def done(*words: str) -> float:
            command = [sys.executable, "-m", "gateway", "--config", str(config), *words]
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - began

        done("sync")
        taken = []
        for _ in range(size):
            done("promote", "ml/scorer:2", "--to", "production", "--reason", "better")
            shutil.rmtree(folder / "waypost-index")
            taken.append(done("rollback", "ml/scorer", "--reason", "it fails"))
            assert str(client.get_model_version_by_alias("scorer", "champion").version) == "1"
    what = "waypost rollback, whole process over MLflow, index and graph deleted"
    yield Figure(f"{what}, p50", spread(taken).p50, "s")
    yield Figure(f"{what}, p95", spread(taken).p95, "s", goal=3)
