"""Native ids of repositories, their main branch and their tags.

`ID/NAME` is a model, where ID is what the Hub itself knows it by, whatever its name; `ID/NAME@main` is the head of its
main branch, and `ID/NAME@TAG#COMMIT` what a tag names: a tag that is made again elsewhere is another version.
"""

import re
from typing import NamedTuple

from adapters.errors import NotFoundError
from adapters.records import Key

MAIN = "main"
"""The branch that every repository of the Hub has."""
NOW = "-"
"""The commit of whatever a tag names now."""
_NAME = r"(?!\.)[\w.-]{1,96}"
_NATIVE = re.compile(
    rf"([0-9a-f]{{24}})/((?:{_NAME}/)?{_NAME})(?:@(main)|@(.{{1,1000}})#(-|[0-9a-f]{{40}}))?",
    re.ASCII | re.DOTALL,
)


class NativeId(NamedTuple):
    """What a native id holds. `tag` is None for a model, `main` for the main branch, which has no `commit`."""

    id: str
    name: str
    tag: str | None = None
    commit: str = ""

    @property
    def model(self) -> Key:
        """The key of the repository."""
        return Key("model", f"{self.id}/{self.name}")

    @property
    def version(self) -> Key:
        """The key of the version."""
        at = f"#{self.commit}" if self.commit else ""
        return Key("version", f"{self.id}/{self.name}@{self.tag}{at}")

    def is_met_by(self, commit: str | None) -> bool:
        """Whether a tag at this commit is the one that is meant."""
        return commit is not None and self.commit in (NOW, commit)


def split(key: Key) -> NativeId:
    """What a key holds. Errors: `NotFoundError` for one that nobody made."""
    found = _NATIVE.fullmatch(key.native_id)
    if found is None or key.kind != ("version" if found[3] or found[4] else "model"):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return NativeId(found[1], found[2], found[3] or found[4], found[5] or "")


def is_readable(key: Key) -> bool:
    """Whether a key that was made of what the Hub says is one that `split` reads."""
    return _NATIVE.fullmatch(key.native_id) is not None


def succeeds(new: Key, old: Key) -> bool:
    """Whether a key is that of a repository, or of one of its versions, under another name."""
    if new.kind != old.kind or new == old:
        return False
    mine, other = split(new), split(old)
    return mine._replace(name="") == other._replace(name="")
