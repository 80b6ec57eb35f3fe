"""The journal as the gateway asks it: entries, their proofs, exports, keys and witnesses; one object per process.

Whoever reads it may read all of it, which is seen to before.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path

from sqlalchemy import Engine

from federation.database import reading
from federation.errors import SetupError, UnknownError
from federation.files import blocks
from federation.health import PartReport
from federation.journal import exporting, logkey, proofs, sealing
from federation.journal.checkpoints import (
    Signer,
    WitnessState,
    newest_note,
    newest_size,
    read_witnesses,
    stopped,
)
from federation.journal.entry import SYSTEM, Action, Recorded, decode
from federation.journal.exporting import NothingSignedError
from federation.journal.logkey import NoKeyHereError, SigningError
from federation.journal.note import SigningKey
from federation.journal.proofs import Consistency, Inclusion
from federation.journal.query import JournalFilter, Line, is_cut, read_journal, summarise
from federation.journal.sealing import Sealed, Sealer, SealingError
from federation.journal.standing import standing
from federation.journal.verify import NoteError, VerifierKey, parse_verifier_key
from federation.journal.witnesses import (
    FolderWitness,
    Witness,
    WitnessError,
    WitnessRefusalError,
    countersign,
    read_witnessed,
    request_body,
)

__all__ = [
    "SYSTEM",
    "Action",
    "Consistency",
    "FolderWitness",
    "Inclusion",
    "Journal",
    "JournalFiles",
    "JournalFilter",
    "Keys",
    "Line",
    "NoKeyHereError",
    "NoteError",
    "Recorded",
    "Sealed",
    "SealingError",
    "SigningError",
    "SigningState",
    "VerifierKey",
    "Witness",
    "WitnessError",
    "WitnessRefusalError",
    "WitnessState",
    "decode",
    "is_cut",
    "parse_verifier_key",
    "request_body",
    "summarise",
]
WAIT = 3.0
"""Seconds for which the checkpoint is waited for that counts every entry there is."""
LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """Where on this machine the journal keeps what is not in the database, and which logs it countersigns."""

    key: Path
    archive: Path
    witness_key: Path
    witness_for: Sequence[str] = ()
    """Verifier keys of the other logs."""


@dataclass(frozen=True, slots=True)
class SigningState:
    """What is signed: the newest checkpoint (None: none yet), how many entries it counts, and why signing stands."""

    note: bytes | None
    size: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Keys:
    """The log's name, the public keys that vouch for it, oldest first, and those of its witnesses."""

    origin: str
    keys: Sequence[str]
    witnesses: Sequence[str]


