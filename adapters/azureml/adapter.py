"""The adapter for Azure Machine Learning.

Which change is seen when, with `since` (a full scan sees everything):

- A new model, and what moves a model's row: by the next scan, which lists every model, archived or not.
- New versions, and what changes of one: by the next scan of a registry with up to `reads_per_scan` models; of a larger
  one by one of the next, as models are read again in turn, where it does not move the model's row.
- A deleted model: by the next full scan.

What its listings promise while things change: pages go by a link; what was known and is on none is asked for before it
counts as gone.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from adapters.azureml import snippets
from adapters.azureml.client import VERSION, AzuremlClient
from adapters.azureml.config import AzuremlConfig
from adapters.azureml.reads import Reader
from adapters.azureml.records import ACTIVE, ARCHIVED
from adapters.azureml.writes import Writer
from adapters.contract import (
    BackendInfo,
    Capability,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.payloads import text
from adapters.records import Key, Mark, Record, VersionRecord, Watermark
from adapters.served import ServiceAdapter
from adapters.whole import whole_pages
from adapters.writing import has_tags, is_described, remove, settle, settle_stage


class AzuremlAdapter(ServiceAdapter):
    """Speaks to Azure about one workspace or registry."""

    kind = "azureml"
    contract = 1
    config_type = AzuremlConfig
    capabilities = frozenset(
        {
            Capability.SET_STAGE,
            Capability.SET_TAGS,
            Capability.DESCRIBE,
            Capability.REGISTER,
            Capability.DELETE,
        }
    )
    stage_fields = frozenset({"stage", "lifecycle"})
    full_scan_only = frozenset({"stage", "lifecycle", "tags", "description", "state", "deleted"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "archived": (f"lifecycle:{ARCHIVED}", "stage:Archived"),
        "production": ("stage:Production", "tag:stage=production"),
        "staging": ("stage:Staging", "stage:Development", "tag:stage=staging"),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"lifecycle": ACTIVE}
    _api: AzuremlClient
    _reads: Reader

    def __init__(self, config: AzuremlConfig) -> None:
        self._api = AzuremlClient(config)
        self._reads = Reader(self._api)
        self._writes = Writer(self._api)

    def __repr__(self) -> str:
        return f"AzuremlAdapter({self._api.config.workspace or self._api.config.registry})"

    def probe(self) -> BackendInfo:
        said = self._api.place()
        for _ in self._api.models():
            break
        # A workspace has an id of its own; of a registry only its path is known to stay.
        ident = text(said, "properties", "workspaceId") or text(said, "id") or self._api.config.path
        cannot = frozenset({Capability.REGISTER} if self._api.config.registry else ())
        return BackendInfo(VERSION, f"azureml:{ident.lower()}", unavailable=cannot)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        return whole_pages(self._reads, self._api.config, since, limit, resume)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, model, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> VersionRecord:
        return settle_stage(self, key, field, value, lambda now: self._writes.move(now, field, value), etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        return settle(self.get, key, is_described(text), lambda now: self._writes.describe(now, text), etag)

    def register(self, registration: Registration) -> VersionRecord:
        return self._reads.registered(registration.model, self._writes.register(registration))

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, self._writes.remove, etag)
