"""The adapter for Vertex AI's model registry.

Which change is seen when, with `since` (a full scan sees everything):

- A new model or version, a changed name or description, deployments and traffic: by the next scan, since these move a
  model's `update_time`, and endpoints are always listed whole.
- A moved alias, a changed label: by the next scan where the service moves `update_time` for it, which it does not
  promise; else by the next sweep, at most `sweep_every` seconds after the last.
- A deleted version or model: by the next sweep, too.
- A new evaluation of a version that did not change: when those read of it are `evaluations_every` seconds old.

What its listings promise while things change: tokens are opaque. Models are listed whole, by creation, before the first
of them is read, then the versions of each, then the endpoints whole. Labels, aliases and the version itself are one
message. Fields of a second request: metrics and the data of evaluations (`ListModelEvaluations`); the data set that a
training pipeline took (`GetTrainingPipeline`, once for each); the key of a deployed version that the scan did not meet
(`GetModel`).

The reference uses the model's resource id; the display name, which need not be unique, is the title.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from adapters.contract import (
    Adapter,
    BackendInfo,
    Capability,
    Observer,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import AuthError, ConflictError, InvalidError, NotFoundError
from adapters.notifications import Notification
from adapters.records import EndpointRecord, Key, Mark, ModelRecord, Record, Unread, VersionRecord, Watermark
from adapters.scanning import paged
from adapters.vertex import snippets
from adapters.vertex.client import VertexClient
from adapters.vertex.config import VertexConfig
from adapters.vertex.keys import ProjectLocation, is_met_by, key_of, model_key, split_key, version_key
from adapters.vertex.notifications import Announcements
from adapters.vertex.reads import EVALUATIONS, TRAINING, Memory, Reader
from adapters.vertex.records import TOKEN_LABEL, shared, to_endpoint, to_model, to_version
from adapters.vertex.scan import Cursor, Scan, begin
from adapters.vertex.writes import Writer
from adapters.writing import (
    check_shares,
    compare,
    has_alias,
    has_tags,
    has_traffic,
    is_described,
    remove,
    settle,
)

_BY_OTHERS = {
    EVALUATIONS: ("metrics", "lineage.datasets", "native.evaluations"),
    TRAINING: ("lineage.datasets",),
}
"""Fields of a version that other messages fill, by what reads those."""
_ATTEMPTS = 4
"""How often a label write is begun anew when somebody else wrote in between."""


class VertexAdapter(Adapter):
    """Speaks to the model registry of one Google Cloud project and location."""

    kind = "vertex"
    contract = 1
    reading = 1
    config_type = VertexConfig
    capabilities = frozenset(
        {
            Capability.SET_ALIAS,
            Capability.SET_TAGS,
            Capability.REGISTER,
            Capability.DELETE,
            Capability.DESCRIBE,
            Capability.SET_TRAFFIC,
        }
    )
    full_scan_only = frozenset({"aliases", "tags", "metrics", "deleted"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": (
            "alias:production",
            "alias:prod",
            "alias:champion",
            "tag:stage=production",
            "deployed",
        ),
        "staging": ("alias:staging", "alias:challenger", "tag:stage=staging"),
        "archived": ("alias:archived", "tag:stage=archived"),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}
    first_aliases = frozenset({"default"})
    shared_tags = True

    def __init__(self, config: VertexConfig) -> None:
        self.config = config
        self._place = ProjectLocation(config.project, config.location)
        self._client = VertexClient(config)
        self._memory = Memory()
        self._announcements = Announcements(config)
        self._reader = Reader(self._client, self._place, self._memory)
        self._writes = Writer(self._client, self._place, self._reader)

    def probe(self) -> BackendInfo:
        self._memory.denied.clear()
        parent = self._place.parent
        self._client.read("Model", "list_models", parent=parent, page_size=1)
        missing = []
        try:
            self._client.read("Endpoint", "list_endpoints", parent=parent, page_size=1)
        except AuthError:
            missing.append(
                "endpoints cannot be listed: no traffic is known, and the rule `deployed` never holds"
            )
        return BackendInfo(version="v1", identity=f"vertex:{parent}", missing=tuple(missing))

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        cursor = begin(since, self.config.sweep_every, time.time())
        if resume is not None:
            cursor = Cursor.from_mark(resume)
        return paged(Scan(self._reader, cursor, read_ahead=limit).found(), limit)

    def get(self, key: Key) -> Record:
        if key.kind == "model":
            return to_model(self._place, self._versions(key))
        if key.kind == "endpoint":
            return self._endpoint(key)
        message = self._version(key)
        origins = self._reader.origins(message)
        record = to_version(self._place, message, origins)
        # Who is asked for one version says what is unknown of it, so nothing that was known is given up.
        if not origins.refused:
            return record
        fields = tuple(dict.fromkeys(each for method in origins.refused for each in _BY_OTHERS[method]))
        return replace(record, unread=Unread(fields, "; ".join(origins.refused.values())))

    def changed(self, notification: Notification) -> Sequence[Key]:
        return self._announcements.changed(notification)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self.config, model, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        """As in the contract. The service's alias call takes no etag: between the comparison and the
        write another writer may come.
        """
        versions = self._versions(key)
        record = to_model(self._place, versions)
        if has_alias(alias, version).is_met(record):
            return record
        compare(record, etag)
        self._writes.point(record.name, versions, alias, version)
        return self.get(key)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        if TOKEN_LABEL in tags:
            raise InvalidError(f"label {TOKEN_LABEL} is Waypost's own: choose another name")
        name = self._place.model(*split_key(key))
        for left in reversed(range(_ATTEMPTS)):
            seen = self._client.read("Model", "get_model", name=name).etag
            record = self._writable(key)
            if has_tags(tags).is_met(record):
                return record
            compare(record, etag)
            try:
                self._writes.label(key, tags, seen)
                break
            except ConflictError:
                if etag is not None or not left:
                    raise
        record = self._writable(key)
        for label, value in tags.items():
            if record.tags.get(label) != value:
                other = "version" if key.kind == "model" else "model"
                raise InvalidError(
                    f"label {label} is set on the {other} as well, and that one shows: change it there"
                )
        return record

    def register(self, registration: Registration) -> VersionRecord:
        made = self._writes.register(registration)
        return to_version(self._place, made, self._reader.origins(made))

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        def write(now: ModelRecord | VersionRecord) -> None:
            seen = self._client.read("Model", "get_model", name=self._place.model(*split_key(key))).etag
            self._writes.describe(key, text, seen)

        return settle(self._writable, key, is_described(text), write, etag)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self._writable, key, lambda now: self._writes.remove(key), etag)

    def set_traffic(self, key: Key, shares: Mapping[Key, float], *, etag: str | None = None) -> Record:
        def write(now: EndpointRecord) -> None:
            check_shares(now, shares)
            message = self._message(key)
            split = shared(message, self._reader.served(message), shares)
            self._writes.split(message, split)

        return settle(self._endpoint, key, has_traffic(shares), write, etag)

    def observe(self, observer: Observer) -> None:
        self._client.observer = observer

    def close(self) -> None:
        self._client.close()

    def _message(self, key: Key) -> Any:
        """The endpoint of a key. Errors: NotFoundError, for another incarnation too."""
        endpoint_id, _ = split_key(key)
        message = self._client.read("Endpoint", "get_endpoint", name=self._place.endpoint(endpoint_id))
        _check_incarnation(key, key_of("endpoint", endpoint_id, message.create_time))
        return message

    def _endpoint(self, key: Key) -> EndpointRecord:
        message = self._message(key)
        return to_endpoint(self._place, message, self._reader.served(message))

    def _versions(self, key: Key) -> list[Any]:
        """Every version of the model of a key. Errors: NotFoundError, for another incarnation too."""
        versions = self._reader.versions(split_key(key)[0])
        _check_incarnation(key, model_key(versions[0]))
        return versions

    def _version(self, key: Key) -> Any:
        resource, version = split_key(key)
        message = self._reader.version(resource, version)
        _check_incarnation(key, version_key(message))
        return message

    def _writable(self, key: Key) -> ModelRecord | VersionRecord:
        record = self.get(key)
        if not isinstance(record, ModelRecord | VersionRecord):
            raise InvalidError("endpoints are not changed here: do it in Vertex AI itself")
        return record


def _check_incarnation(wanted: Key, found: Key) -> None:
    if not is_met_by(wanted, found):
        raise NotFoundError(f"{wanted.kind} {wanted.native_id} does not exist: another one has its name now")
