"""The adapter's face: what the contract asks for, as the configuration describes it."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from adapters.contract import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    Observer,
    Page,
    Registration,
    StageField,
)
from adapters.errors import BadRecordError, ConflictError, InvalidError, NotFoundError, UnsupportedError
from adapters.records import Key, ModelRecord, PageToken, Record, VersionRecord, Watermark
from adapters.rest.client import RestApi, fill
from adapters.rest.config import Collection, RestConfig
from adapters.rest.expressions import MappingError
from adapters.rest.records import Translator, address
from adapters.rest.walk import Walk, since_of

NEEDS: Mapping[Capability, tuple[str, ...]] = {
    Capability.SET_STAGE: ("set_stage",),
    Capability.SET_ALIAS: ("set_alias",),
    Capability.SET_TAGS: ("set_tags", "set_model_tags"),
    Capability.REGISTER: ("register",),
    Capability.DELETE: ("delete", "delete_model"),
}


class RestAdapter(Adapter):
    """Speaks to any REST API that its configuration describes. What it cannot write follows from what is left out.

    An incremental scan asks for what changed since the backend's own clock (its `Date` header) at the last scan's
    start, where the configuration says how; it lists the rest whole.
    """

    kind: ClassVar[str] = "rest"
    contract: ClassVar[int] = 1
    reading: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = RestConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    stage_fields: ClassVar[frozenset[StageField]] = frozenset({"stage"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:production", "alias:champion", "alias:production"),
        "staging": ("stage:staging", "alias:challenger", "alias:staging"),
        "archived": ("stage:archived",),
    }

    def __init__(self, config: RestConfig) -> None:
        self._config = config
        self._api = RestApi(config)
        self._translate = Translator(config)
        self._walk = Walk(self._api, self._translate)
        self._rehearse()

    def __repr__(self) -> str:
        return f"RestAdapter({self._api.host})"

    def probe(self) -> BackendInfo:
        info = self._config.info
        version, identity = "unknown", self._config.url
        if info is not None:
            answer = self._api.read(info.path).json()
            try:
                version, identity = (str(part.of(answer) or "") for part in (info.version, info.identity))
            except MappingError as error:
                raise InvalidError(f"{self._api.host}{info.path}: {error}: correct `info`") from None
            if not identity:
                raise InvalidError(f"{self._api.host}{info.path}: `info.identity` finds nothing: correct it")
        self._try_models()
        missing = {
            capability: [name for name in names if self._config.writes.of(name) is None]
            for capability, names in NEEDS.items()
        }
        unavailable = frozenset(c for c, names in missing.items() if len(names) == len(NEEDS[c]))
        told = sorted(
            f"writes.{name} is not configured: it cannot be done here" for n in missing.values() for name in n
        )
        return BackendInfo(version or "unknown", identity, tuple(told), unavailable)

    def scan(self, *, since: Watermark | None, page: PageToken | None, limit: int) -> Page:
        at = since_of(since)
        if at is not None:
            at -= max(
                (c.since.overlap for c in (self._config.models, self._config.versions) if c.since), default=0
            )
        return self._walk.page(at, page, limit)

    def get(self, key: Key) -> Record:
        if key.kind == "endpoint":
            raise NotFoundError(f"endpoint {key.native_id} does not exist: this backend has none")
        collection: Collection = self._config.models if key.kind == "model" else self._config.versions
        raw = self._one(collection, address(key))
        found: Record
        if key.kind == "model":
            found = self._translate.model(raw)
        else:
            found = self._translate.version(raw, self._parent(key) if self._config.versions.nested else None)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {key.native_id} does not exist: another one has its name")
        return found

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        if field != "stage":
            raise InvalidError(f"the rest adapter writes no {field}: write `stage`")
        now = self._version(key)
        if now.stage == value:
            return now
        _compare(now, etag)
        self._send("set_stage", etag, {**address(key), "version": now.version, "value": value})
        return self.get(key)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        now = self._model(key)
        if now.aliases.get(alias) == version:
            return now
        _compare(now, etag)
        aliases = {name: target for name, target in now.aliases.items() if name != alias}
        if version is not None:
            aliases[alias] = version
        gone = version is None and self._config.writes.remove_alias is not None
        values = {**address(key), "alias": alias, "version": version, "aliases": aliases}
        self._send("remove_alias" if gone else "set_alias", etag, values)
        return self.get(key)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        now = self._model(key) if key.kind == "model" else self._version(key)
        merged = {name: value for name, value in {**now.tags, **tags}.items() if value is not None}
        if merged == now.tags:
            return now
        _compare(now, etag)
        values: dict[str, Any] = {**address(key), "tags": merged, "changes": dict(tags)}
        if isinstance(now, VersionRecord):
            values["version"] = now.version
        self._send("set_model_tags" if key.kind == "model" else "set_tags", etag, values)
        return self.get(key)

    def register(self, registration: Registration) -> VersionRecord:
        values = {
            "name": registration.model,
            "source": registration.source,
            "description": registration.description,
            "run_id": registration.run_id,
            "tags": dict(registration.tags),
            "token": registration.token,
        }
        raw = self._config.versions.item.of(self._send("register", None, values))
        if self._config.versions.nested:
            raise UnsupportedError(
                "a version registered below a model cannot be read back: list versions all at once"
            )
        found = self.get(self._translate.version(raw, None).key)
        assert isinstance(found, VersionRecord)
        return found

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        try:
            now = self.get(key)
        except NotFoundError:
            return
        assert isinstance(now, ModelRecord | VersionRecord)
        _compare(now, etag)
        values = dict(address(key))
        if isinstance(now, VersionRecord):
            values["version"] = now.version
        self._send("delete_model" if key.kind == "model" else "delete", etag, values)

    def observe(self, observer: Observer) -> None:
        self._api.observe(observer)

    def credentials(self) -> tuple[str, ...]:
        return self._api.tokens

    def close(self) -> None:
        self._api.close()

    def _one(self, collection: Collection, values: Mapping[str, str]) -> Any:
        try:
            return collection.item.of(self._api.read(fill(collection.one, values)).json())
        except MappingError as error:
            raise InvalidError(f"{self._api.host}{collection.one}: {error}: correct `item`") from None

    @staticmethod
    def _parent(key: Key) -> str:
        return unquote(key.native_id.partition("/")[0])

    def _model(self, key: Key) -> ModelRecord:
        found = self.get(key) if key.kind == "model" else None
        if not isinstance(found, ModelRecord):
            raise NotFoundError(f"model {key.native_id} does not exist")
        return found

    def _version(self, key: Key) -> VersionRecord:
        found = self.get(key) if key.kind == "version" else None
        if not isinstance(found, VersionRecord):
            raise NotFoundError(f"version {key.native_id} does not exist")
        return found

    def _send(self, operation: str, etag: str | None, values: Mapping[str, Any]) -> Any:
        write = self._config.writes.of(operation)
        if write is None:
            raise UnsupportedError(
                f"writes.{operation} is not configured: do it in the backend itself, or describe the request"
            )
        body = _body(write.body, values)
        reply = self._api.write(
            write.method, fill(write.path, values), body, etag if write.if_match else None
        )
        return reply.json() if operation == "register" else None

    def _try_models(self) -> None:
        """The dry run against the backend: its first model must fit the mapping."""
        models = self._config.models
        for raw in self._api.page(models, models.path, None, 1, None).items[:1]:
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
        except BadRecordError as error:
            raise InvalidError(f"the mapping does not fit its own sample: {error}") from None


def _body(template: Any, values: Mapping[str, Any]) -> Any:
    """A body with its names replaced; a string that is one name alone becomes the value itself."""
    if isinstance(template, dict):
        return {name: _body(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [_body(value, values) for value in template]
    if not isinstance(template, str):
        return template
    alone = template[1:-1] if template[:1] == "{" and template[-1:] == "}" else ""
    return values[alone] if alone in values else template.format_map(values)


def _compare(record: ModelRecord | VersionRecord, etag: str | None) -> None:
    if etag is not None and record.etag != etag:
        raise ConflictError(
            f"{record.key.kind} {record.key.native_id} has changed since it was read: read it again"
        )
