"""The conformance harness of the SageMaker adapter: hands on the emulator, past the adapter."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from adapters import Adapter, StageField
from adapters.conformance import RETRY_AFTER, Fault, Harness
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from tests.adapters.sagemaker import aws

_ANSWERS = {
    Fault.UNREACHABLE: "reset",
    Fault.SILENT: "silent",
    Fault.GARBAGE: "garbage",
    Fault.TRUNCATED: "truncated",
}


class SageMakerHarness(Harness):
    """An emulator for the run, reached with boto3."""

    adapter_type: ClassVar[type[Adapter]] = SageMakerAdapter
    # SageMaker names are letters, digits and hyphens; its metadata has neither markup nor empty values.
    hostile_names: ClassVar[tuple[str, ...]] = ("x" * 63, "0-leading-digit", "A--B")
    hostile_values: ClassVar[tuple[str, ...]] = ("ümläut 名前", "a=b/c:d@e+f", " padded ")
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {
        "approval": ("Rejected", "Approved"),
        "lifecycle": ("Development/Ready", "Production/Approved"),
    }
    source: ClassVar[str] = "s3://waypost-check/model.tar.gz"
    secrets: tuple[str, ...] = ("waypost-secret",)

    def __init__(self) -> None:
        self.emulator = Emulator()
        self.emulator.__enter__()
        self.boto = aws.client(self.emulator.url)
        self.serving: dict[str, list[str]] = {}
        # The emulator's first tag takes longer, while it spells out Unicode's categories.
        self.drop(aws.package(self.boto, "first", CustomerMetadataProperties={"a": "b"}).split("/")[1])

    def adapter(self) -> Adapter:
        silent = self.emulator.faults.answers == "silent"
        return SageMakerAdapter(aws.config(self.emulator.url, timeout=0.3 if silent else 30))

    def put(self, model: str) -> str:
        return aws.package(self.boto, model, self.source).rpartition("/")[2]

    def put_model(self, model: str) -> None:
        self.boto.create_model_package_group(ModelPackageGroupName=model)

    def drop(self, model: str, version: str | None = None) -> None:
        with self.emulator.lock:
            self._drop(model, version)

    def _drop(self, model: str, version: str | None) -> None:
        account = self.emulator.account
        if version is not None:
            account.packages.pop(self._arn(model, version), None)
            return
        for endpoint in self.serving.pop(model, []):
            account.endpoints.pop(account.arn("endpoint", endpoint), None)
        for arn in [arn for arn, row in account.packages.items() if f"/{model}/" in arn]:
            del account.packages[arn]
        account.groups.pop(account.arn("model-package-group", model), None)
        account.last_version.pop(model, None)

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        if version is None:
            arn = self.emulator.account.arn("model-package-group", model)
            self.boto.add_tags(ResourceArn=arn, Tags=[{"Key": key, "Value": value}])
        else:
            self._update(model, version, CustomerMetadataProperties={key: value})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        stage, _, status = value.partition("/")
        if field == "approval":
            self._update(model, version, ModelApprovalStatus=value)
        else:
            self._update(model, version, ModelLifeCycle={"Stage": stage, "StageStatus": status})

    def serve(self, endpoint: str, model: str, version: str) -> None:
        aws.deploy(self.boto, endpoint, main=(self._arn(model, version), 1.0))
        self.serving.setdefault(model, []).append(endpoint)

    def spoil(self, model: str, version: str) -> None:
        packages = self.emulator.account.packages
        arn = self._arn(model, version)
        packages[arn] = {
            name: value for name, value in packages[arn].items() if name != "ModelPackageGroupName"
        }

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        account = self.emulator.account
        account.now, account.last_time = (lambda: time.time() + seconds), 0.0
        try:
            yield
        finally:
            account.now, account.last_time = time.time, 0.0

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        faults = self.emulator.faults
        changes: dict[str, Any] = {"answers": _ANSWERS.get(fault, "")}
        if fault is Fault.BROKEN:
            changes["fail"] = {"*": 1_000_000}
        elif fault in (Fault.THROTTLED, Fault.THROTTLED_UNTIL):
            changes["throttle"] = {"*": 1_000_000}
        elif fault is Fault.UNAUTHORISED:
            changes["accept_keys"] = []
        elif fault is Fault.FORBIDDEN:
            changes["deny"] = ["*"]
        faults.change(changes)
        faults.retry_after = RETRY_AFTER if fault is Fault.THROTTLED_UNTIL else None
        try:
            yield
        finally:
            faults.change({"answers": "", "fail": {}, "throttle": {}, "accept_keys": None, "deny": []})
            faults.retry_after = None

    def requests(self) -> int:
        return self.emulator.faults.calls.total()

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        faults = self.emulator.faults
        faults.answered = lambda action: change() if action.startswith(("List", "Search")) else None
        try:
            yield
        finally:
            faults.answered = lambda action: None

    @contextlib.contextmanager
    def torn(self) -> Iterator[None]:
        self.emulator.account.is_torn = True
        try:
            yield
        finally:
            self.emulator.account.is_torn = False

    def close(self) -> None:
        self.boto.close()
        self.emulator.__exit__(None, None, None)

    def _arn(self, model: str, version: str) -> str:
        return self.emulator.account.arn("model-package", f"{model}/{version}")

    def _update(self, model: str, version: str, **change: Any) -> None:
        self.boto.update_model_package(ModelPackageArn=self._arn(model, version), **change)
