"""Native ids: a model's name is `CATALOG.SCHEMA.NAME`, a version's a number.

An id is what the metastore knows something by, whatever its name. Databricks tells it of a model only by where its
files lie; where nothing tells it, it is the time of creation, by which no renamed model is known again.
"""

import re

from adapters.keys import KeyParts, KeyShape
from adapters.payloads import Raw, integer, text
from adapters.records import Key

PART = r"[^./\x00-\x20\x7f]{1,255}"
"""One of the three names of a model."""
SHAPE = KeyShape(name=rf"{PART}\.{PART}\.{PART}", version=r"\d{1,18}", ident=r"[^#/]{1,100}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
split = SHAPE.split


def of_model(raw: Raw) -> KeyParts:
    """What a model's JSON says of itself. Errors: `BadRecordError`."""
    three = ".".join(text(raw, part) or "" for part in ("catalog_name", "schema_name", "name"))
    return SHAPE.of_model(raw, text(raw, "full_name") or three, _ident(raw))


def of_version(model: KeyParts, raw: Raw) -> KeyParts:
    """The same of a version of this model. Its number is an integer, or a text with one."""
    return SHAPE.of_version(model, raw, integer(raw.get("version")), _ident(raw))


def succeeds(new: Key, old: Key) -> bool:
    """Whether a key is that of a model, or of one of its versions, under another name."""
    return SHAPE.succeeds(new, old) and not split(new).id.isdecimal()


def _ident(raw: Raw) -> str:
    place = _UUID.search(text(raw, "storage_location") or "")
    return text(raw, "id") or (place[0] if place else str(integer(raw.get("created_at"))))
