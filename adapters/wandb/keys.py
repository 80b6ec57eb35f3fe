"""Native ids: `REGISTRY/COLLECTION#ID` is a model, the same with `/vN#ID` behind it what is linked to it.

ID is the service's own: what is linked again, and a collection that is made again, is another one.
"""

import re
from typing import NamedTuple

from adapters.errors import BadRecordError, NotFoundError
from adapters.payloads import Raw, excerpt, integer, text
from adapters.records import Key

PREFIX = "wandb-registry-"
"""What the project of a registry begins with."""
_NAME = r"[^/#\x00-\x1f\x7f]{1,256}"
_NATIVE = re.compile(rf"({_NAME})/({_NAME})#([^#/\s]{{1,200}})(?:/v(\d{{1,18}})#([^#/\s]{{1,200}}))?")


ADDRESS = re.compile(r"wandb-artifact://([^/:]+)/([^/:]+)/([^/:]+:v\d+)")
"""Entity, project and name of an artifact where it was logged."""


class NativeId(NamedTuple):
    """What a native id holds; `number` and `link` are None for a model."""

    registry: str
    collection: str
    id: str
    number: str | None = None
    link: str | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return f"{self.registry}/{self.collection}"

    @property
    def model(self) -> Key:
        """The key of the collection."""
        return Key("model", f"{self.name}#{self.id}")

    @property
    def key(self) -> Key:
        """The key."""
        if self.number is None:
            return self.model
        return Key("version", f"{self.model.native_id}/v{self.number}#{self.link}")


def split(key: Key) -> NativeId:
    """What a key holds. Errors: `NotFoundError` for one that nobody made."""
    found = _NATIVE.fullmatch(key.native_id)
    if found is None or key.kind != ("version" if found[4] else "model"):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return NativeId(found[1], found[2], found[3], found[4], found[5])


def of_collection(raw: Raw) -> NativeId:
    """What a collection says of itself. Errors: `BadRecordError`."""
    project = text(raw, "project", "name") or ""
    made = NativeId(project.removeprefix(PREFIX), text(raw, "name") or "", text(raw, "id") or "")
    return _sound(made, raw)


def of_link(raw: Raw) -> NativeId:
    """The same of a link between a collection and an artifact. Errors: `BadRecordError`."""
    found = raw.get("artifactCollection")
    number = integer(raw.get("versionIndex"))
    collection = of_collection(found if isinstance(found, dict) else {})
    return _sound(collection._replace(number=str(number), link=text(raw, "id") or ""), raw)


def succeeds(new: Key, old: Key) -> bool:
    """Whether a key is that of a collection, or of a link, under another name."""
    if new.kind != old.kind or new == old:
        return False
    return split(new)._replace(registry="", collection="") == split(old)._replace(registry="", collection="")


def _sound(made: NativeId, raw: Raw) -> NativeId:
    if _NATIVE.fullmatch(made.key.native_id) is None:
        raise BadRecordError(f"a record has no name, number or id: {excerpt(raw)}", native=made.name)
    return made
