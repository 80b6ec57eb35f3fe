"""From a backend's JSON to records, by the configured expressions."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

from adapters.errors import BadRecordError, NotFoundError
from adapters.records import EndpointRecord, Key, Lineage, ModelRecord, Traffic, Unread, VersionRecord
from adapters.rest.config import LINEAGE, Collection, RestConfig
from adapters.rest.expressions import Expression, MappingError, as_numbers, as_text, as_texts, as_time
from adapters.rest.lineage import as_datasets, as_names, as_parents
from adapters.rest.schema import as_schema
from adapters.writing import digest

OPEN = "@"
"""Behind an id instead of its incarnation: whatever lives under the id now."""
RELATED = "_related"
"""Where a version's JSON holds the rows of other listings that belong to it; null: they could not be read."""


def as_traffic(value: Any, where: str) -> tuple[Traffic, ...]:
    """Of each: {model, version, percent} with the ids of both; 100 where no percentage is said.

    Errors: `MappingError`.
    """
    if not isinstance(value, list | None) or not all(isinstance(one, Mapping) for one in value or ()):
        raise MappingError(f"{where} is no list of objects {{model, version, percent}}")
    return tuple(_share(one, where) for one in value or ())


def _share(one: Mapping[str, Any], where: str) -> Traffic:
    model, version, percent = one.get("model"), one.get("version"), one.get("percent")
    if not isinstance(model, str | int) or not isinstance(version, str | int):
        raise MappingError(f"{where}: `model` and `version` are ids")
    if not isinstance(percent, int | float | None) or not 0 <= (percent or 0) <= 100:
        raise MappingError(f"{where}: `percent` is a number from 0 to 100")
    key = _version_key(quote(str(model), safe=""), quote(str(version), safe=""))
    return Traffic(key, 100.0 if percent is None else float(percent))


def _as_live(value: Any, where: str) -> bool:
    if not isinstance(value, bool | None):
        raise MappingError(f"{where} is {type(value).__name__}, expected true or false")
    return value is not False


Reader = Callable[[Any, str], Any]
READERS: Mapping[str, Reader] = {
    "tags": as_texts,
    "aliases": as_texts,
    "params": as_texts,
    "metrics": as_numbers,
    "created_at": as_time,
    "updated_at": as_time,
    "datasets": as_datasets,
    "parents": as_parents,
    "dependencies": as_names,
    "schema": as_schema,
    "traffic": as_traffic,
    "live": _as_live,
}


