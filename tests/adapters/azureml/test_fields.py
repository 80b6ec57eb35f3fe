"""What Azure ML's JSON becomes, what is written back, and what a refusal proves."""

import pytest

from adapters import (
    AuthError,
    Capability,
    ConflictError,
    Dataset,
    InvalidError,
    NotFoundError,
    Registration,
    UnsupportedError,
    VersionRecord,
)
from adapters.emulators.azureml import AzureWorkspace
from tests.adapters.azureml.conftest import Opens
from tests.adapters.scans import scanned

GIT = {"azureml.git.commit": "c0ffee", "azureml.git.repository_uri": "https://git.example.com/m.git"}


def put(workspace: AzureWorkspace) -> None:
    """A version with everything."""
    workspace.put(
        "fraud", stage="Production", jobName="job-1", properties=GIT, description="first",
        tags={"team": "risk", "odd": None}, flavors={"python_function": {}, "sklearn": {}},
        datasets=[{"name": "clients", "id": "azureml:clients:1"}],
    )  # fmt: skip


def test_a_version_loses_nothing(workspace: AzureWorkspace, opened: Opens) -> None:
    put(workspace)
    workspace.put("fraud", isArchived=True, provisioningState="Failed")
    adapter = opened()
    found = scanned(adapter)
    [model] = found.models().values()
    versions = found.versions(model.key)
    assert adapter.get(model.key) == model
    assert [adapter.get(one.key) for one in versions.values()] == [*versions.values()]
    one, two = versions["1"], versions["2"]
    assert (one.stage, one.lifecycle, one.state, one.framework) == ("Production", "Active", None, "sklearn")
    assert (one.tags, one.creator, one.description) == ({"team": "risk", "odd": ""}, "Robot", "first")
    assert (one.lineage.run_id, one.lineage.commit, one.lineage.repository) == ("job-1", *GIT.values())
    assert one.lineage.datasets == (Dataset("clients", uri="azureml:clients:1"),)
    assert (two.lifecycle, two.state) == ("Archived", "Failed")


