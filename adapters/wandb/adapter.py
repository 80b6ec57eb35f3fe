"""The adapter for Weights & Biases Registry.

A collection of a registry is a model, an artifact that is linked to it is a version, numbered by the collection and not
by where it was logged. The run that logged it and what that run used are its lineage, by the addresses of artifacts.

Every scan lists everything, a hundred in a request, so a change of any kind is seen by the next one. What its listings
promise while things change: they go by a cursor; what was known and is missing is asked for before it counts as gone.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from adapters.contract import (
    BackendInfo,
    Capability,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import BadRecordError
from adapters.listing import ListingAdapter
from adapters.payloads import text
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.served import ServiceAdapter
from adapters.wandb import keys, snippets
from adapters.wandb.client import REGISTRIES, WandbClient
from adapters.wandb.config import WandbConfig
from adapters.wandb.keys import PREFIX
from adapters.wandb.reads import Reader
from adapters.wandb.writes import Writer
from adapters.writing import settle_alias


class WandbAdapter(ServiceAdapter, ListingAdapter):
    """Speaks to Weights & Biases about the registries of one organisation."""

    kind = "wandb"
    contract = 1
    config_type = WandbConfig
    capabilities = frozenset({Capability.SET_ALIAS, Capability.REGISTER})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:production", "alias:prod", "alias:champion"),
        "staging": ("alias:staging", "alias:challenger"),
        "archived": ("alias:archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}
    first_aliases = frozenset({"latest"})
    _api: WandbClient
    _reads: Reader

    def __init__(self, config: WandbConfig) -> None:
        self._api = WandbClient(config)
        self._reads = Reader(self._api)
        self._writes = Writer(self._api, self._reads)

    def probe(self) -> BackendInfo:
        ident = text(self._api.organization(), "id")
        shown = {text(row, "name") for page in self._api.listed(REGISTRIES) for row in page}
        missing = [one for one in self._api.config.registries if f"{PREFIX}{one}" not in shown]
        told = [f"registry {one} is not shown: check its name, and what the key may see" for one in missing]
        if not shown:
            told.append("no registry is shown: nothing is read")
        return BackendInfo("GraphQL", f"wandb:{ident}" if ident else None, tuple(told))

    def records(self) -> Iterator[ModelRecord | VersionRecord | BadRecordError | None]:
        return self._reads.everything()

    def succeeds(self, new: Key, old: Key) -> bool:
        return keys.SHAPE.succeeds(new, old)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        return settle_alias(self.get, key, alias, version, self._writes.point, etag)

    def register(self, registration: Registration) -> VersionRecord:
        return self._writes.register(registration)