class Translator:
    """Maps models, versions and endpoints. Errors of every method: `BadRecordError`, naming record and expression."""

    def __init__(self, config: RestConfig) -> None:
        self.models, self.versions, self.endpoints = config.models, config.versions, config.endpoints
        self._url = config.url

    def model(self, raw: Any) -> ModelRecord:
        """A model from its JSON."""
        fields = self._fields(raw, self.models, "model")
        name = fields.pop("name")
        if not name:
            raise BadRecordError("a model has no name: `models.fields.name` finds none", native=_hint(raw))
        key = Key("model", self.model_id(raw))
        fields["etag"] = fields.get("etag") or digest(raw)
        return ModelRecord(key=key, name=name, native=raw, **fields)

    def version(self, raw: Any, parent: str | None) -> VersionRecord:
        """A version from its JSON; `parent` is its model's native id where it was listed below it."""
        fields = self._fields(raw, self.versions, "version")
        name = fields.pop("version")
        if not name:
            raise BadRecordError(
                "a version has no number: `versions.fields.version` finds none", native=_hint(raw)
            )
        model = parent if parent is not None else self.parent(raw)
        lineage = Lineage(**{each: fields.pop(each) for each in LINEAGE if each in fields})
        key = _version_key(model, _identity(raw, self.versions))
        fields["etag"] = fields.get("etag") or digest(raw)
        fields["unread"] = self._unread(raw)
        return VersionRecord(
            key=key, model=Key("model", model), version=name, lineage=lineage, native=raw, **fields
        )

    def endpoint(self, raw: Any) -> EndpointRecord:
        """An endpoint from its JSON."""
        assert self.endpoints is not None
        fields = self._fields(raw, self.endpoints, "endpoint")
        name = fields.pop("name")
        if not name:
            raise BadRecordError(
                "an endpoint has no name: `endpoints.fields.name` finds none", native=_hint(raw)
            )
        fields["etag"] = fields.get("etag") or digest(raw)
        return EndpointRecord(
            key=Key("endpoint", _identity(raw, self.endpoints)), name=name, native=raw, **fields
        )

    def model_id(self, raw: Any) -> str:
        """A model's native id: its id and, where configured, its incarnation."""
        return _identity(raw, self.models)

    def parent(self, raw: Any) -> str:
        """The native id of a version's model, where versions are listed all at once."""
        assert self.versions.model is not None
        return quote(_plain(self.versions.model, raw, "versions.model"), safe="")

    def _fields(self, raw: Any, collection: Collection, what: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise BadRecordError(
                f"a {what} is {type(raw).__name__}, not an object: correct `items`", native=_hint(raw)
            )
        found: dict[str, Any] = {}
        for name, expression in collection.fields.items():
            read: Reader = READERS.get(name) or as_text
            try:
                found[name] = read(expression.of(raw), name)
            except MappingError as error:
                line = f"a {what} does not fit its mapping: {error}"
                raise BadRecordError(line, native=_hint(raw)) from None
        if found.get("type", "") is None:
            del found["type"]
        for name in ("url", "run_url"):
            if (found.get(name) or "").startswith("/"):
                found[name] = urljoin(f"{self._url}/", found[name])
        return found

    def _unread(self, raw: Any) -> Unread | None:
        """The fields that follow from what could not be read."""
        closed = [name for name, rows in raw.get(RELATED, {}).items() if rows is None]
        if not closed:
            return None
        names = [
            f"lineage.{name}" if name in LINEAGE else name
            for name, expression in self.versions.fields.items()
            if any(f"{RELATED}.{one}" in expression for one in closed)
        ]
        paths = ", ".join(self.versions.related[one].path for one in closed)
        return Unread((*names, f"native.{RELATED}"), f"the registry's credentials may not read {paths}")


def _version_key(model: str, version: str) -> Key:
    """The key of a version by the native ids of its model and of itself."""
    return Key("version", f"{quote(model, safe='')}/{quote(version, safe='')}")


def _identity(raw: Any, collection: Collection) -> str:
    made = quote(_plain(collection.id, raw, "id"), safe="")
    if collection.incarnation is None:
        return made
    return f"{made}@{quote(_plain(collection.incarnation, raw, 'incarnation'), safe='')}"


def _plain(expression: Expression, raw: Any, where: str) -> str:
    try:
        found = expression.of(raw)
    except MappingError as error:
        raise BadRecordError(
            f"a record does not fit its mapping: {where}: {error}", native=_hint(raw)
        ) from None
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise BadRecordError(
            f"a record has no {where}: {expression!s} finds {type(found).__name__}", native=_hint(raw)
        )
    return str(found)


def address(key: Key) -> dict[str, str]:
    """What `{id}` and `{model}` stand for in the paths of a key. Errors: `NotFoundError` for an id of no such form."""
    model, slash, version = key.native_id.partition("/")
    if bool(slash) != (key.kind == "version"):
        raise NotFoundError(f"{key.kind} {key.native_id} does not exist")
    if key.kind == "version":
        return {"id": _bare(unquote(version)), "model": _bare(unquote(model))}
    return {"id": _bare(model)}


def is_met_by(key: Key, found: Key) -> bool:
    """Whether what lives under an id now, `found`, is what a key means."""
    parts = [
        list(map(unquote, one.native_id.split("/"))) if one.kind == "version" else [one.native_id]
        for one in (key, found)
    ]
    return key.kind == found.kind and all(
        other.startswith(one) if one.endswith(OPEN) else other == one
        for one, other in zip(*parts, strict=True)
    )


def _bare(native: str) -> str:
    return unquote(native.partition("@")[0])


def _hint(raw: Any) -> str:
    named = raw if isinstance(raw, Mapping) else {}
    found = named.get("id") or named.get("name")
    return str(found)[:100] if isinstance(found, str | int) else json.dumps(raw, default=str)[:100]