class Journal:
    """Reads and keeps the log of one database. `witnesses` makes the places that its checkpoints go to."""

    def __init__(
        self, engine: Engine, places: JournalFiles, witnesses: Callable[[], Sequence[Witness]]
    ) -> None:
        self._engine = engine
        self._places = places
        self._witnesses = witnesses

    @cached_property
    def signer(self) -> Signer:
        """Signs checkpoints, where the log's key is on this machine."""
        return Signer(self._engine, self._places.key, self._witnesses())

    def entries(
        self,
        wanted: JournalFilter,
        *,
        after: int = -1,
        before: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Line]:
        """At most `limit` entries with a number above `after` and under `before`, in order, or the newest first."""
        with reading(self._engine) as connection:
            return read_journal(
                connection, wanted, after=after, before=before, limit=limit, newest_first=newest_first
            )

    def entry(self, seq: int) -> tuple[Line, Inclusion | None]:
        """One entry with the proof that it is in the newest checkpoint; None until it is. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            lines = read_journal(connection, JournalFilter(), after=seq - 1, before=seq + 1, limit=1)
            if not lines:
                raise UnknownError(f"the log has no entry {seq}, or it was moved into an archive")
            signed = newest_size(connection) > seq
            return lines[0], proofs.prove_inclusion(connection, seq) if signed else None

    def signed(self) -> SigningState:
        """The newest checkpoint."""
        with reading(self._engine) as connection:
            return SigningState(newest_note(connection), newest_size(connection), stopped(connection))

    def checkpoint(self) -> bytes:
        """The newest checkpoint, a C2SP signed note; waits a moment until it counts every entry there is.

        Errors: `SigningError`, `NothingSignedError`.
        """
        end = time.monotonic() + WAIT
        with reading(self._engine) as connection:
            size = proofs.size_of_log(connection)
        while True:
            found = self.signed()
            if found.problem is not None:
                raise SigningError(found.problem)
            if found.note is not None and (found.size >= size or time.monotonic() > end):
                return found.note
            if time.monotonic() > end:
                raise NothingSignedError(
                    "nothing is signed yet: the gateway's log says why, or try again in a second"
                )
            time.sleep(LOOK_EVERY)

    def prove_inclusion(self, seq: int, size: int | None) -> Inclusion:
        """That an entry is among the first `size`; None: in the newest checkpoint. Errors: `OutsideLogError`."""
        with reading(self._engine) as connection:
            return proofs.prove_inclusion(connection, seq, size)

    def prove_consistency(self, old: int, new: int | None) -> Consistency:
        """That the log of `old` entries is the beginning of that of `new`. Errors: `OutsideLogError`."""
        with reading(self._engine) as connection:
            return proofs.prove_consistency(connection, old, new)

    def keys(self) -> Keys:
        """The log's name and the keys that vouch for it, the one it signs with now last."""
        with reading(self._engine) as connection:
            return Keys(
                logkey.read_origin(connection),
                [str(found.key) for found in logkey.read_log_keys(connection)],
                [str(key) for key in logkey.read_witness_keys(connection)],
            )

    def standing(self, *, signs: bool) -> list[PartReport]:
        """How signing, witnesses and the clock stand; `signs`: there is a gateway that is to sign what is written."""
        with reading(self._engine) as connection:
            return standing(connection, signs=signs)

    def witnesses(self) -> list[WitnessState]:
        """How each place stands that checkpoints go to."""
        with reading(self._engine) as connection:
            return [state for state in read_witnesses(connection) if state.name]

    def export(
        self, form: str, wanted: JournalFilter, *, actor: str, request: str | None = None
    ) -> Iterator[bytes]:
        """An export of any size in pieces: `jsonl`, `csv` or `cloudevents`. That somebody exports is an entry.

        What is wrong from the start is an error here, before the first piece. Errors: `NothingSignedError`,
        `DatabaseError`; at the end `ExportCutError`.
        """
        pieces = blocks(exporting.FORMATS[form](self._engine, wanted))
        begun = next(pieces)
        exporting.record_export(self._engine, form, wanted, actor=actor, request=request)
        return chain([begun], pieces)

    def rotate_key(self, actor: str) -> VerifierKey:
        """Replace the key that signs checkpoints; the next one is signed by both. Errors: `SigningError`."""
        return logkey.rotate(self._engine, self._places.key, actor=actor)

    def sealer(self, keep: timedelta) -> Sealer:
        """A follower that moves what is older than `keep` into the archive."""
        return Sealer(self._engine, self._places.archive, keep)

    def seal_before(self, before: datetime, *, actor: str = "system") -> Sealed | None:
        """Move what was signed before a time into an archive file; None: there is nothing. Errors: `SealingError`."""
        return sealing.seal_before(self._engine, self._places.archive, before, actor=actor)

    def countersign(self, body: bytes) -> bytes:
        """Check another log's new checkpoint against the last one and countersign it; the signature line.

        Errors: `WitnessRefusalError`, `UnknownError` where it is no witness, `SetupError`.
        """
        try:
            trusted = [parse_verifier_key(text) for text in self._places.witness_for]
        except NoteError as error:
            raise SetupError(f"audit.witness_for: {error}", code="invalid-configuration") from None
        return countersign(self._engine, body, trusted, self._witness_key())

    def countersigns_with(self) -> VerifierKey:
        """The public key this gateway countersigns with. Errors: `UnknownError`, `SigningError`."""
        return self._witness_key().verifier

    def countersigned(self, origin: str) -> bytes:
        """The newest checkpoint of another log that was countersigned here. Errors: `UnknownError`."""
        with reading(self._engine) as connection:
            note = read_witnessed(connection, origin)
        if note is None:
            raise UnknownError("nothing of a log with this name was countersigned here")
        return note

    def _witness_key(self) -> SigningKey:
        if not self._places.witness_for:
            raise UnknownError("this gateway is no witness: audit.witness_for names no log")
        with reading(self._engine) as connection:
            origin = logkey.read_origin(connection)
        return logkey.witness_key(self._places.witness_key, f"{origin}/witness")
