"""A service that a team writes in a day needs an address, a token and `preset = "fastapi"`."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastapi import Response

from adapters import (
    Adapter,
    Capability,
    Column,
    Dataset,
    EndpointRecord,
    Key,
    Parent,
    Schema,
    StageField,
    Traffic,
    VersionRecord,
)
from adapters.conformance import Conformance
from adapters.conformance.harness import RETRIED, Fault, Harness
from adapters.http import HttpClient
from adapters.rest import RestAdapter, RestConfig, client
from tests.adapters.rest.service import RestRegistry, Row, served
from tests.adapters.scans import scanned

TOKEN = "team-s3cret-token"
STATUS = {"broken": 500, "throttled": 429, "throttled_until": 429, "unauthorised": 401, "forbidden": 403}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are made, and not waited for."""
    monkeypatch.setattr(client, "HttpClient", partial(HttpClient, sleep=lambda seconds: None))


class FastApiHarness(Harness):
    """The service on a socket of its own."""

    adapter_type: ClassVar[type[Adapter]] = RestAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"stage": ("staging", "production")}
    faults = frozenset(Fault) - {Fault.UNREACHABLE, Fault.TRUNCATED}
    secrets = (TOKEN,)

    def __init__(self) -> None:
        self.registry = RestRegistry(TOKEN)
        self.stack = contextlib.ExitStack()
        self.url = self.stack.enter_context(served(self.registry))
        self.fault: Fault | None = None

    def adapter(self) -> Adapter:
        return self.open()

    def paged(self) -> Adapter:
        page = {"style": "page", "param": "page", "size": "size", "size_value": 5, "total": "total"}
        return self.open(models={"page": page}, versions={"page": page}, endpoints={"page": page})

    def open(self, **settings: Any) -> Adapter:
        timeout = 0.3 if self.fault is Fault.SILENT else 1.0 if self.fault in RETRIED else 30.0
        config = {"preset": "fastapi", "url": self.url, "token": TOKEN, "timeout": timeout}
        return RestAdapter(RestConfig.model_validate(config | settings))

    def put(self, model: str) -> str:
        return str(self.registry.version(model)["version"])

    def put_model(self, model: str) -> None:
        self.registry.model(model)

    def drop(self, model: str, version: str | None = None) -> None:
        if (found := self.registry.named(model)) is None:
            return
        if version is None:
            self.registry.drop("models", found["id"])
        for row in self.registry.of(found) if version else ():
            if str(row["version"]) == version:
                self.registry.drop("versions", row["id"])

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        row = self._row(model, version)
        self.registry.touch(row, tags={**row["tags"], key: value})

    def alias(self, model: str, alias: str, version: str | None) -> None:
        row = self._row(model, None)
        kept = {name: target for name, target in row["aliases"].items() if name != alias}
        self.registry.touch(row, aliases=kept if version is None else {**kept, alias: version})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self.registry.touch(self._row(model, version), stage=value)

    def serve(self, endpoint: str, model: str, version: str) -> None:
        row = self._row(model, version)
        share = {"model_id": row["model_id"], "version_id": row["id"], "percent": 100}
        self.registry.add("endpoints", name=endpoint, state="up", live=True, traffic=[share])

    def spoil(self, model: str, version: str) -> None:
        self.registry.touch(self._row(model, version), version=None)

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        now = self.registry.clock
        self.registry.clock = lambda: now() + timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.registry.clock = now

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        self.fault, self.registry.fault = fault, partial(_failing, fault)
        try:
            yield
        finally:
            self.fault = self.registry.fault = None

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.registry.listed = change
        try:
            yield
        finally:
            self.registry.listed = lambda: None

    def requests(self) -> int:
        return len(self.registry.requests)

    def close(self) -> None:
        self.stack.close()

    def _row(self, model: str, version: str | None) -> Row:
        found = self.registry.model(model)
        if version is None:
            return found
        return next(row for row in self.registry.of(found) if str(row["version"]) == version)


async def _failing(fault: Fault) -> Response:
    if fault is Fault.SILENT:
        await asyncio.sleep(0.6)
    if fault is Fault.GARBAGE:
        return Response("<html>Please sign in</html>", media_type="text/html")
    headers = {"Retry-After": "7"} if fault is Fault.THROTTLED_UNTIL else None
    return Response('{"detail": "no"}', STATUS.get(fault.value, 503), headers, "application/json")


class TestFastApi(Conformance, harness=FastApiHarness):
    """Everything that the preset says."""


@pytest.fixture(scope="module")
def team() -> Iterator[FastApiHarness]:
    harness = FastApiHarness()
    yield harness
    harness.close()


