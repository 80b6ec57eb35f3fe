"""A tree of files as untrusted input: no link is followed, nothing but plain files is opened, and nothing is read that
lies outside of the tree or on a file system that is mounted inside of it.

Every path is walked from the top by descriptors, so what is exchanged meanwhile leads nowhere else.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import BinaryIO

from adapters.errors import (
    AdapterError,
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.parsing import UNSTORABLE
from adapters.writing import digest

MOST_ENTRIES, MOST_FILES, DEEPEST = 100_000, 5000, 16
"""Entries of a folder whose names are listed; entries of one whose files are, and how deep those lie."""
MARKER, LARGEST_MARKER = ".waypost", 4096
"""The usual name of the file that marks a share, and its bytes at most."""
LARGEST_READ = 1 << 20
"""Bytes of a file that `Tree.read` reads at most, where nobody says otherwise."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
COPYING = "it is just being copied: it is read once nothing in it has changed for a while"
EXPIRED = getattr(errno, "EKEYEXPIRED", errno.EACCES)
"""What Linux says of a ticket that has run out."""
REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, EXPIRED}
Sign = tuple[int, int, int]
"""What changes with a file's content: inode, time of its last change in nanoseconds, size."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a version. `link` is where a link leads, which nobody follows; times in nanoseconds since 1970."""

    name: str
    sign: Sign
    written: int
    link: str | None = None


@contextmanager
def translated(names: Sequence[str]) -> Iterator[None]:
    """Failures on the way to what lies under these names, as errors of the contract that say which."""
    what = "/".join(names) or "its top"
    try:
        yield
    except OSError as error:
        raise _meaning(what, error) from None
    except BadRecordError as error:
        raise BadRecordError(f"{what}: {error}", native=what) from None


def _meaning(what: str, error: OSError) -> AdapterError:
    reason = os.strerror(error.errno or errno.EIO)
    match error.errno:
        case errno.ENOENT:
            return NotFoundError(f"{what} does not exist")
        case number if number in REFUSALS:
            return AuthError(
                f"{what}: {reason}: give the gateway's user the right, or mount the share so that it has it"
            )
        case errno.ESTALE | errno.ETIMEDOUT | errno.EMFILE | errno.ENFILE | errno.ENOSPC | errno.EDQUOT:
            return TransientError(f"{what}: {reason}: the share fails")
    return BadRecordError(f"{what} cannot be read: {reason}", native=what)


