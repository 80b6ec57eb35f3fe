"""Changing what sidecars say, and links that are aliases: one entry at a time, everything else as it was written."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.errors import BadRecordError, ConflictError, InvalidError
from adapters.files import translated
from adapters.folder.client import ModelShare
from adapters.folder.keys import Names, names_of
from adapters.folder.records import BOUNDS, Sidecar
from adapters.parsing import UNSTORABLE, with_entry
from adapters.records import ModelRecord, VersionRecord
from adapters.writing import with_changes


class Writer:
    """The writes of one registry, one at a time. Errors: any `AdapterError`; `ConflictError` where the sidecar is no
    longer the one of the record that was read.
    """

    def __init__(self, share: ModelShare) -> None:
        self._share = share
        self._lock = threading.Lock()

    def stage(self, now: VersionRecord, value: str) -> None:
        """Put a version into a stage; an empty text takes it out."""
        self._write(now, "stage", value or None, {value or "none": ""})

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove tags. Values that are no text and are not named stay what they are."""
        known = now.native["sidecar"].get("tags")
        tags = {**(known if isinstance(known, dict) else now.tags), **changes}
        kept = {name: value for name, value in tags.items() if value is not None or name not in changes}
        self._write(now, "tags", kept or None, changes)

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Point an alias at a version, or take it away: a link where it is one, else in the sidecar."""
        with self._folder(now) as (at, _):
            if version is not None and version not in self._share.names(at)[0]:
                raise InvalidError(
                    f"{now.name} has no version {version[:100]}: an alias needs one that exists"
                )
            if alias in now.native["links"]:
                self._share.link(at, alias, version)
                return
        aliases = with_changes(Sidecar(now.native["sidecar"], 0.0).texts("aliases"), {alias: version})
        self._write(now, "aliases", aliases or None, {alias: version})

    @contextmanager
    def _folder(self, now: ModelRecord | VersionRecord) -> Iterator[tuple[int, Names]]:
        """The folder of a record, for one write at a time."""
        names = names_of(now.key, self._share.config.levels)
        with self._lock, translated(names), self._share.folder(*names) as at:
            yield at, names

    def _write(
        self,
        now: ModelRecord | VersionRecord,
        name: str,
        value: Any,
        given: Mapping[str, str | None],
    ) -> None:
        """Write one entry. `given` are the names and values that come from outside."""
        if "" in given or any(UNSTORABLE.search(text) for pair in given.items() for text in pair if text):
            raise InvalidError(
                f"{name}: a name must not be empty, and no text may hold NUL or half a character"
            )
        what = self._share.config.sidecar
        with self._folder(now) as (at, names):
            text, former = self._share.sidecar(at)
            if Sidecar.read(text, what, 0.0).plain != now.native["sidecar"]:
                raise ConflictError(f"{'/'.join(names)}/{what} was changed meanwhile: read it again")
            made = with_entry(text, name, value, what, BOUNDS)
            try:
                Sidecar.read(made, what, 0.0)
            except BadRecordError:
                raise InvalidError(
                    f"{what} would be larger than what is read of one: keep less in it"
                ) from None
            self._share.replace(at, what, made, former)
