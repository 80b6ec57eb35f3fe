"""The adapter for Unity Catalog, on Databricks and on open-source servers.

Which change is seen when, with `since` (a full scan sees everything):

- A new model, and what moves a model's row (its comment, owner, name): by the next scan, which lists every model.
- New versions, aliases that move, tags, and what changes of a version: by the next scan of a registry with up to
  `reads_per_scan` models; of a larger one by one of the next, as models are read again in turn.
- A deleted model: by the next full scan.

What its listings promise while things change: nothing is said of their order; what was known and is missing is asked
for before it counts as gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from adapters.contract import BackendInfo, Capability, Page, Snippet, StageField
from adapters.errors import NotFoundError, UnsupportedError
from adapters.payloads import text
from adapters.records import Key, Mark, ModelRecord, Record, VersionRecord, Watermark
from adapters.served import ServiceAdapter
from adapters.unity import keys, snippets
from adapters.unity.client import UnityClient
from adapters.unity.config import UnityConfig
from adapters.unity.reads import Reader
from adapters.unity.writes import Writer
from adapters.whole import whole_pages
from adapters.writing import a_model, compare, has_tags, is_described, remove, settle, settle_alias


class UnityAdapter(ServiceAdapter):
    """Speaks to one metastore."""

    kind = "unity"
    contract = 1
    config_type = UnityConfig
    capabilities = frozenset(
        {Capability.SET_ALIAS, Capability.SET_TAGS, Capability.RENAME, Capability.DESCRIBE, Capability.DELETE}
    )
    full_scan_only = frozenset({"aliases", "tags", "state", "description", "deleted"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:champion", "alias:production", "alias:prod"),
        "staging": ("alias:challenger", "alias:staging"),
        "archived": ("alias:archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}
    _api: UnityClient
    _reads: Reader

    def __init__(self, config: UnityConfig) -> None:
        self._api = UnityClient(config)
        self._reads = Reader(self._api)
        self._writes = Writer(self._api)

    def probe(self) -> BackendInfo:
        said = self._api.metastore()
        for _ in self._api.models():
            break
        ident = text(said, "metastore_id")
        told, unavailable = [], set()
        if not self._api.is_databricks:
            told.append("this server has neither aliases nor tags: none is read, and none is set")
            unavailable.add(Capability.SET_ALIAS)
        if not self._api.has_tags:
            unavailable.add(Capability.SET_TAGS)
        version = "Databricks" if self._api.is_databricks else "open source"
        identity = f"unity:{ident}" if ident else None
        return BackendInfo(version, identity, tuple(told), frozenset(unavailable))

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        return whole_pages(self._reads, self._api.config, since, limit, resume)

    def succeeds(self, new: Key, old: Key) -> bool:
        return keys.succeeds(new, old)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config.url, model, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        return settle_alias(self.get, key, alias, version, self._writes.point, etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        if not self._api.has_tags:
            raise UnsupportedError(
                "tags are Databricks' alone, and are read where `tags = true` is configured"
            )
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        new = keys.split(key)._replace(name=name)
        try:
            if key != new.key:
                compare(a_model(self.get(key)), etag)
                self._writes.rename(keys.split(key).name, name)
        except NotFoundError:  # it may be called so already
            if not keys.succeeds(new.key, key):
                raise
        return self._reads.of_model(new)

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        return settle(self.get, key, is_described(text), lambda now: self._writes.describe(now, text), etag)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, self._writes.remove, etag)
