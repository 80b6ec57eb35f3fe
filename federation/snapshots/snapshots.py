"""Snapshots of index and graph in a folder or an object store, where all gateways of a database find them.

One gateway at a time makes one, now and then. A gateway that has no index or graph takes the newest, proves it by
digest and position, and goes on from there with the change feed; without one it builds its own.
"""

import hashlib
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from sqlalchemy import Engine

from adapters import AdapterError, NotFoundError
from federation import changes
from federation.artifacts.stores import StoredRoom
from federation.database import now, reading, writing
from federation.errors import UnavailableError
from federation.followers import Linked, Projection
from federation.journal.logkey import read_origin
from federation.leases import Leases
from federation.logs import Log
from federation.snapshots.manifest import (
    FORMAT,
    LARGEST,
    SnapshotDamagedError,
    SnapshotFile,
    SnapshotManifest,
    key,
    opened,
    sealed,
)

log = Log(__name__)
MANIFEST, DAMAGED = "manifest", "damaged"
"""The file of a snapshot that is there last; what it is called once the snapshot is set aside."""
EVERY, OTHERS_KEPT = timedelta(hours=1), timedelta(days=1)
KEPT = 2
"""Snapshots of each part that stay: whoever takes the older one meanwhile gets all of it."""
STAMP = "%Y%m%dT%H%M%S%f"


class SnapshotError(UnavailableError):
    """The place of snapshots cannot be used now."""

    code = "snapshots-unavailable"


class _KeptSnapshot(NamedTuple):
    """A snapshot by its name, in the order in which they were made."""

    position: int
    made: str
    name: str
    mark: str
    """Of how its files are written."""


