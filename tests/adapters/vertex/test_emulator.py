"""The emulator keeps the rules that the service documents, seen through the vendor's own client."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.emulators.vertex import VertexEmulator, call_control, models
from adapters.emulators.vertex.faults import RpcError
from adapters.emulators.vertex.server import HANDLERS
from adapters.emulators.vertex.state import ProjectState
from adapters.emulators.vertex.wire import request_parsers
from tests.adapters.vertex.vendor import TIMEOUT, UNTIL_TOLD, Vendor, finish


def test_an_upload_is_an_operation_that_takes_its_time(vendor: Vendor, emulator: VertexEmulator) -> None:
    emulator.state.operation_seconds = UNTIL_TOLD
    request = v1.UploadModelRequest(parent=vendor.parent, model_id="slow", model=v1.Model(display_name="s"))
    operation = vendor.models.upload_model(request, timeout=TIMEOUT)
    assert not operation.done()
    assert not vendor.exists("slow")
    finish(emulator)
    assert operation.result(timeout=TIMEOUT).model_version_id == "1"
    assert vendor.exists("slow")
    assert operation.metadata.generic_metadata.create_time


def test_an_operation_that_comes_too_late_carries_its_error(vendor: Vendor, emulator: VertexEmulator) -> None:
    emulator.state.operation_seconds = UNTIL_TOLD
    request = v1.UploadModelRequest(parent=vendor.parent, model_id="twice", model=v1.Model(display_name="t"))
    first, second = (vendor.models.upload_model(request, timeout=TIMEOUT) for _ in range(2))
    finish(emulator)
    first.result(timeout=TIMEOUT)
    with pytest.raises(exceptions.AlreadyExists):
        second.result(timeout=TIMEOUT)


def test_the_first_version_is_the_default_and_an_alias_moves_by_itself(vendor: Vendor) -> None:
    vendor.upload("fraud")
    assert vendor.get("fraud").version_id == "1"
    vendor.upload("fraud", version_aliases=["golden"])
    vendor.alias("fraud", "1", "golden")
    assert {v.version_id: set(v.version_aliases) for v in vendor.versions("fraud")} == {
        "1": {"default", "golden"},
        "2": set(),
    }
    vendor.alias("fraud", "2", "default")
    assert vendor.get("fraud").version_id == "2"
    assert vendor.get("fraud@golden").version_id == "1"


def test_the_default_alias_cannot_be_taken_away(vendor: Vendor) -> None:
    vendor.upload("fraud")
    with pytest.raises(exceptions.InvalidArgument, match="exactly one default"):
        vendor.alias("fraud", "1", "-default")


@pytest.mark.parametrize("alias", ["Golden", "g", "1st", "with_underscore", "ends-"])
def test_a_badly_formed_alias_is_refused(vendor: Vendor, alias: str) -> None:
    vendor.upload("fraud")
    with pytest.raises(exceptions.InvalidArgument, match="alias"):
        vendor.alias("fraud", "1", alias)


def test_labels_of_both_levels_are_shown_merged(vendor: Vendor) -> None:
    vendor.upload("fraud", labels={"team": "risk"})
    vendor.upload("fraud", labels={"data": "q3"})
    vendor.update("fraud@1", labels={"team": "other"})
    shown = {v.version_id: dict(v.labels) for v in vendor.versions("fraud")}
    assert shown == {"1": {"team": "other"}, "2": {"team": "risk", "data": "q3"}}


def test_an_update_takes_the_fields_of_one_level_only(vendor: Vendor) -> None:
    vendor.upload("fraud")
    vendor.update("fraud", description="all of it")
    vendor.update("fraud@1", version_description="this one")
    assert (vendor.get("fraud").description, vendor.get("fraud").version_description) == (
        "all of it",
        "this one",
    )
    with pytest.raises(exceptions.FailedPrecondition):
        vendor.update("fraud@1", description="wrong level")
    with pytest.raises(exceptions.FailedPrecondition):
        vendor.update("fraud", version_description="wrong level")


def test_an_etag_protects_an_update_and_its_absence_does_not(vendor: Vendor) -> None:
    vendor.upload("fraud")
    old = vendor.get("fraud@1").etag
    vendor.update("fraud@1", labels={"a": "1"}, etag=old)
    with pytest.raises(exceptions.Aborted, match="etag"):
        vendor.update("fraud@1", labels={"a": "2"}, etag=old)
    assert dict(vendor.update("fraud@1", labels={"a": "3"}).labels) == {"a": "3"}


def test_what_serves_or_is_the_default_cannot_be_deleted(vendor: Vendor) -> None:
    vendor.upload("fraud")
    with pytest.raises(exceptions.FailedPrecondition, match="only version"):
        vendor.delete("fraud@1")
    vendor.upload("fraud")
    with pytest.raises(exceptions.FailedPrecondition, match="default"):
        vendor.delete("fraud@1")
    endpoint = vendor.endpoint("live")
    deployed = vendor.deploy(endpoint, "fraud@2")
    with pytest.raises(exceptions.FailedPrecondition, match="deployed"):
        vendor.delete("fraud@2")
    with pytest.raises(exceptions.FailedPrecondition, match="deployed"):
        vendor.delete("fraud")
    vendor.undeploy(endpoint, deployed)
    vendor.delete("fraud@2")
    vendor.delete("fraud")
    assert not vendor.exists("fraud")


def test_a_traffic_split_adds_up_and_names_what_is_deployed(vendor: Vendor) -> None:
    vendor.upload("fraud")
    endpoint = vendor.endpoint("live")
    first = vendor.deploy(endpoint, "fraud@1")
    second = vendor.deploy(endpoint, "fraud@default", {first: 90, "0": 10})
    assert vendor.split(endpoint) == {first: 90, second: 10}
    with pytest.raises(exceptions.InvalidArgument, match="100"):
        vendor.deploy(endpoint, "fraud@1", {first: 90})
    refs = {ref.deployed_model_id for ref in vendor.get("fraud@1").deployed_models}
    assert refs == {first, second}


def _listing(vendor: Vendor, **fields: Any) -> Any:
    return vendor.models.list_models(v1.ListModelsRequest(parent=vendor.parent, **fields), timeout=TIMEOUT)


def test_pages_hold_still_while_models_come_and_go(vendor: Vendor) -> None:
    for name in ("aa", "bb", "cc", "dd"):
        vendor.upload(name)
    pages = _listing(vendor, page_size=2, order_by="create_time").pages
    seen = [m.display_name for m in next(pages).models]
    vendor.delete("aa")
    vendor.upload("ee")
    seen += [m.display_name for page in pages for m in page.models]
    assert seen == ["aa", "bb", "cc", "dd", "ee"]


def test_a_token_is_opaque_and_serves_its_own_query_only(vendor: Vendor) -> None:
    for name in ("aa", "bb"):
        vendor.upload(name)
    token = next(_listing(vendor, page_size=1).pages).next_page_token
    for wrong in ({"page_token": token, "order_by": "create_time"}, {"page_token": token[:-4] + "AAAA"}):
        with pytest.raises(exceptions.InvalidArgument, match="page_token"):
            list(_listing(vendor, page_size=1, **wrong))


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("model=aa", ["aa"]),
        ('displayName="Second one"', ["bb"]),
        ("display_name!=aa", ["bb", "cc"]),
        ("labels.team=risk", ["aa", "bb"]),
        ("labels.team:*", ["aa", "bb", "cc"]),
        ("labels:data", ["bb"]),
        ("labels.team=risk AND labels.data=q3", ["bb"]),
        ("baseModelName=publishers/google/models/gemma", ["cc"]),
    ],
)
def test_filters(vendor: Vendor, expression: str, found: list[str]) -> None:
    garden = {"model_garden_source": {"public_model_name": "publishers/google/models/gemma"}}
    vendor.upload("aa", labels={"team": "risk"})
    vendor.upload("bb", display_name="Second one", labels={"team": "risk", "data": "q3"})
    vendor.upload("cc", labels={"team": "ads"}, base_model_source=garden)
    names = [m.name.rpartition("/")[2] for m in _listing(vendor, filter=expression, order_by="create_time")]
    assert names == found


def test_a_filter_nobody_documented_is_refused(vendor: Vendor) -> None:
    for expression in ("update_time>1", "artifact_uri=x", "labels.a"):
        with pytest.raises(exceptions.InvalidArgument):
            list(_listing(vendor, filter=expression))


def test_the_newest_change_comes_first_when_asked_so(vendor: Vendor) -> None:
    for name in ("aa", "bb", "cc"):
        vendor.upload(name)
    vendor.update("bb", description="changed")
    names = [m.display_name for m in _listing(vendor, order_by="update_time desc", page_size=1)]
    assert names == ["bb", "cc", "aa"]


def test_evaluations_belong_to_a_version(vendor: Vendor) -> None:
    vendor.upload("fraud")
    vendor.upload("fraud")
    made = vendor.evaluate("fraud@2", {"auc": 0.9})
    assert vendor.models.get_model_evaluation(name=made.name, timeout=TIMEOUT).metrics["auc"] == 0.9
    per_version = [
        len(list(vendor.models.list_model_evaluations(parent=vendor.name(f"fraud@{n}"), timeout=TIMEOUT)))
        for n in (1, 2)
    ]
    assert per_version == [0, 1]


def test_other_projects_and_locations_are_refused(vendor: Vendor) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        vendor.models.list_models(parent="projects/other/locations/us-central1", timeout=TIMEOUT)
    with pytest.raises(exceptions.NotFound):
        vendor.models.list_models(parent="projects/demo/locations/mars-north1", timeout=TIMEOUT)


def test_a_planned_failure_says_when_to_come_back(vendor: Vendor, emulator: VertexEmulator) -> None:
    emulator.faults.fail("ListModels", after=1, retry_after=2.5)
    list(_listing(vendor))
    with pytest.raises(exceptions.ResourceExhausted) as caught:
        list(_listing(vendor))
    assert caught.value.details[0].retry_delay.seconds == 2
    list(_listing(vendor))


def test_a_call_that_hangs_meets_its_deadline(vendor: Vendor, emulator: VertexEmulator) -> None:
    vendor.upload("fraud")
    emulator.faults.fail("GetModel", hang=5, code="OK")
    with pytest.raises(exceptions.DeadlineExceeded):
        vendor.models.get_model(name=vendor.name("fraud"), timeout=0.1)


def test_a_quota_is_a_number_of_calls_a_minute(vendor: Vendor, emulator: VertexEmulator) -> None:
    emulator.faults.quota_per_minute = 2
    list(_listing(vendor)), list(_listing(vendor))
    with pytest.raises(exceptions.ResourceExhausted, match="per minute"):
        list(_listing(vendor))


def test_what_is_not_emulated_says_so(vendor: Vendor) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        vendor.models.copy_model(parent=vendor.parent, source_model=vendor.name("x"), timeout=TIMEOUT)


def test_every_handler_is_a_method_of_the_vendors_clients() -> None:
    declared = {method.rpartition("/")[2] for method in request_parsers()}
    assert HANDLERS.keys() <= declared


CHANGES = ["golden", "-golden", "blue", "-blue", "default", "-default"]


class Aliases(RuleBasedStateMachine):
    """However versions and aliases come and go, one version is the default and no alias has two versions."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ProjectState("p", "l")
        self.parent = "projects/p/locations/l"
        self._upload(v1.UploadModelRequest(model_id="fraud"))

    def _upload(self, request: Any) -> None:
        request.parent, request.model.display_name = self.parent, "m"
        models.upload_model(self.state, v1.UploadModelRequest.pb(request))

    @property
    def held(self) -> Any:
        return self.state.models[f"{self.parent}/models/fraud"]

    @rule(aliases=st.sets(st.sampled_from(["golden", "blue", "default"])))
    def upload(self, aliases: set[str]) -> None:
        model = v1.Model(version_aliases=sorted(aliases))
        self._upload(v1.UploadModelRequest(parent_model=f"{self.parent}/models/fraud", model=model))

    @rule(
        data=st.data(),
        changes=st.sets(st.sampled_from(["golden", "-golden", "blue", "-blue", "default", "-default"])),
    )
    def merge(self, data: st.DataObject, changes: set[str]) -> None:
        version = data.draw(st.sampled_from(sorted(self.held.versions)))
        request = v1.MergeVersionAliasesRequest(
            name=f"{self.parent}/models/fraud@{version}", version_aliases=sorted(changes)
        )
        with suppress(RpcError):
            models.merge_version_aliases(self.state, v1.MergeVersionAliasesRequest.pb(request))

    @precondition(lambda self: len(self.held.versions) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.held.versions)))
        request = v1.DeleteModelVersionRequest(name=f"{self.parent}/models/fraud@{version}")
        with suppress(RpcError):
            models.delete_model_version(self.state, v1.DeleteModelVersionRequest.pb(request))

    @invariant()
    def one_default_and_every_alias_once(self) -> None:
        given = [alias for version in self.held.versions.values() for alias in version.aliases]
        assert given.count("default") == 1
        assert len(given) == len(set(given))


TestAliases = Aliases.TestCase
TestAliases.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_the_process_prints_its_address_obeys_and_ends_with_its_parent() -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'adapters.emulators.vertex', '--project', 'p'],"
        " stdout=subprocess.PIPE, text=True)\n"
        "print(child.pid, child.stdout.readline().strip(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, address = process.stdout.readline().split()
        assert address.startswith("127.0.0.1:")
        vendor = Vendor(address, "projects/p/locations/us-central1")
        vendor.upload("fraud")
        call_control(address, fail={"method": "GetModel", "code": "UNAVAILABLE"}, latency=0.001)
        with pytest.raises(exceptions.ServiceUnavailable):
            vendor.get("fraud")
        assert call_control(address)["calls"]["GetModel"] == 1
        assert call_control(address, clear=True) == {"calls": {}}
        with pytest.raises(grpc.RpcError):
            call_control(address, explode=True)
        vendor.close()
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _alive(int(pid)):
        time.sleep(0.05)
    assert not _alive(int(pid)), json.dumps({"still running": pid})


def _alive(pid: int) -> bool:
    """Whether it runs; one that ended and that nobody has waited for does not."""
    with suppress(FileNotFoundError), Path(f"/proc/{pid}/stat").open() as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False