def test_a_write_drops_nothing(workspace: AzureWorkspace, opened: Opens) -> None:
    put(workspace)
    adapter = opened()
    [key] = [one.key for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    before = dict(workspace.models["fraud"]["versions"]["1"]["properties"])
    adapter.set_stage(key, "lifecycle", "Archived")
    adapter.set_tags(key, {"team": "ops"})
    adapter.set_stage(key, "stage", "Staging")
    after = workspace.models["fraud"]["versions"]["1"]["properties"]
    assert after == before | {"isArchived": True, "stage": "Staging", "tags": {"team": "ops", "odd": ""}}
    with pytest.raises(InvalidError):
        adapter.set_stage(key, "lifecycle", "Retired")


def test_what_is_archived_stays(workspace: AzureWorkspace, opened: Opens) -> None:
    put(workspace)
    adapter = opened()
    before = scanned(adapter)
    workspace.touch(workspace.models["fraud"], isArchived=True)
    workspace.touch(workspace.models["fraud"]["versions"]["1"], isArchived=True)
    found = scanned(adapter)
    assert found.by_key().keys() == before.by_key().keys()
    assert found.models()["fraud"].tags == {"archived": "true"}
    assert scanned(adapter, since=before.watermark).by_key().keys() == before.by_key().keys()


def test_pages_are_followed_on_their_own_path_alone(
    workspace: AzureWorkspace, opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        workspace.put(f"m{number}")
    workspace.largest = 1
    adapter = opened()
    assert len(scanned(adapter).records) == 6
    answer = workspace.answer

    def leads_away(asked: object) -> object:
        found = answer(asked)  # type: ignore[arg-type]
        if isinstance(found.content, dict) and "nextLink" in found.content:
            found.content["nextLink"] = "https://elsewhere.example/models"
        return found

    monkeypatch.setattr(workspace, "answer", leads_away)
    with pytest.raises(InvalidError, match="not asked for"):
        scanned(adapter)


def test_a_hidden_workspace_is_no_proof_of_absence(workspace: AzureWorkspace, opened: Opens) -> None:
    put(workspace)
    adapter = opened()
    keys = [one.key for one in scanned(adapter).records]
    workspace.is_hidden = True
    for key in keys:
        with pytest.raises(AuthError, match="gone, or hidden"):
            adapter.get(key)
    workspace.is_hidden = False
    workspace.drop("fraud")
    for key in keys:
        with pytest.raises(NotFoundError):
            adapter.get(key)


def test_versions_that_cannot_be_read_are_no_empty_list(workspace: AzureWorkspace, opened: Opens) -> None:
    put(workspace)
    workspace.put("uplift")
    adapter = opened()
    mark = scanned(adapter).watermark
    workspace.refused["/models/fraud/versions"] = 403
    found = scanned(adapter, since=mark)
    assert [one.of for one in found.listed] == [found.models()["uplift"].key]
    assert len(found.bad) == 1


def test_a_registry_has_addresses_and_a_principal_signs_in(workspace: AzureWorkspace, opened: Opens) -> None:
    workspace.kind, workspace.principals = "registries", {"robot": "robot-secret"}
    workspace.put("fraud")
    adapter, told = opened(tenant="t", client_id="robot", client_secret="robot-secret"), list[str]()
    adapter.observe(lambda method, path, status, seconds: told.append(path))
    [version] = [one for one in scanned(adapter).records if isinstance(one, VersionRecord)]
    assert version.addresses == ("azureml://registries/risk/models/fraud/versions/1",)
    assert adapter.credentials() == (workspace.token,)
    assert sum(one.path.endswith("/token") for one in workspace.asked) == 1
    assert len(told) == len(workspace.asked)
    with pytest.raises(AuthError):
        opened(tenant="t", client_id="robot", client_secret="another").probe()


SOURCE = "azureml://datastores/store/paths/fraud.bin"


def test_a_version_is_registered_once_for_a_token_behind_the_last_number(
    workspace: AzureWorkspace, opened: Opens
) -> None:
    put(workspace)
    adapter = opened()
    wanted = Registration(
        model="fraud", source=SOURCE, run_id="job-2", description="second", tags={"team": "ops"}, token="once"
    )
    made = adapter.register(wanted)
    assert (made.version, made.artifact_uri, made.lineage.run_id) == ("2", SOURCE, "job-2")
    assert (made.description, made.tags, made.lifecycle) == ("second", {"team": "ops"}, "Active")
    assert opened().register(wanted) == made
    assert adapter.register(Registration(model="fraud", source=SOURCE)).version == "3"
    assert adapter.register(Registration(model="new", source=SOURCE)).version == "1"
    assert workspace.models["fraud"]["versions"]["1"]["properties"]["stage"] == "Production", (
        "it is left alone"
    )
    with pytest.raises(InvalidError, match="letters"):
        adapter.register(Registration(model="a/b", source=SOURCE))


def test_who_puts_the_same_version_at_the_same_time_wins_alone(
    workspace: AzureWorkspace, opened: Opens
) -> None:
    put(workspace)
    adapter, theirs = opened(), list[object]()
    answer = workspace.answer

    def at_the_same_time(asked: object) -> object:
        found = answer(asked)  # type: ignore[arg-type]
        if asked.method == "PUT" and not theirs:  # type: ignore[attr-defined]
            theirs.append(asked)
            version = workspace.models["fraud"]["versions"]["2"]
            version["properties"] = {**version["properties"], "properties": {"waypost.token": "theirs"}}
        return found

    workspace.answer = at_the_same_time  # type: ignore[method-assign, assignment]
    with pytest.raises(ConflictError, match="try again"):
        adapter.register(Registration(model="fraud", source=SOURCE, token="ours"))
    assert adapter.register(Registration(model="fraud", source=SOURCE, token="ours")).version == "3"
    workspace.put("fraud", modelUri="azureml://datastores/store/paths/other")
    properties = {"modelUri": SOURCE}
    with pytest.raises(InvalidError, match="cannot be updated"):
        adapter._api.object("PUT", "/models/fraud/versions/4", body={"properties": properties})


def test_nothing_is_registered_in_a_registry(workspace: AzureWorkspace, opened: Opens) -> None:
    workspace.kind = "registries"
    adapter = opened()
    assert adapter.probe().unavailable == {Capability.REGISTER}
    with pytest.raises(UnsupportedError, match="az ml model share"):
        adapter.register(Registration(model="fraud", source=SOURCE))
