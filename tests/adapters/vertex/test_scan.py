"""What a scan gives, when a change is seen, and how a scan goes on after everything that can stop it."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from adapters import (
    EndpointRecord,
    InvalidError,
    Key,
    Listing,
    Mark,
    ModelRecord,
    NotFoundError,
    Page,
    Record,
    TransientError,
    VersionRecord,
    Watermark,
)
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter
from tests.adapters.scans import scanned
from tests.adapters.vertex.conftest import MakeAdapter
from tests.adapters.vertex.vendor import Vendor


def pages(adapter: VertexAdapter, since: Watermark | None = None, limit: int = 1000) -> Iterator[Page]:
    return adapter.scan(since=since, limit=limit)


def scan(adapter: VertexAdapter, since: Watermark | None = None, limit: int = 1000) -> list[Record]:
    return [r for page in pages(adapter, since, limit) for r in page.records]  # type: ignore[misc]


def named(records: list[Record]) -> list[str]:
    """`fraud`, `fraud:1` and `>live` for a model, a version and an endpoint."""
    models = {r.key: r.name for r in records if isinstance(r, ModelRecord)}
    text = {ModelRecord: "{r.name}", VersionRecord: "{m}:{r.version}", EndpointRecord: ">{r.name}"}
    return [text[type(r)].format(r=r, m=models.get(getattr(r, "model", None))) for r in records]  # type: ignore[arg-type]


@pytest.fixture
def team(vendor: Vendor) -> Vendor:
    """Two models of two versions, one of them serving."""
    for model in ("fraud", "clicks"):
        vendor.upload(model)
        vendor.upload(model, version_aliases=["golden"])
    vendor.deploy(vendor.endpoint("live"), "fraud@2")
    return vendor


def test_a_model_comes_before_its_versions_and_endpoints_last(team: Vendor, adapter: VertexAdapter) -> None:
    expected = ["fraud", "fraud:1", "fraud:2", "clicks", "clicks:1", "clicks:2", ">live"]
    assert named(scan(adapter)) == expected


def test_page_sizes_change_nothing(team: Vendor, adapter: VertexAdapter) -> None:
    whole = scan(adapter)
    for limit in (1, 2, 3, 50):
        assert scan(adapter, limit=limit) == whole
        assert all(len(page.records) <= limit for page in pages(adapter, limit=limit))


def test_get_gives_what_the_scan_gave(team: Vendor, adapter: VertexAdapter) -> None:
    team.evaluate("fraud@1", {"auc": 0.5})
    for record in scan(adapter):
        assert adapter.get(record.key) == record


def test_a_scan_is_continued_by_another_process(
    team: Vendor, adapter: VertexAdapter, make_adapter: MakeAdapter
) -> None:
    whole = scan(adapter)
    first = next(adapter.scan(since=None, limit=3))
    rest = scanned(make_adapter(), resume=first.mark)
    assert [*first.records, *rest.records] == whole
    assert first.mark is not None
    assert rest.watermark is not None


def test_more_models_than_one_page_of_the_service_holds(vendor: Vendor, make_adapter: MakeAdapter) -> None:
    for number in range(105):
        vendor.upload(f"m{number:03}")
    records = scan(make_adapter(concurrency=8), limit=100)
    assert named(records) == [n for i in range(105) for n in (f"m{i:03}", f"m{i:03}:1")]


def test_a_model_with_more_versions_than_a_page_of_the_service(
    vendor: Vendor, adapter: VertexAdapter
) -> None:
    for _ in range(103):
        vendor.upload("many")
    assert named(scan(adapter, limit=60))[1:] == [f"many:{n}" for n in range(1, 104)]


def test_what_the_service_bumps_is_seen_by_the_next_scan(team: Vendor, adapter: VertexAdapter) -> None:
    mark = [page.watermark for page in pages(adapter)][-1]
    team.upload("fraud")
    team.upload("new")
    team.update("clicks", description="changed")
    changed = scan(adapter, since=mark)
    assert {"fraud:3", "new", "new:1", "clicks", ">live"} <= set(named(changed))


def backdated(watermark: Watermark | None, seconds: int = 3600) -> Watermark:
    """The watermark with its time moved into the future, as if all that exists were old."""
    high, swept = json.loads(watermark or "")
    return json.dumps([high + seconds * 1_000_000, swept])


def test_what_it_does_not_bump_is_seen_by_the_next_sweep(
    team: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    lazy, eager = make_adapter(sweep_every=3600), make_adapter(sweep_every=0)
    mark = backdated([page.watermark for page in pages(lazy)][-1])
    team.alias("fraud", "1", "golden")
    assert named(scan(lazy, since=mark)) == [">live"]
    found = {r.name: r.aliases for r in scan(eager, since=mark) if isinstance(r, ModelRecord)}
    assert found == {"fraud": {"default": "1", "golden": "1"}, "clicks": {"default": "1", "golden": "2"}}


def test_a_change_in_the_last_minute_before_the_watermark_is_read_again(
    team: Vendor, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(sweep_every=3600)
    mark = [page.watermark for page in pages(adapter)][-1]
    assert "fraud" in named(scan(adapter, since=mark)), "its update_time is less than a minute old"


def test_an_incremental_scan_says_what_it_listed(team: Vendor, make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(sweep_every=3600)
    first = list(pages(adapter))
    models = {r.name: r.key for page in first for r in page.records if isinstance(r, ModelRecord)}
    assert first[-1].listed == ()
    mark = backdated(first[-1].watermark, seconds=61)
    team.upload("clicks")
    assert _listed(adapter, mark) == {Listing("endpoint")}
    swept = _listed(make_adapter(sweep_every=0), mark)
    assert swept == {Listing("endpoint"), Listing("model"), *(Listing("version", k) for k in models.values())}


def _listed(adapter: VertexAdapter, since: Watermark) -> set[Listing]:
    return {listing for page in pages(adapter, since) for listing in page.listed}


def test_the_watermark_is_the_services_own_time(
    team: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(sweep_every=3600)
    emulator.state.clock = lambda: time.time() + 86_400
    team.upload("tomorrow")
    mark = [page.watermark for page in pages(adapter)][-1]
    team.upload("tomorrow")
    assert "tomorrow:2" in named(scan(adapter, since=mark))


def test_a_deleted_and_created_again_model_is_another(team: Vendor, adapter: VertexAdapter) -> None:
    old = next(
        r for r in scan(adapter) if isinstance(r, VersionRecord) and r.artifact_uri == "gs://bucket/clicks"
    )
    team.delete("clicks")
    team.upload("clicks")
    new = next(
        r for r in scan(adapter) if isinstance(r, VersionRecord) and r.artifact_uri == "gs://bucket/clicks"
    )
    assert new.version == old.version
    assert new.key != old.key
    for key in (old.key, old.model):
        with pytest.raises(NotFoundError, match="another one"):
            adapter.get(key)


def test_a_model_deleted_while_the_scan_runs_is_left_out(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    first = next(adapter.scan(since=None, limit=3))
    team.delete("clicks")
    rest = scanned(adapter, resume=first.mark)
    assert [type(r).__name__ for r in rest.records] == ["EndpointRecord"]


def test_a_failure_in_the_middle_loses_and_doubles_nothing(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    whole = scan(adapter)
    emulator.faults.fail("ListModelVersions", matching="clicks", retry_after=3)
    failing = adapter.scan(since=None, limit=1000)
    first = next(failing)
    assert named(list(first.records)) == ["fraud", "fraud:1", "fraud:2"]  # type: ignore[arg-type]
    with pytest.raises(TransientError):
        next(failing)
    rest = scanned(adapter, resume=first.mark)
    assert [*first.records, *rest.records] == whole


def test_a_failure_at_the_start_is_the_callers(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    emulator.faults.fail("ListModels", retry_after=3)
    with pytest.raises(TransientError) as caught:
        scan(adapter)
    assert caught.value.retry_after == 3
    assert scan(adapter)


def test_one_bad_record_is_named_and_hides_no_other(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    emulator.state.models[team.name("fraud")].versions["1"].id = ""
    emulator.state.models[team.name("clicks")].versions["2"].created = Timestamp(seconds=10**14)
    (page,) = pages(adapter)
    assert named(list(page.records)) == ["fraud", "fraud:2", "clicks", "clicks:1", ">live"]  # type: ignore[arg-type]
    assert {bad.native.rpartition("/")[2] for bad in page.bad} == {"fraud@", "clicks@2"}


def test_without_permission_for_endpoints_the_models_are_still_read(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    emulator.faults.fail("ListEndpoints", code="PERMISSION_DENIED", times=99)
    assert "endpoints cannot be listed" in " ".join(adapter.probe().missing)
    mark = [page.watermark for page in pages(adapter)][-1]
    assert all(isinstance(r, ModelRecord | VersionRecord) for r in scan(adapter))
    assert Listing("endpoint") not in _listed(adapter, mark or ""), "what was not listed proves no absence"


def test_without_permission_for_evaluations_it_asks_once(
    team: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(concurrency=1)
    emulator.faults.fail("ListModelEvaluations", code="PERMISSION_DENIED", times=99)
    assert len(scan(adapter)) == 7
    assert emulator.faults.calls["ListModelEvaluations"] == 1


def test_metrics_come_from_every_evaluation_the_newest_winning(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    team.evaluate("fraud@1", {"auc": 0.5, "loss": 1.0, "deep": {"f1": 0.25}, "curve": [1, 2]})
    team.evaluate("fraud@1", {"auc": 0.75, "label": "text", "ok": True})
    record = next(r for r in scan(adapter) if isinstance(r, VersionRecord))
    assert record.metrics == {"auc": 0.75, "loss": 1.0, "deep.f1": 0.25}
    assert [e["metrics"]["auc"] for e in record.native["evaluations"]] == [0.5, 0.75]


def test_evaluations_are_trusted_for_a_while_by_incremental_scans_only(
    team: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(sweep_every=0, evaluations_every=3600)
    mark = [page.watermark for page in pages(adapter)][-1]
    team.evaluate("fraud@1", {"auc": 0.5})
    asked = emulator.faults.calls["ListModelEvaluations"]
    assert _aucs(scan(adapter, since=mark)) == []
    assert emulator.faults.calls["ListModelEvaluations"] == asked
    assert _aucs(scan(adapter)) == [0.5]
    team.evaluate("fraud@2", {"auc": 0.6})
    assert _aucs(scan(make_adapter(sweep_every=0, evaluations_every=0), since=mark)) == [0.5, 0.6]
    assert _aucs(scan(make_adapter(evaluations=False))) == []


def _aucs(records: list[Record]) -> list[float]:
    return [r.metrics["auc"] for r in records if isinstance(r, VersionRecord) and "auc" in r.metrics]


def test_traffic_names_the_versions_that_live(team: Vendor, adapter: VertexAdapter) -> None:
    endpoint = team.endpoint("canary")
    stable = team.deploy(endpoint, "clicks@1")
    team.deploy(endpoint, "clicks@2", {stable: 80, "0": 20})
    team.endpoint("idle")
    records = scan(adapter)
    versions = {r.key: r.version for r in records if isinstance(r, VersionRecord)}
    endpoints = {r.name: r for r in records if isinstance(r, EndpointRecord)}
    shares = {versions[t.version]: t.percent for t in endpoints["canary"].traffic}
    assert shares == {"1": 80.0, "2": 20.0}
    assert (endpoints["canary"].live, endpoints["idle"].live) == (True, False)
    assert endpoints["idle"].traffic == ()


def test_a_deployment_of_another_project_is_kept_natively_only(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    (endpoint,) = emulator.state.endpoints.values()
    endpoint.deployed_models[0].model = "projects/other/locations/us-central1/models/fraud"
    record = next(r for r in scan(adapter) if isinstance(r, EndpointRecord))
    assert record.traffic == ()
    assert record.native["deployedModels"][0]["model"].startswith("projects/other/")


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '["full", "x", 0, 0]', "null"])
def test_foreign_tokens_and_watermarks_are_refused(adapter: VertexAdapter, text: str) -> None:
    with pytest.raises(InvalidError, match="watermark"):
        scanned(adapter, since=text)
    with pytest.raises(InvalidError, match="mark"):
        scanned(adapter, resume=Mark(text))


@pytest.mark.parametrize("native", ["", "x", "../../etc/passwd#1", "a@b#1", "fraud@1@2#1", "a/b#1", "%00"])
def test_keys_nobody_made_are_absent_without_a_call(
    adapter: VertexAdapter, emulator: VertexEmulator, native: str
) -> None:
    for kind in ("model", "version", "endpoint"):
        with pytest.raises(NotFoundError):
            adapter.get(Key(kind, native))
    assert not emulator.faults.calls


def test_the_budget_holds_for_a_whole_scan(
    team: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(quota_per_minute=3, timeout=5.0)
    emulator.faults.quota_per_minute = 3
    emulator.faults.calls.clear()
    with pytest.raises(TransientError, match="quota_per_minute") as caught:
        while True:
            next(adapter.scan(since=None, limit=1))
    assert sum(emulator.faults.calls.values()) <= 3, "the service never had to refuse"
    assert caught.value.retry_after is not None
    assert 20 < caught.value.retry_after <= 60


def test_a_scan_waits_for_its_budget_and_loses_nothing(
    team: Vendor, make_adapter: MakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan(make_adapter())
    monkeypatch.setattr("adapters.quota.WINDOW", 0.4)
    began = time.monotonic()
    assert scan(make_adapter(quota_per_minute=3), limit=100) == whole
    assert time.monotonic() - began > 2 * 0.4, "eight calls are three windows"


def test_a_slow_service_gets_short_pages_and_is_asked_once(
    team: Vendor, emulator: VertexEmulator, adapter: VertexAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan(adapter)
    emulator.faults.clear()
    emulator.faults.fail("ListModelVersions", matching="clicks", hang=1.5, code="OK")
    monkeypatch.setattr("adapters.scanning.PAGE_SECONDS", 0.1)
    monkeypatch.setattr("adapters.scanning.EMPTY_PAGE_SECONDS", 0.1)
    pages = list(adapter.scan(since=None, limit=100))
    assert named(list(pages[0].records))[0] == "fraud"  # type: ignore[arg-type]
    assert ((), None) in [(page.records, page.watermark) for page in pages[:-1]]
    assert [record for page in pages for record in page.records] == whole
    assert emulator.faults.calls["ListModelVersions"] == 2


def test_a_page_reads_concurrently_and_not_more_than_allowed(
    vendor: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter
) -> None:
    for number in range(8):
        vendor.upload(f"m{number}")
    adapter = make_adapter(concurrency=4, evaluations=False)
    together, inside, seen = threading.Barrier(4), set[int](), list[int]()

    def answered(method: str) -> None:
        if method == "ListModelVersions":
            inside.add(threading.get_ident())
            seen.append(len(inside))
            together.wait(60)
            inside.discard(threading.get_ident())

    emulator.faults.answered = answered
    assert len(scan(adapter)) == 16
    assert len(seen) == 8
    assert max(seen) == 4


def test_a_listing_that_never_ends_is_given_up(
    team: Vendor, adapter: VertexAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.vertex.client.PAGES", 3)
    monkeypatch.setattr("adapters.vertex.client.PAGE", 1)
    for number in range(3):
        team.upload(f"m{number}")
    with pytest.raises(TransientError, match="does not seem to end"):
        scan(adapter)


def test_closing_ends_a_scan_and_may_be_repeated(team: Vendor, adapter: VertexAdapter) -> None:
    assert scanned(adapter).watermark
    adapter.close()
    adapter.close()
    with pytest.raises(TransientError, match="closed"):
        adapter.probe()


def test_what_a_version_says_is_all_there(vendor: Vendor, adapter: VertexAdapter) -> None:
    vendor.upload("fraud", **RICH)
    model, version = scan(adapter)
    assert isinstance(model, ModelRecord)
    assert isinstance(version, VersionRecord)
    assert (model.name, model.title, model.description) == ("fraud", "Fraud détecteur", "what it is for")
    assert model.tags == {"team": "risk", "framework": "keras"}
    assert version.description == "trained on q3"
    assert version.framework == "keras"
    assert version.artifact_uri == "gs://bucket/fraud"
    assert version.params == {
        "container_image": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-3:latest",
        "explanation_method": "sampled_shapley_attribution",
        "instance_schema_uri": "gs://schemas/instance.yaml",
        "prediction_schema_uri": "gs://schemas/prediction.yaml",
        "source_type": "MODEL_GARDEN",
        "source_copy": "true",
    }
    assert version.lineage.pipeline == "projects/demo/locations/us-central1/pipelineJobs/train-7"
    assert [(p.reference, p.kind) for p in version.lineage.parents] == [
        ("publishers/google/models/gemma:2b-it", "base"),
        ("ancestor:4", "copy"),
    ]
    assert version.native["predictSchemata"]["instanceSchemaUri"] == "gs://schemas/instance.yaml"
    assert version.url == (
        "https://console.cloud.google.com/vertex-ai/models/locations/us-central1/models/fraud/versions/1?project=demo"
    )


def test_the_containers_environment_keeps_its_names_and_hides_its_values(
    vendor: Vendor, adapter: VertexAdapter
) -> None:
    vendor.upload("fraud", container_spec={"image_uri": "img", "env": [{"name": "KEY", "value": "hunter2"}]})
    records = scan(adapter)
    assert "hunter2" not in repr(records)
    assert records[1].native["containerSpec"]["env"] == [{"name": "KEY", "value": "(hidden)"}]


RICH: dict[str, Any] = {
    "display_name": "Fraud détecteur",
    "description": "what it is for",
    "version_description": "trained on q3",
    "labels": {"team": "risk", "framework": "keras"},
    "container_spec": {"image_uri": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-3:latest"},
    "predict_schemata": {
        "instance_schema_uri": "gs://schemas/instance.yaml",
        "prediction_schema_uri": "gs://schemas/prediction.yaml",
    },
    "explanation_spec": {"parameters": {"sampled_shapley_attribution": {"path_count": 3}}},
    "pipeline_job": "projects/demo/locations/us-central1/pipelineJobs/train-7",
    "base_model_source": {
        "model_garden_source": {"public_model_name": "publishers/google/models/gemma", "version_id": "2b-it"}
    },
    "model_source_info": {"source_type": "MODEL_GARDEN", "copy": True},
    "original_model_info": {"model": "projects/demo/locations/us-central1/models/ancestor@4"},
}