@dataclass(slots=True)
class Snapshots:
    """The snapshots of one place, empty where there is none. `scratch` is a folder on the disk of index and graph."""

    engine: Engine
    leases: Leases
    place: str
    scratch: Path
    _refused: set[str] = field(default_factory=set)
    _opened: StoredRoom | None = None

    def keep(self, parts: Mapping[str, Projection]) -> None:
        """Make what is due, unless another gateway is at it. Errors: `SnapshotError`, `DatabaseError`, `OSError`."""
        for part, derived in parts.items():
            if not self._is_due(part, derived.stands()):
                continue
            with writing(self.engine) as connection:
                lease = self.leases.take(connection, f"snapshot of {part}")
            if lease is None:
                continue
            try:
                with self.leases.keeping(lease):
                    self._make(part, derived)
            finally:
                with writing(self.engine) as connection:
                    lease.release(connection)

    def fetch(self, part: str, written_as: str, generation: int, into: Path) -> bool:
        """Have the files of the newest snapshot that can be used in a folder; False where there is none.

        Errors: `DatabaseError`, `OSError` of this machine's disk.
        """
        if not self.place:
            return False
        try:
            stored = [one for one in self._stored(part) if one.mark == _mark(written_as)]
            return any(self._take(one, written_as, generation, into) for one in stored[::-1])
        except SnapshotError as error:
            log.warning("no snapshot can be had: this machine makes its own", part=part, error=str(error))
            return False

    def _is_due(self, part: str, files: Linked) -> bool:
        """Whether there is none that others can read, or the newest is old and something has changed since."""
        stored = [one for one in self._stored(part) if one.mark == _mark(files.written_as)]
        if files.position <= 0 or (stored and stored[-1].position >= files.position):
            return False
        return not stored or not _is_within(EVERY, stored[-1].made)

    def _make(self, part: str, derived: Projection) -> None:
        """Put the files as they are now, the manifest last, and remove older ones."""
        with self._folder() as folder:
            try:
                linked = derived.link(folder)
            except UnavailableError:
                return  # there is nothing yet
            if not self._is_due(part, linked):  # another gateway came first
                return
            paths = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
            files = [SnapshotFile.of(folder, path) for path in paths]
            made = now()
            manifest = SnapshotManifest(
                format=FORMAT, part=part, **linked._asdict(), made_at=made, files=files
            )
            with reading(self.engine) as connection:
                content = sealed(key(connection), manifest)
            name = f"{part}-{_mark(linked.written_as)}-{linked.position:020}-{made.strftime(STAMP)}-{token_hex(4)}"
            with _explained():
                for file in files:
                    with (folder / file.path).open("rb") as body:
                        self._room.put(f"{name}/{file.path}", body, file.size)
                self._room.put(f"{name}/{MANIFEST}", BytesIO(content), len(content))
        log.info("a snapshot was made", part=part, bytes=sum(one.size for one in files))
        self._remove_older(part, _mark(linked.written_as))

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """An empty folder for links, which keep what they lead to on the disk: also what a killed worker left goes."""
        folder = self.scratch / "snapshot"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _remove_older(self, part: str, mark: str) -> None:
        """Of those that we can read the newest stay; of others, which gateways of another release make, a day's."""
        stored = self._stored(part)
        kept = {one.name for one in [one for one in stored if one.mark == mark][-KEPT:]}
        kept |= {one.name for one in stored if one.mark != mark and _is_within(OTHERS_KEPT, one.made)}
        with _explained():
            names = {path: path.partition("/")[0] for path in self._paths()}
            gone = [path for path, name in names.items() if name.startswith(f"{part}-") and name not in kept]
            self._room.remove(sorted(gone, key=lambda path: not path.endswith(f"/{MANIFEST}")))

    def _stored(self, part: str) -> Sequence[_KeptSnapshot]:
        """Whole snapshots of a part, oldest first. Errors: `SnapshotError`."""
        with _explained():
            paths = [path.partition("/") for path in self._paths()]
        names = [name for name, _, path in paths if path == MANIFEST and name not in self._refused]
        found = []
        for name in names:
            with suppress(ValueError):  # whatever else is called so
                of, mark, position, made, _ = name.split("-")
                if of == part:
                    found.append(_KeptSnapshot(int(position), made, name, mark))
        return sorted(found)

    def _take(self, stored: _KeptSnapshot, written_as: str, generation: int, into: Path) -> bool:
        """Whether a snapshot is there now; what is damaged is set aside."""
        try:
            content = b"".join(_read(self._room, f"{stored.name}/{MANIFEST}"))[:LARGEST]
            with reading(self.engine) as connection:
                manifest = opened(key(connection), content)
                if (manifest.written_as, manifest.generation) != (written_as, generation):
                    return False
                changes.after(connection, manifest.position, 1)
            for file in manifest.files:
                self._copy(stored.name, file, into)
        except changes.FeedTrimmedError:
            return False
        except (SnapshotDamagedError, NotFoundError) as error:
            shutil.rmtree(into, ignore_errors=True)
            self._set_aside(stored.name, str(error))
            return False
        except AdapterError as error:
            raise SnapshotError(str(error)) from None
        log.info("index or graph was taken from a snapshot", name=stored.name, position=manifest.position)
        return True

    def _copy(self, name: str, file: SnapshotFile, into: Path) -> None:
        """Errors: `SnapshotDamagedError`, any `AdapterError`, `OSError`."""
        (into / file.path).parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with (into / file.path).open("wb") as target:
            for piece in _read(self._room, f"{name}/{file.path}"):
                digest.update(piece)
                target.write(piece)
                size += len(piece)
                if size > file.size:
                    break
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            raise SnapshotDamagedError(f"{file.path} is not what was written")

    def _set_aside(self, name: str, reason: str) -> None:
        """Have nobody use it, so that another one is made; who may write nothing there passes over it."""
        self._refused.add(name)
        try:
            self._room.rename(f"{name}/{MANIFEST}", f"{name}/{DAMAGED}")
        except NotFoundError:
            return  # it was removed meanwhile, being old
        except AdapterError:
            pass
        log.error("a snapshot cannot be used and is set aside", name=name, reason=reason)

    def _paths(self) -> Iterator[str]:
        return (one.path for one in self._room.list())

    @property
    def _room(self) -> StoredRoom:
        """Where those of this database are: nothing of another one is ever looked at. Errors: any `AdapterError`."""
        if self._opened is None:
            with reading(self.engine) as connection:
                self._opened = StoredRoom(f"{self.place.rstrip('/')}/{read_origin(connection)}")
        return self._opened


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except AdapterError as error:
        raise SnapshotError(str(error)) from None


def _mark(written_as: str) -> str:
    return f"{zlib.crc32(written_as.encode()):08x}"


def _is_within(span: timedelta, made: str) -> bool:
    """Whether it was made so lately; what is in the future was not."""
    return (now() - span).strftime(STAMP) < made <= now().strftime(STAMP)


def _read(room: StoredRoom, path: str) -> Iterator[bytes]:
    with room.read(path) as pieces:
        yield from pieces
