"""From the other gateway's whole records to ours: names, keys and references with its registry in front.

- The stage is what the other gateway makes of its backend's words, `stage_reason` and the words themselves stay in the
  native payload; approval, lifecycle, aliases and tags come as they are.
- What a version needs comes as whole references of the other gateway, which are models of this registry here. They
  stand in its lineage; the tag `depends_on` is left out, as it would be read as a reference of this gateway.
"""

from dataclasses import fields, replace
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from adapters.errors import BadRecordError
from adapters.payloads import Raw, at, excerpt, parts, text
from adapters.records import (
    Deleted,
    EndpointRecord,
    Key,
    ModelRecord,
    ParentKind,
    Record,
    VersionRecord,
)
from adapters.waypost.client import InnerRegistry

R = TypeVar("R", bound=Record)
DEPENDS_ON = "depends_on"
PARENTS = get_args(ParentKind)
_MODEL, _VERSION = TypeAdapter(ModelRecord), TypeAdapter(VersionRecord)
_ENDPOINT, _KEY = TypeAdapter(EndpointRecord), TypeAdapter(Key)
_KEPT = {each.name for kind in (ModelRecord, VersionRecord, EndpointRecord) for each in fields(kind)} - {
    "key", "model", "stage", "native", "lineage",
}  # fmt: skip
"""Fields of a record that are the same here. The others stay as they came in the native payload, as does what this
release does not know.
"""


class InnerRecords:
    """The records of one registry there, as they are here. Errors of every method: `BadRecordError`."""

    def __init__(self, registry: InnerRegistry) -> None:
        self._registry = registry.name
        self._place = {"registry": registry.name, "kind": registry.kind, "team": registry.team}
        self._tags = {f"peer.{name}": value for name, value in self._place.items() if value}

    def model(self, raw: Raw) -> ModelRecord:
        """A model."""
        return self._read(_MODEL, raw, name=self._here(at(raw, "record", "name")))

    def version(self, raw: Raw) -> VersionRecord:
        """A version."""
        stage, reason = text(raw, "stage"), text(raw, "stage_reason")
        return self._read(
            _VERSION,
            raw,
            {"peer.stage_reason": reason} if reason else {},
            model=self._key(at(raw, "record", "model")),
            stage=None if stage == "none" else stage,
            lineage=_lineage(at(raw, "record", "lineage"), raw),
        )

    def endpoint(self, raw: Raw) -> EndpointRecord:
        """What serves."""
        said = self._read(_ENDPOINT, raw, name=self._here(at(raw, "record", "name")))
        traffic = (
            replace(one, version=Key("version", self._here(one.version.native_id))) for one in said.traffic
        )
        return replace(said, traffic=tuple(traffic))

    def deleted(self, raw: Raw) -> Deleted:
        """What is gone there."""
        try:
            return Deleted(_KEY.validate_python(self._key(raw)))
        except ValidationError:
            raise BadRecordError(f"a key cannot be read: {excerpt(raw)}", native=self._registry) from None

    def _read(self, kind: TypeAdapter[R], raw: Raw, tags: Raw | None = None, **here: Any) -> R:
        """A record, with what is another here in the place of what came; what makes no sense is left to be refused."""
        said = raw.get("record")
        if isinstance(said, dict):
            told = said.get("tags", {})
            if isinstance(told, dict):
                kept = {name: value for name, value in told.items() if name != DEPENDS_ON}
                told = {**kept, **self._tags, **(tags or {})}
            rest = {name: value for name, value in said.items() if name not in _KEPT}
            here |= {"key": self._key(said.get("key")), "url": _link(said.get("url")), "tags": told}
            said = {**said, **here, "native": {**self._place, **raw, "record": rest}}
        try:
            return kind.validate_python(said)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "record"
            native = text(raw, "record", "key", "native_id") or text(raw, "ref") or "?"
            raise BadRecordError(
                f"a record of {self._registry} cannot be read: {where}: {first['msg'].lower()}",
                native=self._here(native),
            ) from None

    def _key(self, key: Any) -> Any:
        """The key here of what has this one there."""
        native_id = at(key, "native_id")
        return {**key, "native_id": self._here(native_id)} if isinstance(native_id, str) else key

    def _here(self, name: Any) -> Any:
        """A name or native id, with the registry in front."""
        return f"{self._registry}/{name}" if isinstance(name, str) else name


def _lineage(said: Any, raw: Raw) -> Any:
    """What came, with what the version needs as references of this registry."""
    needs = list(parts(raw, "needs"))
    if not isinstance(said, dict) or not (needs or said.get("dependencies") or said.get("parents")):
        return said
    dependencies, parents = dict[str, None](), dict[tuple[str, str], None]()
    for need in needs:
        ref, relation = text(need, "ref"), text(need, "relation")
        if ref is None:
            continue
        if relation is None:
            dependencies[of_here(ref)] = None
        else:
            parents[of_here(ref), relation if relation in PARENTS else "parent"] = None
    return {
        **said,
        "dependencies": list(dependencies),
        "parents": [{"reference": ref, "kind": kind} for ref, kind in parents],
    }


def of_here(ref: str) -> str:
    """A whole reference of the other gateway as one of this registry and no other: with the `/` of its model's name
    encoded, nothing of it can be the name of a registry here. Addresses, and what is no reference, stay as they are.
    """
    end = min((at for sign in ":@" if (at := ref.find(sign)) >= 0), default=len(ref))
    model = ref[:end]
    if "/" not in model or ref[end : end + 2] == ":/" or model.startswith("//"):
        return ref
    return model.replace("/", "%2F") + ref[end:]


def _link(url: Any) -> Any:
    """A link for people, where it is one."""
    if not isinstance(url, str):
        return url
    try:
        found = urlsplit(url)
        fine = found.scheme in ("http", "https") and bool(found.hostname) and "@" not in found.netloc
    except ValueError:
        return None
    return url if fine else None
