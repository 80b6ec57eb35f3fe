"""The adapter's face: what the contract asks for, as the configuration describes it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from adapters.contract import (
    BackendInfo,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError, UnsupportedError
from adapters.notifications import Notification
from adapters.records import Key, Mark, ModelRecord, Record, VersionRecord, Watermark
from adapters.rest import notifications
from adapters.rest.client import RestClient, fill
from adapters.rest.config import Collection, Info, RestConfig
from adapters.rest.expressions import MappingError
from adapters.rest.lineage import as_names
from adapters.rest.reads import with_related
from adapters.rest.records import OPEN, Translator, address, is_met_by
from adapters.rest.scan import Scan
from adapters.rest.snippets import snippets
from adapters.rest.writes import NEEDS, Writer, missing
from adapters.scanning import paged, read_until
from adapters.served import ServiceAdapter
from adapters.writing import a_version, has_alias, has_tags, remove, settle, settle_stage


class RestAdapter(ServiceAdapter):
    """Speaks to any REST API that its configuration describes. What it cannot write follows from what is left out.

    An incremental scan asks for what changed since the backend's own clock (its `Date` header) at the last scan's
    start, where the configuration says how; it lists the rest whole.
    """

    kind = "rest"
    contract = 1
    reading = 1
    config_type = RestConfig
    capabilities = frozenset(NEEDS)
    stage_fields = frozenset({"stage"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:production", "alias:champion", "alias:production"),
        "staging": ("stage:staging", "alias:challenger", "alias:staging"),
        "archived": ("stage:archived",),
    }
    _api: RestClient

    def __init__(self, config: RestConfig) -> None:
        self._config = config
        self._api = RestClient(config)
        self._translate = Translator(config)
        self._writes = Writer(self._api, config.writes)
        self.full_scan_only = config.quiet | (
            {"deleted"} if any(c.since for c in config.collections) else set()
        )
        self._rehearse()

    def probe(self) -> BackendInfo:
        config = self._config
        version, identity, rights = ("unknown", config.url, None)
        if config.info is not None:
            version, identity, rights = self._info(config.info)
        self._try_models()
        told, unavailable = missing(config.writes, rights)
        if config.endpoints is not None:
            try:
                self._api.page(config.endpoints, config.endpoints.path, None, 1)
            except AuthError:
                told.append(
                    "endpoints cannot be listed: no traffic is known, and the rule `deployed` never holds"
                )
        return BackendInfo(version, identity, tuple(told), unavailable)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        at = read_until(since)
        if at is not None:
            at -= max((c.since.overlap for c in self._config.collections if c.since), default=0)
        return paged(Scan(self._api, self._translate, at, limit, resume).found(), limit)

    def get(self, key: Key) -> Record:
        config = self._config
        found: Record
        if key.kind == "model":
            found = self._translate.model(self._one(config.models, address(key)))
        elif key.kind == "version":
            raw = self._one(config.versions, address(key))
            [raw] = with_related(self._api, config.versions, [raw])
            found = self._translate.version(raw, self._parent(key) if config.versions.nested else None)
        elif config.endpoints is not None:
            found = self._translate.endpoint(self._one(config.endpoints, address(key)))
        else:
            raise NotFoundError(f"endpoint {key.native_id} does not exist: this backend has none")
        if not is_met_by(key, found.key):
            raise NotFoundError(f"{key.kind} {key.native_id} does not exist: another one has its name")
        return found

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets(self._config, model, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        return settle_stage(self, key, field, value, lambda now: self._writes.stage(now, value, etag), etag)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        def write(now: ModelRecord) -> None:
            self._writes.point(now, alias, version, etag)

        return settle(self.get, key, has_alias(alias, version), write, etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags, etag), etag)

    def register(self, registration: Registration) -> VersionRecord:
        raw = self._config.versions.item.of(self._writes.register(registration))
        if self._config.versions.nested:
            raise UnsupportedError(
                "a version registered below a model cannot be read back: list versions all at once"
            )
        return a_version(self.get(self._translate.version(raw, None).key))

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, lambda now: self._writes.remove(now, etag), etag)

    def _one(self, collection: Collection, values: Mapping[str, str]) -> Any:
        try:
            return collection.item.of(self._api.read(fill(collection.one, values)).json())
        except MappingError as error:
            raise InvalidError(f"{self._api.host}{collection.one}: {error}: correct `item`") from None

    def changed(self, notification: Notification) -> Sequence[Key]:
        return notifications.changed(self._config, notification)

    def _parent(self, key: Key) -> str:
        """The native id of a version's model, which only the model can tell where a notification left it open."""
        parent = unquote(key.native_id.partition("/")[0])
        return self.get(Key("model", parent)).key.native_id if parent.endswith(OPEN) else parent

    def _info(self, info: Info) -> tuple[str, str, tuple[str, ...] | None]:
        """Version, identity, and what the credential may do. Errors: any `AdapterError`."""
        answer = self._api.read(info.path).json()
        try:
            version, identity = (str(part.of(answer) or "") for part in (info.version, info.identity))
            listed = None if info.rights is None else info.rights.of(answer)
            rights = None if listed is None else as_names(listed, "info.rights")
        except MappingError as error:
            raise InvalidError(f"{self._api.host}{info.path}: {error}: correct `info`") from None
        if not identity:
            raise InvalidError(f"{self._api.host}{info.path}: `info.identity` finds nothing: correct it")
        return version or "unknown", identity, rights

    def _try_models(self) -> None:
        """The dry run against the backend: its first model must fit the mapping."""
        models = self._config.models
        for raw in self._api.page(models, models.path, None, 1).items[:1]:
            try:
                self._translate.model(raw)
            except BadRecordError as error:
                raise InvalidError(f"{self._api.host}{models.path}: {error}") from None

    def _rehearse(self) -> None:
        """The dry run against the samples of the configuration. Errors: `InvalidError`."""
        config = self._config
        try:
            if config.models.sample:
                self._translate.model(config.models.sample)
            if config.versions.sample:
                self._translate.version(config.versions.sample, "sample" if config.versions.nested else None)
            if config.endpoints is not None and config.endpoints.sample:
                self._translate.endpoint(config.endpoints.sample)
        except BadRecordError as error:
            raise InvalidError(f"the mapping does not fit its own sample: {error}") from None
