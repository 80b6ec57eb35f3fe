"""Writes are tags: pushed all or nothing, only from what was read, over http as on a path."""

import threading
from collections.abc import Mapping

import pytest

from adapters import AuthError, ConflictError, InvalidError, Key, ModelRecord, Registration, UnsupportedError
from adapters.emulators.git.repository import GitRepository
from adapters.emulators.git.server import GitServer
from adapters.git import GitAdapter
from adapters.git.client import GitClient
from tests.adapters.git.conftest import Open

MODEL = Key("model", "churn")


def aliases(adapter: GitAdapter) -> Mapping[str, str]:
    found = adapter.get(MODEL)
    assert isinstance(found, ModelRecord)
    return found.aliases


def test_a_stage_taken_away_does_not_fall_back(repository: GitRepository, opened: Open) -> None:
    for number in range(3):
        repository.commit(tags={f"churn@v{number}.0.0": "1"})
    adapter = opened()
    for version in ("v0.0.0", "v1.0.0", "v2.0.0"):
        adapter.set_alias(MODEL, "prod", version)
        assert aliases(adapter) == {"prod": version}
    adapter.set_alias(MODEL, "prod", None)
    assert aliases(adapter) == {}
    counted = [tag for tag in repository.tags() if "#" in tag]
    assert sorted(counted) == sorted(
        [f"churn#prod#{number}" for number in (1, 2, 3)] + [f"churn#prod!#{number}" for number in (4, 5, 6)]
    )


def test_a_version_is_registered_on_the_commit_that_it_names(repository: GitRepository, opened: Open) -> None:
    first = repository.commit(tags={"team=churn@v1.4.9": "1"})
    second = repository.commit()
    adapter = opened(author="Gate", author_email="gate@example.com")
    asked = Registration(
        model="team:churn", source=f"git+file://{repository.path}@{second}", description="By hand",
        run_id="run-7", tags={"owner": "ümläut\nline"}, token="once",
    )  # fmt: skip
    made = adapter.register(asked)
    assert (made.version, made.lineage.commit, made.lineage.run_id) == ("v1.4.10", second, "run-7")
    assert (made.creator, made.tags) == ("Gate <gate@example.com>", {"owner": "ümläut\nline"})
    assert adapter.register(asked).key == made.key
    for source, refused in {
        f"git+file://{repository.path}@{first}": ConflictError,
        f"git+https://example.com/other@{second}": InvalidError,
        "s3://bucket/model.bin": InvalidError,
        "0" * 40: InvalidError,
        repository.git("rev-parse", f"{second}^{{tree}}").strip(): InvalidError,
    }.items():
        with pytest.raises(refused):
            adapter.register(Registration(model="team:churn", source=source, token="other"))
    with pytest.raises(InvalidError):
        adapter.register(Registration(model="no good name", source=second, token="other"))


def test_what_files_name_is_not_deleted(repository: GitRepository, opened: Open) -> None:
    repository.commit({"artifacts.yaml": "churn: {}"}, tags={"churn@v1.0.0": "1"})
    adapter = opened()
    with pytest.raises(InvalidError, match="named by files"):
        adapter.delete(MODEL)
    repository.commit({"artifacts.yaml": None})
    adapter.delete(MODEL)
    assert repository.tags() == {}


def test_a_stage_on_a_bare_commit_is_refused_not_lost(repository: GitRepository, opened: Open) -> None:
    repository.tag("churn#prod#1", repository.commit())
    with pytest.raises(UnsupportedError, match="delete its tag"):
        opened().set_alias(MODEL, "prod", None)


def test_an_entry_point_is_no_artifact_of_the_same_name(repository: GitRepository, opened: Open) -> None:
    repository.commit({"hubconf.py": "def churn(): ..."}, tags={"churn@v1.0.0": "1", "v1": "2"})
    adapter, hub = opened(), Key("model", "hub churn")
    for call in (lambda: adapter.delete(hub), lambda: adapter.set_alias(hub, "prod", "v1")):
        with pytest.raises(InvalidError):
            call()
    assert repository.tags().keys() == {"churn@v1.0.0", "v1"}


def test_what_came_between_reading_and_writing_is_a_conflict(
    repository: GitRepository, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(tags={"churn@v1.0.0": "1"})
    adapter, push = opened(), GitClient.push

    def late(self: GitClient, changes: Mapping[str, tuple[str | None, str | None]]) -> None:
        repository.tag("churn#prod#1", commit)
        push(self, changes)

    monkeypatch.setattr(GitClient, "push", late)
    with pytest.raises(ConflictError):
        adapter.set_alias(MODEL, "prod", "v1.0.0")
    assert [tag for tag in repository.tags() if "#" in tag] == ["churn#prod#1"]


def test_of_two_at_once_one_wins(
    repository: GitRepository, opened: Open, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        repository.commit(tags={f"churn@v{number}.0.0": "1"})
    push, both = GitClient.push, threading.Barrier(2, timeout=60)

    def together(self: GitClient, changes: Mapping[str, tuple[str | None, str | None]]) -> None:
        both.wait()
        push(self, changes)

    monkeypatch.setattr(GitClient, "push", together)
    outcomes: list[str] = []

    def work(version: str) -> None:
        try:
            opened(url=f"{server.url}/models.git").set_alias(MODEL, "prod", version)
            outcomes.append("written")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=work, args=(f"v{number}.0.0",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "written"]
    assert [tag for tag in repository.tags() if "#" in tag] == ["churn#prod#1"]


def test_all_of_a_delete_or_nothing(
    repository: GitRepository, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(tags={"churn@v1.0.0": "1", "churn#prod#1": "2"})
    adapter = opened()
    push = GitClient.push

    def late(self: GitClient, changes: Mapping[str, tuple[str | None, str | None]]) -> None:
        repository.tag("churn#prod#1", repository.head or "")
        push(self, changes)

    monkeypatch.setattr(GitClient, "push", late)
    with pytest.raises(ConflictError):
        adapter.delete(MODEL)
    assert repository.tags().keys() == {"churn@v1.0.0", "churn#prod#1"}


def test_probe_names_missing_rights(repository: GitRepository, opened: Open, server: GitServer) -> None:
    root = repository.commit(tags={"churn@v1.0.0": "1"})
    adapter = opened(url=f"{server.url}/models.git")
    assert (adapter.probe().missing, adapter.probe().identity) == ((), f"git:{root}")
    server.may_push = False
    info = adapter.probe()
    assert info.unavailable == GitAdapter.capabilities
    assert "may not be pushed to" in info.missing[0]
    with pytest.raises(AuthError):
        adapter.set_alias(MODEL, "prod", "v1.0.0")


def test_the_identity_is_the_first_commit_wherever_it_is(repository: GitRepository, opened: Open) -> None:
    root = repository.commit()
    adapter = opened()
    for _ in range(2):
        repository.commit()
        assert adapter.probe().identity == f"git:{root}"
    repository.path.rename(moved := repository.path.with_name("moved.git"))
    assert opened(url=str(moved)).probe().identity == f"git:{root}"
