"""The log's own key: made at first start, kept in a file outside the database, replaced by rotation.

The log names every key it ever had, in its entries `key.created` and `key.rotated`. A gateway without the file
works like any other but signs nothing.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from federation import tables
from federation.database import reading, writing
from federation.errors import UnavailableError
from federation.journal.entry import SYSTEM, Action, Entry, decode
from federation.journal.log import Batch
from federation.journal.note import COSIGNATURE, SigningKey, create_key_file, generate_key, load_key_file
from federation.journal.verify import NoteError, VerifierKey, parse_verifier_key
from federation.prepared import Prepared, among


class SigningError(UnavailableError):
    """Checkpoints cannot be signed now. One line with cause and remedy."""

    code = "signing-stopped"


class NoKeyHereError(SigningError):
    """The log's key is not on this machine; another gateway signs."""


class LogKey(NamedTuple):
    """A key the log announced, and the entry that did."""

    seq: int
    key: VerifierKey


_entries = tables.journal.c
_FIRST = Prepared(select(_entries.entry).where(_entries.seq == 0))
_ANNOUNCING = Prepared(
    select(_entries.seq, _entries.entry).where(among(_entries.action, "actions")).order_by(_entries.seq)
)


def read_origin(connection: Connection) -> str:
    """The name of the log, from its entry 0."""
    [(data,)] = _FIRST.bare(connection)
    return str(decode(data).entry.details["origin"])


def read_log_keys(connection: Connection) -> list[LogKey]:
    """Every key the log signs or signed with, oldest first."""
    return _announced(connection, Action.KEY_CREATED, Action.KEY_ROTATED)


def read_witness_keys(connection: Connection) -> list[VerifierKey]:
    """The keys of every witness there ever was."""
    return list(dict.fromkeys(found.key for found in _announced(connection, Action.WITNESS_ADDED)))


def ensure_key(engine: Engine, path: Path) -> None:
    """Make the log's first key and announce it, where there is none yet. Errors: `SigningError`."""
    with reading(engine) as connection:
        if read_log_keys(connection):
            return
        origin = read_origin(connection)
    key = _first_key(path, origin)
    with writing(engine) as connection:
        connection.execute(select(tables.head).with_for_update()).one()
        if read_log_keys(connection):
            return
        batch = Batch()
        batch.record(Entry(action=Action.KEY_CREATED, details={"key": str(key.verifier)}))
        batch.append(connection)


def signing_keys(announced: list[LogKey], path: Path) -> tuple[SigningKey, ...]:
    """The keys to sign with now: one, or two where the second has just replaced the first.

    Errors: `NoKeyHereError`, `SigningError`.
    """
    if not path.exists():
        raise NoKeyHereError(
            "the log's key is not here: put it back from where it is kept (audit.key)",
            f"{path} does not exist",
        )
    mine, current = _load(path), announced[-1].key
    if mine.verifier == current:
        return (mine,)
    following = _following(path)
    if following.exists() and len(announced) > 1 and mine.verifier == announced[-2].key:
        new = _load(following)
        if new.verifier == current:
            return (mine, new)
    raise SigningError(
        f"{path} holds the key {mine.verifier.id.hex()} of {mine.verifier.name}, and the log's key is "
        f"{current.id.hex()} of {current.name}: put the right file there or name it in audit.key"
    )


def rotate(engine: Engine, path: Path, actor: str = SYSTEM) -> VerifierKey:
    """Make a new key and announce it; the next checkpoint is signed by both. Errors: `SigningError`."""
    with _locked(path):
        with reading(engine) as connection:
            announced = read_log_keys(connection)
        if not announced:
            raise SigningError("the log has no key yet: it is made when the gateway starts")
        if len(signing_keys(announced, path)) > 1:
            raise SigningError("a rotation is under way: wait for the next checkpoint")
        new = generate_key(announced[-1].key.name)
        _following(path).unlink(missing_ok=True)
        create_key_file(_following(path), new)
        with writing(engine) as connection:
            batch = Batch()
            batch.record(Entry(action=Action.KEY_ROTATED, actor=actor, details={"key": str(new.verifier)}))
            batch.append(connection)
        return new.verifier


def finish_rotation(path: Path, new: VerifierKey) -> None:
    """The new key takes the old one's place, once a checkpoint signed by both is stored."""
    with _locked(path):
        following = _following(path)
        # Another process may have finished this rotation already, and a third begun the next.
        if following.exists() and _load(following).verifier == new:
            following.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One change of the key's files at a time, whichever process makes it."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def witness_key(path: Path, name: str) -> SigningKey:
    """The key this gateway countersigns other logs with; made when it is first needed. Errors: `SigningError`."""
    with suppress(FileExistsError):
        create_key_file(path, generate_key(name, COSIGNATURE))
    return _load(path)


def _announced(connection: Connection, *actions: Action) -> list[LogKey]:
    found = []
    for seq, data in _ANNOUNCING.bare(connection, actions=[action.value for action in actions]):
        text = decode(data).entry.details.get("key")
        if text:
            found.append(LogKey(seq, parse_verifier_key(str(text))))
    return found


def _first_key(path: Path, origin: str) -> SigningKey:
    """The key in the file, or a new one. The key of another log, of an earlier database, is put aside."""
    if path.exists():
        key = _load(path)
        if key.verifier.name == origin:
            return key
        path.rename(path.with_name(f"{path.name}.{key.verifier.name}"))
    try:
        create_key_file(path, generate_key(origin))
    except FileExistsError:
        pass  # another process of this gateway was faster
    except OSError as error:
        raise SigningError(
            "the log's key cannot be made: see audit.key", f"{path}: {error.strerror}"
        ) from None
    return _load(path)


def _load(path: Path) -> SigningKey:
    try:
        return load_key_file(path)
    except (OSError, NoteError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SigningError("the log's key cannot be read: see audit.key", f"{path}: {reason}") from None


def _following(path: Path) -> Path:
    return path.with_name(path.name + ".next")
