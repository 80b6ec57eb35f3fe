"""The adapter for another Waypost.

Which change is seen when, with `since` (a full scan sees everything):

- What the other gateway has seen: by the next scan, which asks each of its registries for what changed; what is deleted
  there is said to be gone.
- What it sees late, or not: no sooner. How old it is, it says itself, and scans pass that on.
- What a version needs by the tag of its model: by the next full scan, unless the version itself has changed.

What its listings promise while things change: by native id; what changes meanwhile is in the next scan.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from adapters.contract import BackendInfo, Page, Snippet
from adapters.records import Key, Mark, VersionRecord, Watermark
from adapters.scanning import paged
from adapters.served import ServiceAdapter
from adapters.waypost import snippets
from adapters.waypost.client import KIND, WaypostClient
from adapters.waypost.config import WaypostConfig
from adapters.waypost.reads import Reader
from adapters.waypost.scan import Scan


class WaypostAdapter(ServiceAdapter):
    """Speaks to one other gateway. It reads: what is changed is changed there, where its policies hold."""

    kind = KIND
    contract = 1
    config_type = WaypostConfig
    full_scan_only = frozenset({"lineage"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:production",),
        "staging": ("stage:staging",),
        "archived": ("stage:archived",),
    }

    _api: WaypostClient
    _reads: Reader

    def __init__(self, config: WaypostConfig) -> None:
        self._config = config
        self._api = WaypostClient(config)
        self._reads = Reader(self._api)

    def probe(self) -> BackendInfo:
        identity, registries = self._api.gateway()
        shown = {one.name for one in registries}
        missing = [
            f"registry {name} is not shown: it is gone, renamed, or hidden from this token"
            for name in self._config.registries
            if name not in shown
        ]
        if not self._config.registries and not registries:
            missing.append("no registry is shown: give the token's holder the role `viewer` there")
        reaches = tuple(one.reached for one in registries if one.is_read or one.state != "detached")
        return BackendInfo("API v1", identity, tuple(missing), reaches=reaches)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        return paged(Scan(self._reads, since, resume).found(), limit, soon=since is not None)

    def succeeds(self, new: Key, old: Key) -> bool:
        return self._reads.succeeds(new, old)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._config, version)
