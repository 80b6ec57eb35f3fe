"""The folder adapter under test: a share of its own, changed past the adapter."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from adapters import files
from adapters.conformance.harness import HOSTILE_NAMES, Fault, Gap, Harness
from adapters.contract import Adapter, StageField
from adapters.emulators.folder.share import SIDECAR, Shelves
from adapters.folder import FolderAdapter, FolderConfig

FAILURES = {
    Fault.BROKEN: errno.EIO,
    Fault.SILENT: errno.ETIMEDOUT,
    Fault.FORBIDDEN: errno.EACCES,
    Fault.UNAUTHORISED: files.EXPIRED,
}
"""What the system says of a share whose server is broken or silent, or which this user may not read."""
INCARNATIONS = (
    "a_new_incarnation_has_a_new_key",
    "an_old_incarnation_stays_absent",
    "a_new_incarnation_is_seen",
)
ONE_FOLDER = Gap("never", "a folder under a name that was used before cannot be told from the former one")


class _Failing:
    """The module `os`, but for opening files."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, *_: object, **__: object) -> int:
        """Fail."""
        raise OSError(self._number, os.strerror(self._number))


class FolderHarness(Harness):
    """A folder. It is moved away (unreachable), or hidden by an empty one as a share that is not mounted (garbage)."""

    adapter_type: ClassVar[type[Adapter]] = FolderAdapter
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"stage": ("staging", "production")}
    hostile_names: ClassVar[tuple[str, ...]] = tuple(name for name in HOSTILE_NAMES if "/" not in name)
    faults: ClassVar[frozenset[Fault]] = frozenset({Fault.UNREACHABLE, Fault.GARBAGE, *FAILURES})
    gaps: ClassVar[Mapping[str, Gap]] = dict.fromkeys(INCARNATIONS, ONE_FOLDER)

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="waypost-share-"))
        self.shelves = Shelves(self._folder / "share")

    def adapter(self) -> Adapter:
        return FolderAdapter(FolderConfig(path=self.shelves.path, settle=0, timeout=30.0))

    def put(self, model: str) -> str:
        return self.shelves.put(model)

    def drop(self, model: str, version: str | None = None) -> None:
        self.shelves.drop(model, version)

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        with contextlib.ExitStack() as failing:
            if fault in FAILURES:
                failing.enter_context(mock.patch.object(files, "os", _Failing(FAILURES[fault])))
            else:
                away = self.shelves.path.rename(self._folder / "away")
                failing.callback(away.rename, self.shelves.path)
            if fault is Fault.GARBAGE:
                self.shelves.path.mkdir()
                failing.callback(self.shelves.path.rmdir)
            yield

    def put_model(self, model: str) -> None:
        (self.shelves.path / model).mkdir()

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        self.shelves.say(
            model, version, tags={**self.shelves.said(model, version).get("tags", {}), key: value}
        )

    def alias(self, model: str, alias: str, version: str | None) -> None:
        known = {**self.shelves.said(model, None).get("aliases", {}), alias: version}
        self.shelves.say(model, None, aliases={name: target for name, target in known.items() if target})

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        self.shelves.say(model, version, **{field: value})

    def spoil(self, model: str, version: str) -> None:
        (self.shelves.path / model / version / SIDECAR).write_text("tags: [")

    def close(self) -> None:
        shutil.rmtree(self._folder)
