"""From the other gateway's whole records to ours: names, keys and references with its registry in front.

- The stage is what the other gateway makes of its backend's words, `stage_reason` and the words themselves stay in the
  native payload; approval, lifecycle, aliases and tags come as they are.
- What a version needs comes as whole references of the other gateway, which are models of this registry here. They
  stand in its lineage; the tag `depends_on` is left out, as it would be read as a reference of this gateway.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, cast, get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from adapters.errors import BadRecordError
from adapters.payloads import Raw, excerpt, part, parts, text
from adapters.records import (
    Deleted,
    EndpointRecord,
    Key,
    Lineage,
    ModelRecord,
    Parent,
    ParentKind,
    Record,
    VersionRecord,
)
from adapters.waypost.client import InnerRegistry
from adapters.waypost.keys import outer

R = TypeVar("R", bound=Record)
DEPENDS_ON = "depends_on"
PARENTS = get_args(ParentKind)
_MODEL, _VERSION = TypeAdapter(ModelRecord), TypeAdapter(VersionRecord)
_ENDPOINT, _KEY = TypeAdapter(EndpointRecord), TypeAdapter(Key)
_OWN = frozenset({"key", "model", "stage", "native", "lineage"})
"""Fields of a record that are other ones here, and stay as they came in the native payload."""


def to_model(registry: InnerRegistry, raw: Raw) -> ModelRecord:
    """A model. Errors: `BadRecordError`."""
    said = _read(_MODEL, registry, raw)
    return replace(
        said,
        key=outer(registry.name, said.key),
        name=f"{registry.name}/{said.name}",
        tags=_tags(registry, said.tags, {}),
        url=_link(said.url),
        native=_native(registry, raw),
    )


def to_version(registry: InnerRegistry, raw: Raw) -> VersionRecord:
    """A version. Errors: `BadRecordError`."""
    said = _read(_VERSION, registry, raw)
    stage, reason = text(raw, "stage"), text(raw, "stage_reason")
    return replace(
        said,
        key=outer(registry.name, said.key),
        model=outer(registry.name, said.model),
        stage=None if stage == "none" else stage,
        tags=_tags(registry, said.tags, {"peer.stage_reason": reason} if reason else {}),
        lineage=_lineage(said.lineage, raw),
        url=_link(said.url),
        native=_native(registry, raw),
    )


def to_endpoint(registry: InnerRegistry, raw: Raw) -> EndpointRecord:
    """What serves. Errors: `BadRecordError`."""
    said = _read(_ENDPOINT, registry, raw)
    return replace(
        said,
        key=outer(registry.name, said.key),
        name=f"{registry.name}/{said.name}",
        traffic=tuple(replace(one, version=outer(registry.name, one.version)) for one in said.traffic),
        url=_link(said.url),
        native=_native(registry, raw),
    )


def to_deleted(registry: InnerRegistry, raw: Raw) -> Deleted:
    """What is gone there. Errors: `BadRecordError`."""
    try:
        return Deleted(outer(registry.name, _KEY.validate_python(raw)))
    except ValidationError:
        raise BadRecordError(f"a key cannot be read: {excerpt(raw)}", native=registry.name) from None


def _read(kind: TypeAdapter[R], registry: InnerRegistry, raw: Raw) -> R:
    native = text(raw, "record", "key", "native_id") or text(raw, "ref") or "?"
    try:
        return kind.validate_python(raw.get("record"))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "record"
        raise BadRecordError(
            f"a record of {registry.name} cannot be read: {where}: {first['msg'].lower()}",
            native=f"{registry.name}/{native}",
        ) from None


def _tags(registry: InnerRegistry, said: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in said.items() if name != DEPENDS_ON}
    place = {"peer.registry": registry.name, "peer.kind": registry.kind, "peer.team": registry.team}
    return {**kept, **{name: value for name, value in place.items() if value}, **more}


def _lineage(said: Lineage, raw: Raw) -> Lineage:
    dependencies, parents = list[str](), list[Parent]()
    needs = list(parts(raw, "needs"))
    if not (needs or said.dependencies or said.parents):
        return said
    for need in needs:
        ref, relation = text(need, "ref"), text(need, "relation")
        if ref is None:
            continue
        if relation is None:
            dependencies.append(of_here(ref))
        else:
            kind = cast(ParentKind, relation if relation in PARENTS else "parent")
            parents.append(Parent(of_here(ref), kind))
    return replace(
        said, dependencies=tuple(dict.fromkeys(dependencies)), parents=tuple(dict.fromkeys(parents))
    )


def of_here(ref: str) -> str:
    """A whole reference of the other gateway as one of this registry and no other: with the `/` of its model's name
    encoded, nothing of it can be the name of a registry here. Addresses, and what is no reference, stay as they are.
    """
    end = min((at for sign in ":@" if (at := ref.find(sign)) >= 0), default=len(ref))
    model = ref[:end]
    if "/" not in model or ref[end : end + 2] == ":/" or model.startswith("//"):
        return ref
    return model.replace("/", "%2F") + ref[end:]


def _link(url: str | None) -> str | None:
    """A link for people, where it is one."""
    try:
        found = urlsplit(url or "")
        fine = found.scheme in ("http", "https") and bool(found.hostname) and "@" not in found.netloc
    except ValueError:
        return None
    return url if fine else None


def _native(registry: InnerRegistry, raw: Raw) -> Raw:
    """What came: of the record what is another here, and what this release does not know."""
    record = part(raw, "record")
    rest = {name: value for name, value in record.items() if name in _OWN or name not in _KNOWN}
    place: dict[str, Any] = {"registry": registry.name, "kind": registry.kind, "team": registry.team}
    return {**place, **{name: value for name, value in raw.items() if name != "record"}, "record": rest}


_KNOWN = {each.name for kind in (ModelRecord, VersionRecord, EndpointRecord) for each in fields(kind)}
