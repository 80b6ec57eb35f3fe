"""How Kubeflow's registry is read: both paths, empty pages, what changed, what a 404 proves."""

from pathlib import Path

import pytest

from adapters import InvalidError, NotFoundError, TransientError, VersionRecord
from adapters.emulators.kubeflow import KubeflowRegistry
from adapters.kubeflow.adapter import ANCHORS
from adapters.kubeflow.client import PREFIXES
from tests.adapters.kubeflow.conftest import Opens
from tests.adapters.scans import scanned


def paths(registry: KubeflowRegistry) -> list[str]:
    """What was asked for, below the path of the API, which is forgotten then."""
    found = [one.path.removeprefix(registry.prefix) for one in registry.asked]
    registry.asked.clear()
    return found


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_paths_of_the_api_are_found(registry: KubeflowRegistry, opened: Opens, prefix: str) -> None:
    registry.prefix = prefix
    registry.put("churn")
    adapter = opened()
    assert adapter.probe().version == prefix.rpartition("/")[2]
    assert len(scanned(adapter).records) == 2


def test_a_server_that_changes_its_path_has_deleted_nothing(
    registry: KubeflowRegistry, opened: Opens
) -> None:
    registry.prefix = PREFIXES[1]
    registry.put("churn")
    adapter = opened()
    before = scanned(adapter)
    registry.prefix = PREFIXES[0]
    [key] = [one.key for one in before.records if isinstance(one, VersionRecord)]
    with pytest.raises(TransientError):
        adapter.get(key)
    assert scanned(adapter).records == before.records
    assert adapter.get(key).key == key
    registry.prefix = "/elsewhere"
    with pytest.raises(InvalidError, match="check `url`"):
        adapter.get(key)
    with pytest.raises(InvalidError, match="check `url`"):
        scanned(adapter)


def test_an_empty_page_is_not_the_end(registry: KubeflowRegistry, opened: Opens) -> None:
    for number in range(3):
        registry.put(f"m{number}")
    registry.hollow, registry.largest = True, 1
    assert len(scanned(opened()).records) == 6


def test_what_a_database_that_fails_says_is_no_proof(registry: KubeflowRegistry, opened: Opens) -> None:
    adapter, version = opened(), registry.put("churn")
    [key] = [one.key for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    registry.unreadable.add(version["id"])
    for registry.ignores_filters in (False, True):
        with pytest.raises(TransientError):
            adapter.get(key)
    registry.drop("model_versions", version["id"])
    for registry.ignores_filters in (False, True):
        with pytest.raises(NotFoundError):
            adapter.get(key)


def test_an_incremental_scan_asks_for_what_changed(registry: KubeflowRegistry, opened: Opens) -> None:
    registry.clock = lambda: 1_700_000_000.0
    versions = [registry.put(f"m{number}") for number in range(3)]
    adapter = opened()
    registry.clock = lambda: 1_700_000_100.0
    first = scanned(adapter)
    registry.clock = lambda: 1_700_000_200.0
    paths(registry)
    nothing = scanned(adapter, since=first.watermark)
    quiet = ["/registered_models", "/model_versions", "/serving_environments", "/inference_services"]
    assert (nothing.records, paths(registry)) == ([], quiet)
    registry.touch(versions[1], state="ARCHIVED")
    changed = scanned(adapter, since=nothing.watermark)
    assert [one.lifecycle for one in changed.records if isinstance(one, VersionRecord)] == ["ARCHIVED"]
    assert f"/model_versions/{versions[1]['id']}/artifacts" in paths(registry)


def test_artifacts_that_follow_their_version_are_seen(registry: KubeflowRegistry, opened: Opens) -> None:
    registry.clock = lambda: 1_700_000_000.0
    model = registry.make("registered_models", {"name": "churn"})
    version = registry.make("model_versions", {"name": "1"}, model["id"])
    adapter = opened(settle=60)
    first = scanned(adapter)
    registry.make("artifacts", {"name": "file", "uri": "s3://late"}, version["id"])
    second = scanned(adapter, since=first.watermark)
    assert [one.artifact_uri for one in second.records if isinstance(one, VersionRecord)] == ["s3://late"]
    registry.clock = lambda: 1_700_000_200.0
    third = scanned(adapter, since=scanned(adapter, since=second.watermark).watermark)
    assert third.records == []


@pytest.mark.parametrize(("status", "again"), [(403, 0), (500, 1)])
def test_artifacts_that_cannot_be_read_are_unknown(
    registry: KubeflowRegistry, opened: Opens, status: int, again: int
) -> None:
    registry.clock = lambda: 1_700_000_000.0
    first, _ = registry.put("a"), registry.put("b")
    registry.clock = lambda: 1_700_000_100.0
    adapter = opened()
    before = scanned(adapter)
    registry.touch(first)
    registry.clock = lambda: 1_700_000_200.0
    registry.refused[f"/model_versions/{first['id']}/artifacts"] = status
    found = scanned(adapter, since=before.watermark)
    [version] = [one for one in found.records if isinstance(one, VersionRecord)]
    assert version.unread is not None
    assert "artifact_uri" in version.unread.fields
    assert version.artifact_uri is None
    registry.refused.clear()  # what may pass by itself is read again by the next scan
    later = [one for one in scanned(adapter, since=found.watermark).records if isinstance(one, VersionRecord)]
    assert [one.unread for one in later] == [None] * again


def test_who_the_server_is_follows_from_its_oldest_model(registry: KubeflowRegistry, opened: Opens) -> None:
    adapter = opened()
    assert adapter.probe().identity is None
    registry.put("churn")
    known = adapter.probe().identity
    registry.put("uplift")
    assert adapter.probe().identity == known is not None
    registry.tables["registered_models"].clear()
    registry.put("churn")
    assert adapter.probe().identity not in (None, known)


def test_a_server_whose_oldest_model_was_taken_out_is_known_by_the_next_ones(
    registry: KubeflowRegistry, opened: Opens
) -> None:
    for number in range(30):
        registry.put(f"model-{number}")
    before = opened().probe()
    rows = registry.tables["registered_models"]
    for ident in sorted(rows, key=int)[:5]:
        del rows[ident]
    after = opened().probe()
    assert after.identity != before.identity
    assert after.identity in before.anchors
    assert len(before.anchors) == ANCHORS - 1


def test_a_token_in_a_file_is_read_anew(registry: KubeflowRegistry, opened: Opens, tmp_path: Path) -> None:
    file = tmp_path / "token"
    adapter = opened(token_file=file)
    for registry.token in ("first-token", "second-token"):
        file.write_text(f"{registry.token}\n")
        adapter.probe()
        assert adapter.credentials() == (registry.token,)
