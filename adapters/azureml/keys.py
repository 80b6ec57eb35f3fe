"""Native ids: `NAME@CREATED` is a model, the same with `/VERSION@CREATED` behind it a version.

CREATED is the time of creation as Azure tells it: what is made again under a name is another one.
"""

import re
from typing import NamedTuple

from adapters.errors import BadRecordError, NotFoundError
from adapters.payloads import Raw, excerpt, text
from adapters.records import Key

_NAME, _TIME = r"[^/@#?%\x00-\x20\x7f]{1,255}", r"[0-9A-Za-z:.+-]{1,40}"
_NATIVE = re.compile(rf"({_NAME})@({_TIME})(?:/({_NAME})@({_TIME}))?")


class NativeId(NamedTuple):
    """What a native id holds; `version` and `made` are None for a model."""

    name: str
    created: str
    version: str | None = None
    made: str | None = None

    @property
    def model(self) -> Key:
        """The key of the model."""
        return Key("model", f"{self.name}@{self.created}")

    @property
    def key(self) -> Key:
        """The key."""
        if self.version is None:
            return self.model
        return Key("version", f"{self.model.native_id}/{self.version}@{self.made}")

    @property
    def path(self) -> str:
        """Where it is, below the workspace or registry."""
        return f"/models/{self.name}" + ("" if self.version is None else f"/versions/{self.version}")


def split(key: Key) -> NativeId:
    """What a key holds. Errors: `NotFoundError` for one that nobody made."""
    found = _NATIVE.fullmatch(key.native_id)
    if found is None or key.kind != ("version" if found[3] else "model"):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return NativeId(found[1], found[2], found[3], found[4])


def of_model(raw: Raw) -> NativeId:
    """What a model's JSON says of itself. Errors: `BadRecordError`."""
    return _sound(NativeId(text(raw, "name") or "", _created(raw)), raw)


def of_version(model: NativeId, raw: Raw) -> NativeId:
    """The same of a version of this model."""
    return _sound(model._replace(version=text(raw, "name") or "", made=_created(raw)), raw)


def _created(raw: Raw) -> str:
    return text(raw, "systemData", "createdAt") or "-"


def _sound(made: NativeId, raw: Raw) -> NativeId:
    if _NATIVE.fullmatch(made.key.native_id) is None or made.version == "":
        raise BadRecordError(f"a record has no name or time: {excerpt(raw)}", native=made.name)
    return made
