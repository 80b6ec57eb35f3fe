"""What the emulated project holds: models with versions, endpoints, evaluations, and a clock that only moves on."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import timestamp_pb2

from adapters.emulators.vertex.faults import RpcError
from adapters.emulators.vertex.wire import DeployedModelRef, Model


def not_found(what: str) -> RpcError:
    """The answer for a resource that does not exist."""
    return RpcError(grpc.StatusCode.NOT_FOUND, f"The resource {what} is not found.")


@dataclass
class HeldVersion:
    """One version of a model. `body` holds what was uploaded, without the fields that are computed on reading."""

    id: str
    body: Any
    created: timestamp_pb2.Timestamp
    updated: timestamp_pb2.Timestamp
    labels: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    revision: int = 0
    evaluations: dict[str, Any] = field(default_factory=dict)


@dataclass
class HeldModel:
    """One model: what all its versions share."""

    name: str
    display_name: str
    description: str
    created: timestamp_pb2.Timestamp
    updated: timestamp_pb2.Timestamp
    labels: dict[str, str] = field(default_factory=dict)
    revision: int = 0
    versions: dict[str, HeldVersion] = field(default_factory=dict)
    next_version: int = 1

    def find(self, version: str) -> HeldVersion | None:
        """A version by id or by alias."""
        held = self.versions.get(version)
        return held or next((each for each in self.versions.values() if version in each.aliases), None)


@dataclass
class Pending:
    """An operation, what it will do, and when (monotonic seconds)."""

    operation: Any
    commit: Callable[[], Any]
    due: float


@dataclass
class ProjectState:
    """Everything of one project and location.

    `operation_seconds` is how long an operation takes. `alias_bumps_model`: whether moving an alias or changing a
    version's labels touches the model's `update_time`; the service does not document it, so the default is the
    harder case. `container_on_read`: whether `container_spec`, documented as input only, is returned.
    `largest_page`: rows of a page, at most, whatever is asked for.
    """

    project: str
    location: str
    operation_seconds: float = 0.0
    alias_bumps_model: bool = False
    container_on_read: bool = True
    clock: Callable[[], float] = time.time
    largest_page: int = 100
    models: dict[str, HeldModel] = field(default_factory=dict)
    endpoints: dict[str, Any] = field(default_factory=dict)
    pipelines: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, Pending] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _last_micros: int = 0

    @property
    def parent(self) -> str:
        """The only location that exists: `projects/p/locations/l`."""
        return f"projects/{self.project}/locations/{self.location}"

    def check_parent(self, parent: str) -> None:
        """Raises PERMISSION_DENIED for another project, NOT_FOUND for another location."""
        if not parent.startswith(f"projects/{self.project}/"):
            raise RpcError(grpc.StatusCode.PERMISSION_DENIED, f"Permission denied on resource {parent!r}.")
        if parent != self.parent:
            raise not_found(parent)

    def now(self) -> timestamp_pb2.Timestamp:
        """A timestamp in microseconds, later than every one before."""
        self._last_micros = max(int(self.clock() * 1_000_000), self._last_micros + 1)
        return timestamp_pb2.Timestamp(
            seconds=self._last_micros // 1_000_000, nanos=self._last_micros % 1_000_000 * 1000
        )

    def new_id(self) -> str:
        """A number that looks like the service's own, and is never given twice."""
        return str(1_000_000_000_000_000_000 + next(self._ids) * 7_919_777_777)

    def model(self, name: str) -> tuple[HeldModel, str]:
        """The model of `…/models/ID` or `…/models/ID@VERSION`, and that version part (`""` without one)."""
        path, _, version = name.partition("@")
        self.check_parent(path.partition("/models/")[0])
        if path not in self.models:
            raise not_found(name)
        return self.models[path], version

    def version(self, name: str) -> tuple[HeldModel, HeldVersion]:
        """The version of `…/models/ID@VERSION`, where VERSION is a number or an alias; without one, the default."""
        held, version = self.model(name)
        found = held.find(version or "default")
        if found is None:
            raise not_found(name)
        return held, found

    def endpoint(self, name: str) -> Any:
        """The endpoint of that name."""
        self.check_parent(name.partition("/endpoints/")[0])
        if name not in self.endpoints:
            raise not_found(name)
        return self.endpoints[name]

    def touch(self, held: HeldModel, version: HeldVersion | None = None) -> None:
        """Note a change of the model, or of one version (which moves the model's time only if configured so)."""
        now = self.now()
        if version is not None:
            version.updated, version.revision = now, version.revision + 1
        if version is None or self.alias_bumps_model:
            held.updated, held.revision = now, held.revision + 1

    def deployments(self, held: HeldModel, version: HeldVersion) -> list[Any]:
        """Where a version serves: one reference per deployed model."""
        return [
            DeployedModelRef(endpoint=endpoint.name, deployed_model_id=deployed.id)
            for endpoint in self.endpoints.values()
            for deployed in endpoint.deployed_models
            if deployed.model.partition("@")[0] == held.name and deployed.model_version_id == version.id
        ]

    def view(self, held: HeldModel, version: HeldVersion, *, named_version: bool) -> Any:
        """A version as the service shows it: fields of both levels, labels merged, aliases in no promised order."""
        shown = Model()
        shown.CopyFrom(version.body)
        shown.name = f"{held.name}@{version.id}" if named_version else held.name
        shown.version_id = version.id
        shown.version_aliases.extend(sorted(version.aliases, key=lambda alias: (len(alias), alias)))
        shown.display_name, shown.description = held.display_name, held.description
        shown.labels.update(held.labels | version.labels)
        shown.etag = f"AMEw9y{held.revision:x}-{version.id}-{version.revision:x}"
        shown.create_time.CopyFrom(held.created)
        shown.update_time.CopyFrom(held.updated)
        shown.version_create_time.CopyFrom(version.created)
        shown.version_update_time.CopyFrom(version.updated)
        shown.deployed_models.extend(self.deployments(held, version))
        if not self.container_on_read:
            shown.ClearField("container_spec")
        return shown
