"""Whether the files of one generation of the index are whole, by digests of ours.

The engine writes a segment's files once and never again; its `meta.json` names the segments in use and is replaced at
every commit and merge. So a file that is recorded and in use must be what was recorded, and `meta.json` may only be
another one where it names something that is not recorded yet.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.files import link
from federation.search.vectors.layout import PREFIX
from federation.whole import Digests, Leisure

META, MANAGED = "meta.json", ".managed.json"
TRIES = 5


class _NoMetaError(Exception):
    """`meta.json` is not there or cannot be understood."""


@dataclass(slots=True)
class Proof:
    """The digests of one generation's folder."""

    folder: Path
    digests: Digests = field(init=False)
    _leisure: Leisure = field(default_factory=Leisure)

    def __post_init__(self) -> None:
        self.digests = Digests.load(self.folder)

    def record(self) -> None:
        """Record what the engine has written since. Errors: `OSError`."""
        try:
            segments, deletions = self._in_use()
        except _NoMetaError:
            return
        names = [one.name for one in self.folder.iterdir() if _is_used(one.name, segments, deletions)]
        is_news = set(names) != self.digests.known.keys() - {META} or not self._knows_meta()
        if is_news:
            self.digests.record([*names, META], anew=[META])

    def link(self, into: Path) -> None:
        """Link the files of one commit into an empty folder, and copy the vectors, which are written in place: what
        is half written of them is of a later commit. Errors: `OSError`; `FileNotFoundError` where a merge came between.
        """
        link(self.folder / META, into)
        try:
            segments, deletions = Proof(into)._in_use()
        except _NoMetaError as error:
            raise FileNotFoundError(META) from error
        for one in self.folder.iterdir():
            if _is_used(one.name, segments, deletions):
                link(one, into)
        if missing := deletions - {one.name for one in into.iterdir()}:
            raise FileNotFoundError(min(missing))
        for one in (self.folder / MANAGED, *self.folder.glob(f"{PREFIX}*")):
            shutil.copyfile(one, into / one.name)

    def damage(self, *, thorough: bool = False, opening: bool = False) -> str | None:
        """The name of a file that is not whole; None where all are. `opening`: nobody writes, so that `meta.json`
        too must be what was recorded."""
        found = None
        for _ in range(TRIES):
            try:
                before = self._in_use()
                found = self._damage(*before, thorough=thorough, opening=opening)
                if found is None or self._in_use() == before:
                    return found
            except _NoMetaError:
                found = META
            self.digests = Digests.load(self.folder)  # files went while we looked, after a merge
        return found

    def read_on(self) -> str | None:
        """Read the file whose turn it is again, where it is time; its name where it is not whole."""
        name = self._leisure.next(self.digests)
        if name is None or name == META or self.digests.is_whole(name, thorough=True):
            return None
        return self.damage(thorough=True)

    def _damage(
        self, segments: frozenset[str], deletions: frozenset[str], *, thorough: bool, opening: bool
    ) -> str | None:
        known = self.digests.known
        for name in sorted(known.keys() - {META}):
            if _is_used(name, segments, deletions) and not self.digests.is_whole(name, thorough=thorough):
                return name
        recorded = {name.partition(".")[0] for name in known}
        names_news = bool(segments - recorded or deletions - known.keys())
        if (
            opening
            and META in known
            and not names_news
            and not self.digests.is_whole(META, thorough=thorough)
        ):
            return META
        return None

    def _knows_meta(self) -> bool:
        return META in self.digests.known and self.digests.is_whole(META)

    def _in_use(self) -> tuple[frozenset[str], frozenset[str]]:
        """The ids of the segments, and the files of what is deleted in them. Errors: `_NoMetaError`."""
        try:
            listed: list[Any] = json.loads((self.folder / META).read_bytes())["segments"]
            ids = {str(one["segment_id"]).replace("-", ""): one.get("deletes") for one in listed}
            gone = {f"{id_}.{one['opstamp']}.del" for id_, one in ids.items() if one}
            return frozenset(ids), frozenset(gone)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise _NoMetaError from error


def _is_used(name: str, segments: frozenset[str], deletions: frozenset[str]) -> bool:
    return name.partition(".")[0] in segments and (not name.endswith(".del") or name in deletions)
