"""The adapter for the Hugging Face Hub.

Which change is seen when, with `since` (a full scan sees everything):

- A new repository, a commit with the tags that came with it, a rename, a handover, a new gate or visibility: by the
  next scan, which lists every repository.
- A tag or branch that moves within `settle` seconds of the last commit on `main`: by the next scan, too.
- One that moves later, and a deleted repository: by the next full scan, or at once
  by a webhook.

What its listings promise while things change: repositories are listed by creation, by a cursor: none is skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from adapters.contract import (
    BackendInfo,
    Capability,
    Page,
    Snippet,
    StageField,
)
from adapters.digests import BucketDigests
from adapters.huggingface import keys, notifications, snippets
from adapters.huggingface.client import HubClient
from adapters.huggingface.config import HuggingFaceConfig
from adapters.huggingface.reads import Reader
from adapters.huggingface.scan import Scan
from adapters.huggingface.writes import Writer, missing
from adapters.notifications import Notification
from adapters.records import Key, Mark, ModelRecord, VersionRecord, Watermark
from adapters.scanning import paged
from adapters.served import ServiceAdapter
from adapters.writing import remove, settle_alias


class HuggingFaceAdapter(ServiceAdapter):
    """Speaks to the Hub about the repositories of some organisations and users, and further ones."""

    kind = "huggingface"
    contract = 1
    config_type = HuggingFaceConfig
    capabilities = frozenset({Capability.SET_ALIAS, Capability.DELETE})
    full_scan_only = frozenset({"aliases", "deleted"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:production", "alias:prod", "alias:champion"),
        "staging": ("alias:staging", "alias:challenger"),
        "archived": ("alias:archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}
    _api: HubClient
    _reads: Reader

    def __init__(self, config: HuggingFaceConfig) -> None:
        self._api = HubClient(config)
        self._reads = Reader(self._api)
        self._writes = Writer(self._api)

    def probe(self) -> BackendInfo:
        told, unavailable = missing(self._api)
        return BackendInfo("Hub API", f"huggingface:{self._api.http.host}", told, unavailable)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        digests = BucketDigests.of(since if resume is None else resume)
        scan = Scan(self._reads, digests, is_full=since is None)
        return paged(scan.found(), limit, soon=since is not None)

    def succeeds(self, new: Key, old: Key) -> bool:
        return keys.succeeds(new, old)

    def changed(self, notification: Notification) -> Sequence[Key]:
        return notifications.changed(self._api.config, notification)

    def subscribe(self, address: str) -> str:
        return notifications.subscribe(self._api, address)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, model, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        return settle_alias(self.get, key, alias, version, self._writes.point, etag)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, self._writes.remove, etag)
