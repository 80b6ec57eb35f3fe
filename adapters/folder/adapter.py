"""The adapter's face: what the contract asks for, in terms of files and folders."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from adapters.calls import proceed
from adapters.contract import (
    ArtifactFile,
    ArtifactStream,
    BackendInfo,
    ByteSpan,
    Capability,
    Snippet,
    StageField,
)
from adapters.errors import AuthError, BadRecordError, NotFoundError
from adapters.files import translated
from adapters.folder import snippets
from adapters.folder.client import ModelShare
from adapters.folder.config import FolderConfig
from adapters.folder.files import VersionFiles
from adapters.folder.keys import Names, is_name, names_of
from adapters.folder.reads import Reader
from adapters.folder.records import Addresses
from adapters.folder.scan import Scan
from adapters.folder.writes import Writer
from adapters.listing import ListingAdapter
from adapters.records import Key, Record, VersionRecord
from adapters.writing import has_tags, settle, settle_alias, settle_stage

LOOKED_AT = 20
"""Folders whose rights `probe` looks at."""


class FolderAdapter(ListingAdapter):
    """Reads a share with models, and edits its sidecars. Every scan lists everything, so no change is missed by one.

    What a version is, is its files' digest; what is known of files that did not change is not read again.
    """

    kind = "folder"
    contract = 1
    config_type = FolderConfig
    capabilities = frozenset({Capability.SET_STAGE, Capability.SET_ALIAS, Capability.SET_TAGS})
    stage_fields = frozenset({"stage"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("stage:production", "stage:prod", "alias:production", "alias:prod", "alias:champion"),
        "staging": ("stage:staging", "alias:staging", "alias:challenger"),
        "archived": ("stage:archived",),
    }

    def __init__(self, config: FolderConfig) -> None:
        self._config = config
        self._share = ModelShare(config)
        self._reader = Reader(self._share, Addresses(config))
        self._writes = Writer(self._share)
        self._files = VersionFiles(self._reader)

    def __repr__(self) -> str:
        return f"FolderAdapter({self._config.path})"

    def probe(self) -> BackendInfo:
        identity = self._share.identity()
        looked, unreadable, locked = 0, 0, 0
        for names in self._some():
            looked += 1
            try:
                with translated(names), self._share.folder(*names) as at:
                    self._share.names(at)
                    locked += not os.access(".", os.W_OK | os.X_OK, dir_fd=at, effective_ids=True)
            except (AuthError, BadRecordError):
                unreadable += 1
            except NotFoundError:
                continue
        of = f"of {looked} folders of models"
        missing = [f"{unreadable} {of} cannot be read"] if unreadable else []
        missing += (
            [f"{locked} {of} cannot be written: their stages, aliases and tags stay as they are"]
            if locked
            else []
        )
        kept = self._config.digests
        if kept is not None and not os.access(kept.parent, os.W_OK | os.X_OK, effective_ids=True):
            missing.append(f"{kept} cannot be written: a restart reads the whole share again")
        is_locked = locked and locked + unreadable == looked
        return BackendInfo("files", identity, tuple(missing), self.capabilities if is_locked else frozenset())

    def records(self) -> Iterator[Record | BadRecordError | None]:
        return Scan(self._reader).found()

    def get(self, key: Key) -> Record:
        try:
            names = names_of(key, self._config.levels)
            found: Record = (
                self._reader.model(names)[0]
                if key.kind == "model"
                else self._reader.version(names[:-1], names[-1], proceed)
            )
            if found.key != key:
                raise NotFoundError(
                    f"{key.kind} {key.native_id[:200]} does not exist: its folder has other files"
                )
        except NotFoundError:
            self._share.identity()  # where nothing is mounted, nothing is proved
            raise
        return found

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._config, model, version)

    def list_files(self, version: VersionRecord, path: str) -> Sequence[ArtifactFile]:
        return self._files.listed(version, path)

    def open_file(
        self, version: VersionRecord, path: str, span: ByteSpan | None
    ) -> AbstractContextManager[ArtifactStream]:
        return self._files.opened(version, path, span)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        return settle_stage(self, key, field, value, lambda now: self._writes.stage(now, value), etag)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        return settle_alias(self.get, key, alias, version, self._writes.point, etag)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def _some(self) -> list[Names]:
        """The first models. Errors: `AuthError` where the top cannot be read."""
        found: list[Names] = [()]
        for _ in range(self._config.levels):
            inner = [
                (*names, name) for names in found for name in self._reader.folders(*names) if is_name(name)
            ]
            found = inner[:LOOKED_AT]
        return found