class Tree:
    """One folder of this machine, and what lies in it. Names that begin with a dot are hidden: they are not listed.

    Errors of every method: `OSError` where `translated` is not around it, `BadRecordError`.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def folder(self, *names: str) -> Iterator[int]:
        """The descriptor of a folder. Errors: also `TransientError`, `AuthError` where not even the top is opened."""
        try:
            top = os.open(self.path, _FOLDER)
        except OSError as error:
            if error.errno in REFUSALS:
                raise AuthError(f"{self.path} may not be read: give the gateway's user the right") from None
            reason = os.strerror(error.errno or errno.EIO)
            raise TransientError(f"{self.path} cannot be opened: {reason}; is it mounted?") from None
        with ExitStack() as opened:
            opened.callback(os.close, top)
            device, at = os.fstat(top).st_dev, top
            for name in names:
                at = opened.enter_context(_inner(at, name, device))
            yield at

    def folders(self, *names: str) -> list[str]:
        """The names of the folders in a folder, in order. Errors: any `AdapterError`; `NotFoundError`: it is gone."""
        with translated(names), self.folder(*names) as at:
            return self.names(at)[0]

    def read(self, *names: str, most: int = LARGEST_READ) -> bytes:
        """What is in a file of at most so many bytes. Errors: as of `folders`."""
        with translated(names), self.folder(*names[:-1]) as at:
            return self.small(at, names[-1], most)

    def names(self, at: int) -> tuple[list[str], dict[str, str], list[str]]:
        """The folders in a folder by name, where its links lead, and what else is there."""
        folders, links, others = [], {}, []
        for entry in _entries(at, MOST_ENTRIES):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_symlink():
                links[entry.name] = os.readlink(entry.name, dir_fd=at)
            else:
                others.append(entry.name)
        return folders, links, others

    def files(self, at: int, folder: str = "", depth: int = 0) -> Iterator[tuple[int, File]]:
        """All files in a folder, each with the descriptor of its own folder; folders too, whose names end in `/`."""
        here = os.fstat(at)
        yield at, File(folder or "/", (here.st_ino, here.st_ctime_ns, 0), here.st_mtime_ns)
        if depth == DEEPEST:
            raise BadRecordError(f"its folders lie more than {DEEPEST} levels deep: it is not read")
        for entry in _entries(at, MOST_FILES):
            found, name = entry.stat(follow_symlinks=False), f"{folder}{entry.name}"
            if UNSTORABLE.search(name):
                raise BadRecordError(f"the name of a file in it is no text: {name!a:.80}")
            if stat.S_ISDIR(found.st_mode):
                with _inner(at, entry.name, here.st_dev) as inside:
                    yield from self.files(inside, f"{name}/", depth + 1)
            else:
                is_link = stat.S_ISLNK(found.st_mode)
                if not is_link and not stat.S_ISREG(found.st_mode):
                    raise BadRecordError(f"{name} is no file (a device, pipe or socket): take it out")
                link = os.readlink(entry.name, dir_fd=at) if is_link else None
                yield (
                    at,
                    File(name, (found.st_ino, found.st_ctime_ns, found.st_size), found.st_mtime_ns, link),
                )

    @contextmanager
    def opened(self, at: int, file: File) -> Iterator[BinaryIO]:
        """A file of a folder for reading, which is the one that was listed, before and after. Errors: `BadRecordError`
        where it changes meanwhile.
        """
        with os.fdopen(os.open(file.name.rpartition("/")[2], _FILE, dir_fd=at), "rb") as body:
            _check_same(body, file)
            yield body
            _check_same(body, file)

    def replace(self, at: int, name: str, text: str, former: os.stat_result | None) -> None:
        """Write a file in one step: whoever reads it sees the old text or the new one. It keeps its mode and owner."""
        temporary = f".{name}.{token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o644, dir_fd=at), "wb") as body:
            try:
                if former is not None:
                    os.fchmod(body.fileno(), stat.S_IMODE(former.st_mode) & 0o777)
                    with suppress(PermissionError):
                        os.fchown(body.fileno(), former.st_uid, former.st_gid)
                body.write(text.encode())
                body.flush()
                os.fsync(body.fileno())
                os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=at)
                raise
        os.fsync(at)

    def link(self, at: int, name: str, target: str | None) -> None:
        """Let a link lead elsewhere in one step, or take it away."""
        if target is None:
            os.unlink(name, dir_fd=at)
            return
        temporary = f".{token_hex(8)}"
        os.symlink(target, temporary, dir_fd=at)
        os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)

    def small(self, at: int, name: str, most: int) -> bytes:
        """What is in a file of at most so many bytes."""
        with os.fdopen(os.open(name, _FILE, dir_fd=at), "rb") as body:
            found = os.fstat(body.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                raise BadRecordError(f"{name} is no file of at most {most:,} bytes: look at it there")
            return body.read(most)


class Share(Tree):
    """A folder that may not be there: its marker, a small file at the top, tells that it is mounted and which it is."""

    def __init__(self, path: str | os.PathLike[str], marker: str = MARKER) -> None:
        super().__init__(os.fspath(path))
        self._marker = marker

    def identity(self) -> str:
        """What the marker says. Errors: `TransientError` where it is missing: then nothing is mounted there."""
        try:
            with translated(()), self.folder() as top:
                text = self.small(top, self._marker, LARGEST_MARKER)
        except (NotFoundError, BadRecordError):
            raise TransientError(
                f"{self.path} has no plain file {self._marker} of at most {LARGEST_MARKER} bytes: the share is not "
                f"mounted; or it is new, then write a text of its own into that file once"
            ) from None
        if not text.strip():
            raise InvalidError(
                f"{self.path}/{self._marker} is empty: write a text into it that no other share has"
            )
        return f"folder:{digest([text.decode('utf-8', 'replace')])}"


def _entries(at: int, most: int) -> list[os.DirEntry[str]]:
    """What is in a folder by name, without what is hidden."""
    found: list[os.DirEntry[str]] = []
    with os.scandir(at) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                found.append(entry)
            if len(found) > most:
                raise BadRecordError(f"a folder holds more than {most:,} entries: it is not read")
    return sorted(found, key=lambda entry: entry.name)


@contextmanager
def _inner(at: int, name: str, device: int) -> Iterator[int]:
    """The descriptor of a folder inside another one."""
    try:
        found = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise BadRecordError(f"{name} is a link: links are not followed, put the files there") from None
        raise BadRecordError(f"{name} is no folder: put it into one of its own") from None
    try:
        if os.fstat(found).st_dev != device:
            raise BadRecordError(f"{name} is another file system: it is not read")
        yield found
    finally:
        os.close(found)


def _check_same(body: BinaryIO, file: File) -> None:
    """Errors: `BadRecordError` where this is not the file that was listed, as it was."""
    found = os.fstat(body.fileno())
    if not stat.S_ISREG(found.st_mode) or (found.st_ino, found.st_ctime_ns, found.st_size) != file.sign:
        raise BadRecordError(COPYING)
