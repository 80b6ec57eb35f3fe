"""Witnesses: places outside that keep our checkpoints, so that nobody can rewrite the log unseen.

A folder keeps the newest checkpoint of each log, and one a day. Another Waypost checks that the tree only grew
and countersigns (C2SP tlog-witness); that side is here as well, the way to it in `gateway.witness`.
"""

import base64
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, delete, insert, select

from federation.database import now, writing
from federation.errors import UnavailableError
from federation.journal.note import SigningKey, cosign
from federation.journal.tables import witnessed
from federation.journal.verify import (
    ED25519,
    Checkpoint,
    NoteError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_consistency,
    verify_note,
)


class WitnessError(UnavailableError):
    """A witness cannot be asked now."""

    code = "witness-unavailable"


class Witness(Protocol):
    """A place that keeps our checkpoints. Every method raises `WitnessError` where it cannot be asked."""

    @property
    def name(self) -> str:
        """As configured."""

    def key(self) -> VerifierKey | None:
        """What it countersigns with; None where it only keeps."""

    def latest(self, origin: str) -> bytes | None:
        """The newest note it has of a log."""

    def take(self, note: bytes, old: int, proof: Sequence[bytes]) -> bytes:
        """Give it a checkpoint and the proof of consistency from the `old` size it knows; returns the note,
        countersigned where it does that.
        """

    def let_go(self, origin: str) -> None:
        """Put aside what it has of a log, because the log went on without it; raises where it never does."""


@dataclass(frozen=True, slots=True)
class FolderWitness:
    """A folder, best on another machine's disk."""

    name: str
    path: Path

    def key(self) -> VerifierKey | None:
        return None

    def latest(self, origin: str) -> bytes | None:
        try:
            return self._file(origin).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WitnessError("it cannot be read", f"{self._file(origin)}: {error.strerror}") from None

    def take(self, note: bytes, old: int, proof: Sequence[bytes]) -> bytes:
        origin = parse_checkpoint(parse_note(note).text).origin
        day = datetime.now(UTC).date().isoformat()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for file in (self.path / f"{origin}.{day}.checkpoint", self._file(origin)):
                _replace(file, note)
        except OSError as error:
            raise WitnessError("it cannot be written", f"{self.path}: {error.strerror}") from None
        return note

    def let_go(self, origin: str) -> None:
        file = self._file(origin)
        if file.exists():
            file.rename(file.with_name(f"{file.name}.left-{int(time.time())}"))

    def _file(self, origin: str) -> Path:
        return self.path / f"{origin}.checkpoint"


def _replace(file: Path, data: bytes) -> None:
    """The file has all of the old or all of the new content, whatever happens."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with new.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


class WitnessRefusalError(Exception):
    """This gateway does not countersign what it was given. `status` and text as C2SP tlog-witness has them."""

    def __init__(self, status: int, text: str, *, size: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.size = size
        """The size it knows, where the asker has another one in mind."""


def countersign(engine: Engine, body: bytes, trusted: Sequence[VerifierKey], key: SigningKey) -> bytes:
    """Check a checkpoint of another log against the one before, and countersign it.

    `body` is the request of C2SP tlog-witness: `old SIZE`, the proof in base64 lines, an empty line, the note.
    Returns the signature line. Errors: `WitnessRefusalError`.
    """
    old, proof, note = _parse_request(body)
    checkpoint = _authentic(note, trusted)
    with writing(engine) as connection:
        connection.execute(select(witnessed.c.origin).with_for_update()).all()
        _check_growth(connection, checkpoint, old, proof)
        stamped = cosign(note, key, int(now().timestamp()))
        connection.execute(delete(witnessed).where(witnessed.c.origin == checkpoint.origin))
        connection.execute(
            insert(witnessed).values(
                origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, note=stamped, time=now()
            )
        )
    return stamped[len(note) :]


def read_witnessed(connection: Connection, origin: str) -> bytes | None:
    """The newest note of another log that this gateway countersigned."""
    query = select(witnessed.c.note).where(witnessed.c.origin == origin)
    found: bytes | None = connection.execute(query).scalar_one_or_none()
    return found


def request_body(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """What a witness is sent."""
    lines = [f"old {old}", *(base64.b64encode(node).decode() for node in proof)]
    return ("\n".join(lines) + "\n\n").encode() + note


def _parse_request(body: bytes) -> tuple[int, list[bytes], bytes]:
    head, blank, note = body.partition(b"\n\n")
    first, *rest = head.decode("ascii", "replace").split("\n")
    word, _, size = first.partition(" ")
    try:
        if not blank or word != "old" or not size.isdecimal() or len(size) > 18 or len(rest) > 63:
            raise ValueError
        return int(size), [base64.b64decode(line, validate=True) for line in rest], note
    except ValueError:
        text = "expected `old SIZE`, the consistency proof in base64 lines, an empty line, and the checkpoint"
        raise WitnessRefusalError(400, text) from None


def _authentic(note: bytes, trusted: Sequence[VerifierKey]) -> Checkpoint:
    try:
        parsed = parse_note(note)
        checkpoint = parse_checkpoint(parsed.text)
        keys = [key for key in trusted if key.kind == ED25519 and key.name == checkpoint.origin]
        if not keys:
            raise WitnessRefusalError(
                404,
                f"this gateway is no witness for {checkpoint.origin[:80]!a}: add its key to audit.witness_for",
            )
        signed = verify_note(parsed, keys)
    except NoteError as error:
        raise WitnessRefusalError(403, str(error)) from None
    if not signed:
        raise WitnessRefusalError(
            403, "the checkpoint is not signed by a key in audit.witness_for: was the key rotated?"
        )
    return checkpoint


def _check_growth(connection: Connection, new: Checkpoint, old: int, proof: Sequence[bytes]) -> None:
    known = connection.execute(select(witnessed).where(witnessed.c.origin == new.origin)).one_or_none()
    size = 0 if known is None else known.size
    if old > new.size:
        raise WitnessRefusalError(400, "the old size is above that of the checkpoint")
    if old != size:
        raise WitnessRefusalError(409, f"the last checkpoint countersigned here counts {size}", size=size)
    if known is None:
        return
    if size == new.size and known.root != new.root:
        raise WitnessRefusalError(409, f"another root was countersigned for {size} entries", size=size)
    if not verify_consistency(size, known.root, new.size, new.root, proof):
        raise WitnessRefusalError(422, "the proof does not show that the log only grew")
