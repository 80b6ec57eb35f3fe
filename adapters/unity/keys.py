"""Native ids of models and versions: `CATALOG.SCHEMA.NAME#ID`, and the same with `/VERSION#ID` behind it.

ID is what the metastore knows it by, whatever its name. Databricks tells it of a model only by where its files lie;
where nothing tells it, ID is the time of creation, by which no renamed model is known again.
"""

import re
from typing import NamedTuple

from adapters.errors import BadRecordError, NotFoundError
from adapters.payloads import Raw, excerpt, integer, text
from adapters.records import Key

PART = r"[^./\x00-\x20\x7f]{1,255}"
"""One of the three names of a model."""
_NATIVE = re.compile(rf"({PART}\.{PART}\.{PART})#([^#/]{{1,100}})(?:/(\d{{1,18}})#([^#/]{{1,100}}))?")

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class NativeId(NamedTuple):
    """What a native id holds; `version` and `version_id` are None for a model."""

    name: str
    id: str
    version: str | None = None
    version_id: str | None = None

    @property
    def model(self) -> Key:
        """The key of the model."""
        return Key("model", f"{self.name}#{self.id}")

    @property
    def key(self) -> Key:
        """The key."""
        if self.version is None:
            return self.model
        return Key("version", f"{self.model.native_id}/{self.version}#{self.version_id}")


def split(key: Key) -> NativeId:
    """What a key holds. Errors: `NotFoundError` for one that nobody made."""
    found = _NATIVE.fullmatch(key.native_id)
    if found is None or key.kind != ("version" if found[3] else "model"):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return NativeId(found[1], found[2], found[3], found[4])


def of_model(raw: Raw) -> NativeId:
    """What a model's JSON says of itself. Errors: `BadRecordError`."""
    three = ".".join(text(raw, part) or "" for part in ("catalog_name", "schema_name", "name"))
    made = NativeId(text(raw, "full_name") or three, _ident(raw))
    return _sound(made, raw)


def of_version(model: NativeId, raw: Raw) -> NativeId:
    """The same of a version of this model. Its number is an integer, or a text with one."""
    number = integer(raw.get("version"))
    return _sound(model._replace(version=str(number), version_id=_ident(raw)), raw)


def succeeds(new: Key, old: Key) -> bool:
    """Whether a key is that of a model, or of one of its versions, under another name."""
    if new.kind != old.kind or new == old:
        return False
    mine = split(new)._replace(name="")
    return not mine.id.isdecimal() and mine == split(old)._replace(name="")


def _ident(raw: Raw) -> str:
    place = _UUID.search(text(raw, "storage_location") or "")
    return text(raw, "id") or (place[0] if place else str(integer(raw.get("created_at"))))


def _sound(made: NativeId, raw: Raw) -> NativeId:
    if _NATIVE.fullmatch(made.key.native_id) is None:
        raise BadRecordError(f"a record has no name, number or id: {excerpt(raw)}", native=made.name)
    return made
