"""The adapter for Kubeflow's model registry.

Which change is seen when, with `since` (a full scan sees everything):

- A new or changed model or version, archived or not: by the next scan, which asks for what has changed.
- What serves a version: by the next scan, which lists all inference services.
- Artifacts that are put to a version within `settle` seconds of its last change: by the next scan. Later ones, which
  move no time of the version's, and what was taken out of the server's database: by the next full scan.

What its listings promise while things change: all are ordered by the server's ids, so none is skipped.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from adapters.contract import (
    BackendInfo,
    Capability,
    NewModel,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import AuthError
from adapters.kubeflow import snippets
from adapters.kubeflow.client import ENVIRONMENTS, MODELS, SERVICES, KubeflowClient
from adapters.kubeflow.config import KubeflowConfig
from adapters.kubeflow.reads import Reader
from adapters.kubeflow.records import STATES, to_model
from adapters.kubeflow.scan import Scan
from adapters.kubeflow.writes import Writer
from adapters.records import Key, Mark, ModelRecord, Record, VersionRecord, Watermark
from adapters.scanning import paged, read_until
from adapters.served import ServiceAdapter
from adapters.writing import a_version, digest, has_tags, is_described, settle, settle_stage

ANCHORS = 20
"""So many of its oldest models tell one server from another."""


class KubeflowAdapter(ServiceAdapter):
    """Speaks to one server of the registry."""

    kind = "kubeflow"
    contract = 1
    reading = 1
    config_type = KubeflowConfig
    capabilities = frozenset(
        {
            Capability.SET_STAGE,
            Capability.SET_TAGS,
            Capability.DESCRIBE,
            Capability.REGISTER,
            Capability.CREATE_MODEL,
        }
    )
    stage_fields = frozenset({"lifecycle"})
    full_scan_only = frozenset(
        {"artifact_uri", "framework", "state", "metrics", "params", "lineage", "native", "deleted"}
    )
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "archived": (f"lifecycle:{STATES[1]}",),
        "production": ("tag:stage=production", "deployed"),
        "staging": ("tag:stage=staging",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"lifecycle": STATES[0]}
    _api: KubeflowClient
    _reads: Reader

    def __init__(self, config: KubeflowConfig) -> None:
        self._api = KubeflowClient(config)
        self._reads = Reader(self._api)
        self._writes = Writer(self._api, self._reads)

    def probe(self) -> BackendInfo:
        oldest = self._api.page(MODELS, None, most=ANCHORS).rows
        told = []
        for listing in (ENVIRONMENTS, SERVICES):
            try:
                self._api.page(listing, None, most=1)
            except AuthError:
                told.append(f"{listing} cannot be listed: what serves a version is not known")
        # Its API deletes nothing, so its oldest model names it; were that taken out of its database, the next ones do.
        lasting = [[row.get(name) for name in ("id", "name", "createTimeSinceEpoch")] for row in oldest]
        names = [f"kubeflow:{digest([one])}" for one in lasting]
        version = self._api.prefix.rpartition("/")[2]
        return BackendInfo(version, names[0] if names else None, tuple(told), anchors=tuple(names[1:]))

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        began = read_until(since)
        at = None if began is None else int(began - self._api.config.settle * 1000)
        return paged(Scan(self._reads, at, resume).found(), limit, soon=at is not None)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, model, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> VersionRecord:
        return settle_stage(self, key, field, value, lambda now: self._writes.move(now, value), etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        return settle(self.get, key, is_described(text), lambda now: self._writes.describe(now, text), etag)

    def register(self, registration: Registration) -> VersionRecord:
        return a_version(self.get(Key("version", str(self._writes.register(registration)["id"]))))

    def create_model(self, model: NewModel) -> ModelRecord:
        return to_model(self._writes.create(model))