def test_a_version_loses_nothing(team: FastApiHarness) -> None:
    base, rows = team.registry.version("base"), [{"name": "age", "type": "long", "shape": [None, 2]}]
    made = team.registry.version(
        "fraud",
        uri="s3://team/fraud-1.bin",
        digest="sha256:00ff",
        params={"depth": 7},
        schema={"inputs": rows, "outputs": {"score": "double"}, "params": [{"name": "cut", "default": 0.5}]},
        run_id="run-7",
        run_url="/runs/run-7",
        commit="5ae73ee",
        datasets=["s3://team/clicks/", {"name": "views", "digest": "9f", "role": "test"}],
        parents=[{"model": "base", "version": 1, "kind": "fine_tuned"}, "bert"],
    )
    share = {"model_id": made["model_id"], "version_id": made["id"], "percent": 40}
    team.registry.add("endpoints", name="live", state="up", traffic=[share])
    found = {one.key: one for one in scanned(team.adapter(), None, 100).records}
    version = found[Key("version", f"{made['model_id']}/{made['id']}")]
    assert isinstance(version, VersionRecord)
    assert version.schema == Schema(
        (Column("age", "long", shape=(-1, 2)),),
        (Column("score", "double"),),
        (Column("cut", "any", default="0.5"),),
    )
    lineage = version.lineage
    assert (lineage.run_id, lineage.run_url, lineage.commit) == ("run-7", f"{team.url}/runs/run-7", "5ae73ee")
    assert lineage.datasets == (
        Dataset("clicks", uri="s3://team/clicks/"), Dataset("views", digest="9f", role="evaluation")
    )  # fmt: skip
    assert lineage.parents == (Parent("base:1", "fine_tuned"), Parent("bert"))
    assert (version.artifact_uri, version.params) == ("s3://team/fraud-1.bin", {"depth": "7"})
    [endpoint] = [one for one in found.values() if isinstance(one, EndpointRecord) and one.name == "live"]
    assert (endpoint.state, endpoint.live) == ("up", True)
    assert endpoint.traffic == (Traffic(version.key, 40.0),)
    assert team.adapter().get(endpoint.key) == endpoint
    assert base["id"] != made["id"]


def test_missing_rights_are_named(team: FastApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team.registry, "rights", ("write",))
    monkeypatch.setattr(team.registry, "closed", {"endpoints"})
    info = team.adapter().probe()
    assert info.unavailable == {Capability.SET_STAGE, Capability.SET_ALIAS, Capability.DELETE}
    told = "\n".join(info.missing)
    assert "lacks the right promote: set_stage is refused" in told
    assert "endpoints cannot be listed" in told
    kinds = {listing.kind for listing in scanned(team.adapter(), None, 100).listed}
    assert kinds == {"model", "version"}, "endpoints that may not be listed are not absent"


def test_when_nothing_changed_one_page_of_each_is_asked_for(team: FastApiHarness) -> None:
    for number in range(3):
        team.put(f"quiet-{number}")
    adapter = team.open(versions={"since": {"param": "updated_after", "overlap": 1}})
    mark = scanned(adapter, None, 100).watermark
    team.registry.requests.clear()
    scanned(adapter, mark, 100)
    assert team.registry.requests == ["GET /models", "GET /versions", "GET /endpoints"]


def test_its_snippets_run(team: FastApiHarness, tmp_path: Path) -> None:
    artifact = tmp_path / "it's a model.bin"
    artifact.write_bytes(b"weights")
    made = team.registry.version("snip 'n' snap", uri=str(artifact))
    adapter = team.adapter()
    version = adapter.get(Key("version", f"{made['model_id']}/{made['id']}"))
    assert isinstance(version, VersionRecord)
    python, curl = adapter.snippets("snip 'n' snap", version)
    code = f"{python.code}\nassert content == b'weights'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    environment = {"PATH": os.environ["PATH"], "REGISTRY_TOKEN": TOKEN}
    told = subprocess.run(
        ["sh", "-euc", curl.code], env=environment, capture_output=True, check=True, timeout=60
    )
    assert made["id"].encode() in told.stdout
    bare = team.registry.version("bare")
    record = adapter.get(Key("version", f"{bare['model_id']}/{bare['id']}"))
    assert isinstance(record, VersionRecord)
    assert [one.title for one in adapter.snippets("bare", record)] == ["Read over REST"]


def test_the_clock_of_a_watermark_is_the_backends(team: FastApiHarness) -> None:
    with team.skew(-3600):
        mark = scanned(team.adapter(), None, 100).watermark
    assert mark is not None
    assert float(mark.partition(":")[2].strip("} ")) < datetime.now(UTC).timestamp() - 3000
