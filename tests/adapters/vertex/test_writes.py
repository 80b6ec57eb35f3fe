"""Writes, as the vendor's own client sees them afterwards."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import (
    ConflictError,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    Registration,
    TransientError,
    VersionRecord,
)
from adapters.emulators.vertex import VertexEmulator
from adapters.vertex import VertexAdapter
from adapters.vertex.writes import own_labels, replace_labels
from tests.adapters.scans import scanned
from tests.adapters.vertex.conftest import MakeAdapter
from tests.adapters.vertex.vendor import UNTIL_TOLD, Vendor, finish
from tests.patience import until


@pytest.fixture
def fraud(vendor: Vendor) -> Vendor:
    """One model of two versions."""
    vendor.upload("fraud", labels={"team": "risk"})
    vendor.upload("fraud", labels={"data": "q3"})
    return vendor


def records(adapter: VertexAdapter) -> tuple[ModelRecord, dict[str, VersionRecord]]:
    page = scanned(adapter)
    model = next(r for r in page.records if isinstance(r, ModelRecord))
    return model, {r.version: r for r in page.records if isinstance(r, VersionRecord)}


def shown(vendor: Vendor) -> dict[str, dict[str, str]]:
    return {v.version_id: dict(v.labels) for v in vendor.versions("fraud")}


def test_an_alias_moves_and_goes(fraud: Vendor, adapter: VertexAdapter) -> None:
    model, _ = records(adapter)
    for version in ("1", "2"):
        written = adapter.set_alias(model.key, "golden", version)
        assert isinstance(written, ModelRecord)
        assert written.aliases == {"default": "1", "golden": version}
        assert fraud.get("fraud@golden").version_id == version
    adapter.set_alias(model.key, "golden", None)
    adapter.set_alias(model.key, "golden", None)
    assert "golden" not in {a for v in fraud.versions("fraud") for a in v.version_aliases}


def test_the_default_moves_like_any_alias_and_never_goes(fraud: Vendor, adapter: VertexAdapter) -> None:
    model, _ = records(adapter)
    adapter.set_alias(model.key, "default", "2")
    assert fraud.get("fraud").version_id == "2"
    with pytest.raises(InvalidError, match="point it at another version"):
        adapter.set_alias(model.key, "default", None)


@pytest.mark.parametrize(("alias", "version"), [("golden", "7"), ("Golden", "1"), ("a_b", "1"), ("x", "1")])
def test_an_alias_that_cannot_be_is_refused_before_the_call(
    fraud: Vendor, adapter: VertexAdapter, emulator: VertexEmulator, alias: str, version: str
) -> None:
    model, _ = records(adapter)
    with pytest.raises(InvalidError):
        adapter.set_alias(model.key, alias, version)
    assert emulator.faults.calls["MergeVersionAliases"] == 0


def test_a_models_etag_covers_its_aliases_and_labels(fraud: Vendor, adapter: VertexAdapter) -> None:
    before, _ = records(adapter)
    fraud.alias("fraud", "2", "golden")
    with pytest.raises(ConflictError, match="read it again"):
        adapter.set_alias(before.key, "golden", "1", etag=before.etag)
    now, _ = records(adapter)
    fraud.update("fraud", labels={"team": "other"})
    with pytest.raises(ConflictError, match="read it again"):
        adapter.set_tags(now.key, {"a": "b"}, etag=now.etag)
    assert fraud.get("fraud@golden").version_id == "2"


def test_a_label_is_written_at_its_own_level(fraud: Vendor, adapter: VertexAdapter) -> None:
    model, versions = records(adapter)
    adapter.set_tags(model.key, {"owner": "ada"})
    adapter.set_tags(versions["2"].key, {"data": None, "seed": "42"})
    assert shown(fraud) == {
        "1": {"team": "risk", "owner": "ada"},
        "2": {"team": "risk", "owner": "ada", "seed": "42"},
    }
    adapter.set_tags(model.key, {"team": "ads"})
    assert {labels["team"] for labels in shown(fraud).values()} == {"ads"}, "no version holds the old one"


def test_a_label_of_the_other_level_is_not_pretended_away(fraud: Vendor, adapter: VertexAdapter) -> None:
    _, versions = records(adapter)
    with pytest.raises(InvalidError, match="set on the model as well"):
        adapter.set_tags(versions["1"].key, {"team": None})


def test_no_label_is_lost_where_the_level_had_to_be_guessed(fraud: Vendor, adapter: VertexAdapter) -> None:
    fraud.update("fraud@1", labels={"same": "x", "team": "own"})
    fraud.update("fraud@2", labels={"same": "x"})
    before = shown(fraud)
    model, versions = records(adapter)
    adapter.set_tags(versions["2"].key, {"new": "1"})
    adapter.set_tags(model.key, {"all": "1"})
    assert shown(fraud) == {"1": {**before["1"], "all": "1"}, "2": {**before["2"], "new": "1", "all": "1"}}


def test_a_version_that_changed_meanwhile_is_a_conflict_for_who_asked(
    fraud: Vendor, adapter: VertexAdapter
) -> None:
    _, versions = records(adapter)
    read = versions["1"]
    fraud.update("fraud@1", labels={"theirs": "1"})
    with pytest.raises(ConflictError):
        adapter.set_tags(read.key, {"ours": "1"}, etag=read.etag)
    adapter.set_tags(read.key, {"ours": "1"})
    assert shown(fraud)["1"] == {"team": "risk", "theirs": "1", "ours": "1"}


def test_writers_at_once_lose_nothing(fraud: Vendor, make_adapter: MakeAdapter) -> None:
    adapters = [make_adapter() for _ in range(3)]
    key = records(adapters[0])[1]["1"].key
    failed: list[Exception] = []

    def write(number: int) -> None:
        try:
            adapters[number].set_tags(key, {f"from{number}": "1"})
        except ConflictError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [label for label in shown(fraud)["1"] if label.startswith("from")]
    assert len(written) + len(failed) == 3


def test_a_label_the_service_does_not_take_is_the_callers_mistake(
    fraud: Vendor, adapter: VertexAdapter
) -> None:
    _, versions = records(adapter)
    with pytest.raises(InvalidError, match="Invalid label"):
        adapter.set_tags(versions["1"].key, {"depends_on": "feature-encoder:3"})
    with pytest.raises(InvalidError, match="Waypost's own"):
        adapter.set_tags(versions["1"].key, {"waypost-token": "x"})


def test_a_registration_makes_model_and_version(vendor: Vendor, adapter: VertexAdapter) -> None:
    first = adapter.register(
        Registration(model="fraud", source="gs://b/1", tags={"team": "risk"}, run_id="r-1", description="one")
    )
    second = adapter.register(Registration(model="fraud", source="gs://b/2"))
    assert (first.version, second.version, second.model) == ("1", "2", first.model)
    assert (first.description, first.lineage.run_id, first.artifact_uri) == ("one", "r-1", "gs://b/1")
    assert shown(vendor) == {"1": {"team": "risk", "run_id": "r-1"}, "2": {}}, "not on later versions"
    assert adapter.get(first.key) == first


def test_a_registration_names_its_pipeline_job(vendor: Vendor, adapter: VertexAdapter) -> None:
    job = f"{vendor.parent}/pipelineJobs/train-7"
    made = adapter.register(Registration(model="fraud", source="gs://b/1", run_id=job))
    assert made.lineage.pipeline == vendor.get("fraud@1").pipeline_job == job


def test_a_new_version_is_served_like_the_default_one(vendor: Vendor, make_adapter: MakeAdapter) -> None:
    vendor.upload("fraud", container_spec={"image_uri": "img:1"})
    make_adapter().register(Registration(model="fraud", source="gs://b/2"))
    make_adapter(serving_container="img:2").register(Registration(model="fraud", source="gs://b/3"))
    assert [v.container_spec.image_uri for v in vendor.versions("fraud")] == ["img:1", "img:1", "img:2"]


@pytest.mark.parametrize("existing", [False, True])
def test_a_repeated_token_makes_one_version(
    vendor: Vendor, emulator: VertexEmulator, make_adapter: MakeAdapter, existing: bool
) -> None:
    def is_uploaded() -> bool:
        with suppress(NotFound):
            return len(vendor.versions("fraud")) == 1 + existing
        return False

    if existing:
        vendor.upload("fraud")
    emulator.state.operation_seconds = UNTIL_TOLD
    asked = Registration(model="fraud", source="gs://b/1", tags={"team": "risk"}, token="t/1 ü")
    with pytest.raises(TransientError, match="outcome is unknown"):
        make_adapter(operation_timeout=0.1).register(asked)
    finish(emulator)
    until(is_uploaded, "what was given up is uploaded")  # until then nothing in Vertex AI tells of it
    made = [make_adapter().register(asked) for _ in range(2)]
    assert made[0] == made[1]
    assert len(vendor.versions("fraud")) == 1 + existing
    assert made[0].tags["team"] == "risk"
    other = make_adapter().register(Registration(model="fraud", source="gs://b/1", token="t/2"))
    assert other.version != made[0].version


@pytest.mark.parametrize("model", ["", "Fraud", "a/b", "a@1", "-a", "x" * 64, "../models/x", "naïve"])
def test_a_name_that_is_no_resource_id_is_refused(adapter: VertexAdapter, model: str) -> None:
    with pytest.raises(InvalidError, match="wants an id"):
        adapter.register(Registration(model=model, source="gs://b/1"))


def test_a_run_without_a_place_is_refused_and_nothing_is_made(vendor: Vendor, adapter: VertexAdapter) -> None:
    with pytest.raises(InvalidError, match="pipeline job"):
        adapter.register(Registration(model="fraud", source="gs://b/1", run_id="Run 7"))
    assert not vendor.exists("fraud")


def test_deleting_twice_succeeds_and_a_successor_stays(vendor: Vendor, adapter: VertexAdapter) -> None:
    vendor.upload("fraud")
    vendor.upload("fraud", default=True)
    model, versions = records(adapter)
    adapter.delete(versions["1"].key)
    adapter.delete(versions["1"].key)
    assert [v.version_id for v in vendor.versions("fraud")] == ["2"]
    adapter.delete(model.key)
    vendor.upload("fraud")
    adapter.delete(model.key)
    adapter.delete(versions["1"].key)
    assert vendor.exists("fraud")


def test_what_the_service_will_not_delete_is_a_conflict_with_its_reason(
    fraud: Vendor, adapter: VertexAdapter
) -> None:
    model, versions = records(adapter)
    with pytest.raises(ConflictError, match="default"):
        adapter.delete(versions["1"].key)
    fraud.deploy(fraud.endpoint("live"), "fraud@2")
    with pytest.raises(ConflictError, match="deployed"):
        adapter.delete(model.key)
    with pytest.raises(ConflictError, match="read it again"):
        adapter.delete(model.key, etag="stale")
    assert len(fraud.versions("fraud")) == 2


def _key_of_nothing(kind: Any) -> Key:
    return Key(kind, "fraud@9#2026-01-01T00:00:00Z" if kind == "version" else "gone#2026-01-01T00:00:00Z")


def test_writing_to_what_is_gone_is_refused(fraud: Vendor, adapter: VertexAdapter) -> None:
    calls: list[Callable[[], object]] = [
        lambda: adapter.set_tags(_key_of_nothing("version"), {"a": "b"}),
        lambda: adapter.set_tags(_key_of_nothing("model"), {"a": "b"}),
        lambda: adapter.set_alias(_key_of_nothing("model"), "golden", "1"),
    ]
    for call in calls:
        with pytest.raises(NotFoundError):
            call()


def test_a_write_is_sent_once(fraud: Vendor, emulator: VertexEmulator, adapter: VertexAdapter) -> None:
    model, _ = records(adapter)
    emulator.faults.fail("MergeVersionAliases", code="UNAVAILABLE", times=9)
    with pytest.raises(TransientError):
        adapter.set_alias(model.key, "golden", "1")
    assert emulator.faults.calls["MergeVersionAliases"] == 1


def test_a_read_is_repeated_while_the_service_is_unavailable(
    fraud: Vendor, emulator: VertexEmulator, adapter: VertexAdapter
) -> None:
    emulator.faults.fail("ListModels", code="UNAVAILABLE", times=2)
    assert records(adapter)
    assert emulator.faults.calls["ListModels"] >= 3


LABELS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=4)
CHANGES = st.dictionaries(st.sampled_from("abcd"), st.none() | st.sampled_from("xyz"), min_size=1, max_size=3)


@settings(deadline=None, max_examples=300)
@given(of_model=LABELS, own=st.lists(LABELS, min_size=1, max_size=3), changes=CHANGES, target=st.booleans())
def test_whatever_the_levels_hold_a_write_changes_only_what_it_names(
    of_model: dict[str, str], own: list[dict[str, str]], changes: dict[str, str | None], target: bool
) -> None:
    """The service's two levels in miniature: what is shown under a key that is not named never changes."""
    version = "0" if target else ""
    levels = {"": dict(of_model), **{str(number): dict(labels) for number, labels in enumerate(own)}}

    def show() -> dict[str, dict[str, str]]:
        return {level: {**levels[""], **labels} for level, labels in levels.items() if level}

    def write(labels: dict[str, str]) -> dict[str, dict[str, str]]:
        levels[version] = labels
        return {version: show()[version]} if version else show()

    before = show()
    affected = {version: before[version]} if version else before
    replace_labels(own_labels(before, version), changes, affected, write)
    for each, labels in show().items():
        assert _others(labels, changes) == _others(before[each], changes)
        for key, value in changes.items():
            if value is not None and (each == version or (not version and key not in own[int(each)])):
                assert labels[key] == value


def _others(labels: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in changes}
