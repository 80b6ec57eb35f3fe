"""From a backend's JSON to records, by the configured expressions."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from adapters.errors import BadRecordError, NotFoundError
from adapters.records import Key, Lineage, ModelRecord, VersionRecord
from adapters.rest.config import Collection, RestConfig
from adapters.rest.expressions import Expression, MappingError, as_numbers, as_text, as_texts, as_time
from adapters.writing import digest

READERS = {
    "tags": as_texts,
    "aliases": as_texts,
    "params": as_texts,
    "metrics": as_numbers,
    "created_at": as_time,
    "updated_at": as_time,
}
OPEN = "@"
"""Behind an id instead of its incarnation: whatever lives under the id now."""
LINEAGE = ("run_id", "commit", "repository")


class Translator:
    """Maps models and versions. Errors of every method: `BadRecordError`, naming record and expression."""

    def __init__(self, config: RestConfig) -> None:
        self.models, self.versions = config.models, config.versions

    def model(self, raw: Any) -> ModelRecord:
        """A model from its JSON."""
        fields = _fields(raw, self.models, "model")
        name = fields.pop("name")
        if not name:
            raise BadRecordError("a model has no name: `models.fields.name` finds none", native=_hint(raw))
        key = Key("model", self.model_id(raw))
        fields["etag"] = fields.get("etag") or digest(raw)
        return ModelRecord(key=key, name=name, native=raw, **fields)

    def version(self, raw: Any, parent: str | None) -> VersionRecord:
        """A version from its JSON; `parent` is its model's native id where it was listed below it."""
        fields = _fields(raw, self.versions, "version")
        name = fields.pop("version")
        if not name:
            raise BadRecordError(
                "a version has no number: `versions.fields.version` finds none", native=_hint(raw)
            )
        model = parent if parent is not None else self.parent(raw)
        lineage = Lineage(**{each: fields.pop(each, None) for each in LINEAGE})
        key = Key("version", f"{quote(model, safe='')}/{quote(_identity(raw, self.versions), safe='')}")
        fields["etag"] = fields.get("etag") or digest(raw)
        return VersionRecord(
            key=key, model=Key("model", model), version=name, lineage=lineage, native=raw, **fields
        )

    def model_id(self, raw: Any) -> str:
        """A model's native id: its id and, where configured, its incarnation."""
        return _identity(raw, self.models)

    def parent(self, raw: Any) -> str:
        """The native id of a version's model, where versions are listed all at once."""
        assert self.versions.model is not None
        return quote(_plain(self.versions.model, raw, "versions.model"), safe="")


def _fields(raw: Any, collection: Collection, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BadRecordError(
            f"a {what} is {type(raw).__name__}, not an object: correct `items`", native=_hint(raw)
        )
    found: dict[str, Any] = {}
    for name, expression in collection.fields.items():
        try:
            found[name] = READERS.get(name, as_text)(expression.of(raw), name)
        except MappingError as error:
            raise BadRecordError(f"a {what} does not fit its mapping: {error}", native=_hint(raw)) from None
    if found.get("type", "") is None:
        del found["type"]
    return found


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
