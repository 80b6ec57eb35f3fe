"""Native ids of backends that tell a name and an id of their own: `NAME#ID` is a model, `NAME#ID/VERSION#ID` a version.

By its id what is made again under a name is another one, and what has another name is the same.
"""

import re
from typing import NamedTuple

from adapters.errors import BadRecordError, NotFoundError
from adapters.payloads import Raw, excerpt
from adapters.records import Key


class KeyParts(NamedTuple):
    """What a key holds; `version` and `version_id` are None for a model. `sign` stands before an id."""

    name: str
    id: str
    version: str | None = None
    version_id: str | None = None
    sign: str = "#"

    @property
    def model(self) -> Key:
        """The key of the model."""
        return Key("model", f"{self.name}{self.sign}{self.id}")

    @property
    def key(self) -> Key:
        """The key."""
        if self.version is None:
            return self.model
        return Key("version", f"{self.model.native_id}/{self.version}{self.sign}{self.version_id}")


class KeyShape:
    """What names, versions and ids look like (patterns without groups) in the keys of a kind."""

    def __init__(self, *, name: str, version: str, ident: str, sign: str = "#") -> None:
        self._sign = sign
        self._whole = re.compile(rf"({name}){sign}({ident})(?:/({version}){sign}({ident}))?")

    def split(self, key: Key) -> KeyParts:
        """What a key holds. Errors: `NotFoundError` for one that nobody made."""
        found = self._whole.fullmatch(key.native_id)
        if found is None or key.kind != ("version" if found[3] else "model"):
            raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
        return KeyParts(found[1], found[2], found[3], found[4], self._sign)

    def of_model(self, raw: Raw, name: str | None, ident: str | None) -> KeyParts:
        """The id of a model with this name and id. Errors: `BadRecordError` for what can be none."""
        return self._sound(KeyParts(name or "", ident or "", sign=self._sign), raw)

    def of_version(self, model: KeyParts, raw: Raw, version: object, ident: str | None) -> KeyParts:
        """The same of a version of this model."""
        return self._sound(model._replace(version=str(version), version_id=ident or ""), raw)

    def succeeds(self, new: Key, old: Key) -> bool:
        """Whether a key has the ids of another one under another name."""
        if new.kind != old.kind or new == old:
            return False
        return self.split(new)._replace(name="") == self.split(old)._replace(name="")

    def _sound(self, made: KeyParts, raw: Raw) -> KeyParts:
        if self._whole.fullmatch(made.key.native_id) is None:
            raise BadRecordError(f"a record has no name, version or id: {excerpt(raw)}", native=made.name)
        return made
