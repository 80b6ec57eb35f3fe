"""A plugin whose backend is one file of JSON, so that a test can change it and several processes can read it.

Every call is noted in `calls.log`. A scan that finds a file `hold` takes it away and waits, with its page in
its hand, for as long as `held` is there.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from adapters import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    Key,
    Mark,
    ModelRecord,
    NotFoundError,
    Page,
    Record,
    VersionRecord,
    Watermark,
)
from adapters.writing import has_tags, settle, with_changes

TAGS = "tags.json"


class PaperConfig(AdapterConfig):
    """Where the paper lies, and how slowly it is read."""

    folder: Path = Field(description="folder of backend.json")
    page: int = Field(default=1000, description="records in a page")
    pause: float = Field(default=0.0, description="seconds a page takes")


class PaperAdapter(Adapter):
    """Reads models, their aliases and their versions from a file; has no watermark, so it lists everything."""

    kind: ClassVar[str] = "paper"
    contract: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = PaperConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.SET_TAGS})

    def __init__(self, config: PaperConfig) -> None:
        self.config = config

    def probe(self) -> BackendInfo:
        return BackendInfo(version="1", identity=str(self.config.folder))

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        begin, size, is_last = int(resume or 0), min(limit, self.config.page), False
        while not is_last:
            self._note("begin")
            found = records(read(self.config.folder), tags(self.config.folder))
            is_last = begin + size >= len(found)
            time.sleep(self.config.pause)
            self._wait()
            self._note("end")
            some, begin = tuple(found[begin : begin + size]), begin + size
            yield Page(some, mark=None if is_last else Mark(str(begin)))

    def get(self, key: Key) -> Record:
        for record in records(read(self.config.folder), tags(self.config.folder), key):
            return record
        raise NotFoundError(f"{key.kind} {key.native_id} is not on this paper")

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        def write(now: ModelRecord | VersionRecord) -> None:
            self._put(key, with_changes(now.tags, tags))

        folder = self.config.folder
        with (folder / f"{TAGS}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return settle(self._version, key, has_tags(tags), write, etag)

    def _version(self, key: Key) -> VersionRecord:
        found = self.get(key)
        assert isinstance(found, VersionRecord), "only versions have tags on paper"
        return found

    def _put(self, key: Key, changed: Mapping[str, str]) -> None:
        folder = self.config.folder
        draft = folder / f"{TAGS}.draft"
        draft.write_text(json.dumps({**tags(folder), key.native_id: changed}))
        draft.replace(folder / TAGS)

    def _wait(self) -> None:
        folder = self.config.folder
        try:
            (folder / "hold").rename(folder / "held")
        except FileNotFoundError:
            return
        self._note("held")
        while (folder / "held").exists():
            time.sleep(0.02)

    def _note(self, what: str) -> None:
        with (self.config.folder / "calls.log").open("a", buffering=1) as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {what}\n")


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "backend.json").read_text())
    return found


def tags(folder: Path) -> dict[str, dict[str, str]]:
    """The tags of versions, by native id: they are written by gateways, while tests write the rest."""
    try:
        found: dict[str, dict[str, str]] = json.loads((folder / TAGS).read_text())
    except FileNotFoundError:
        return {}
    return found


def records(
    backend: dict[str, Any], tags: Mapping[str, Mapping[str, str]], only: Key | None = None
) -> list[Record]:
    """Every model and, after all models, every version: {model: {"id", "aliases", "versions": {version: stage}}}; with
    `only` the one that has this key, if there is one."""
    models: list[Record] = []
    versions: list[Record] = []
    for name, model in sorted(backend.items()):
        of, asked = model["id"], "" if only is None else only.native_id
        if asked and asked.rpartition(":")[0] != of and asked != of:
            continue
        key = Key("model", of)
        if only is None or key == only:
            models.append(ModelRecord(key=key, name=name, aliases=model["aliases"]))
        for version, stage in model["versions"].items():
            own = Key("version", f"{of}:{version}")
            if only is None or own == only:
                said = tags.get(own.native_id, {})
                versions.append(VersionRecord(key=own, model=key, version=version, stage=stage, tags=said))
    return models + versions
