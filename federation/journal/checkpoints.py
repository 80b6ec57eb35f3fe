"""Checkpoints: what the log has committed, signed, taken to the witnesses and stored.

Only committed entries are signed, and nothing is signed while a witness knows more than we do: then the
database is an old backup, or somebody rewrote it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select

from federation import tables
from federation.database import now, reading, writing
from federation.errors import StateError
from federation.journal.entry import SYSTEM, Action, Entry
from federation.journal.log import Batch, read_tiles
from federation.journal.logkey import (
    NoKeyHereError,
    SigningError,
    ensure_key,
    finish_rotation,
    read_log_keys,
    read_origin,
    signing_keys,
)
from federation.journal.merkle import MissingTileError, consistency_proof, frontier_at, load_frontier
from federation.journal.note import SigningKey, sign_checkpoint
from federation.journal.tables import checkpoint, witness
from federation.journal.verify import (
    Checkpoint,
    NoteError,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)
from federation.journal.witnesses import FolderWitness, Witness, WitnessError
from federation.prepared import Prepared

ASK_AGAIN = 30.0
"""Seconds after which a place that was not reached is asked again although nothing was written."""
_SIZE = Prepared(select(func.max(checkpoint.c.size).label("newest")))
_NOTE = Prepared(select(checkpoint.c.note).order_by(checkpoint.c.size.desc()).limit(1))
_WITNESSES = Prepared(
    select(witness.c.name, witness.c.key, witness.c.size, witness.c.state, witness.c.message).order_by(
        witness.c.name
    )
)
OK, UNREACHABLE, AHEAD = "ok", "unreachable", "ahead"
KEPT = "kept beside the key"
"""The name of our own memory: the last checkpoint, in a folder beside the key, outside the database."""
REMEDY = (
    "is this database an old backup? Put the newest one back. If what is missing is lost for good, "
    "`waypost audit resume` goes on and records that"
)


class WitnessAheadError(SigningError):
    """A witness knows entries that this database does not have, or other ones."""


class WitnessState(NamedTuple):
    """How a witness stands: `ok`, `unreachable` or `ahead`; `size` of the newest checkpoint it took."""

    name: str
    key: str
    size: int
    state: str
    message: str


class _SigningPlan(NamedTuple):
    """One checkpoint to be: what is signed, by whom, and the proof for each witness."""

    checkpoint: Checkpoint
    keys: tuple[SigningKey, ...]
    proofs: dict[str, tuple[int, list[bytes]]]
    is_signed: bool
    """All places have what it says."""


@dataclass(slots=True)
class Signer:
    """Signs what one log has committed. `key` is the file of its key."""

    engine: Engine
    key: Path
    witnesses: Sequence[Witness] = ()
    _seen: set[str] = field(default_factory=set)
    _compared: int = -1
    """How many entries there were when all places were last asked what they know."""
    _ask_again: float = 0.0

    def sign(self) -> int | None:
        """Sign what was committed since the last checkpoint; returns its size, None where nothing was.

        Errors: `SigningError`, `DatabaseError`.
        """
        ensure_key(self.engine, self.key)
        if not self._due():
            return None
        self._ask_again = time.monotonic() + ASK_AGAIN
        asked = self._ask()
        try:
            plan = self._plan({name: note for name, note in asked.items() if isinstance(note, Checkpoint)})
        except WitnessAheadError:
            raise
        except SigningError as error:
            if not isinstance(error, NoKeyHereError):
                self._note([WitnessState("", "", 0, AHEAD, str(error))])
            raise
        self._compared = plan.checkpoint.size
        if plan.is_signed:
            return None
        note = sign_checkpoint(plan.checkpoint, *plan.keys)
        states = [self._hand_over(one, note, plan, asked.get(one.name)) for one in self._places()]
        for _, stamped in states:
            note += stamped
        self._store(plan.checkpoint.size, note, [state for state, _ in states])
        if len(plan.keys) > 1:
            finish_rotation(self.key, plan.keys[-1].verifier)
        return plan.checkpoint.size

    def resume(self, actor: str, reason: str | None) -> list[WitnessState]:
        """Go on although a witness knows more: what is missing is lost for good. Recorded in the log.

        Errors: `StateError` where no witness is ahead, or one never lets go.
        """
        with reading(self.engine) as connection:
            origin = read_origin(connection)
            ahead = [state for state in read_witnesses(connection) if state.state == AHEAD and state.name]
        if not ahead:
            raise StateError(
                "no witness is ahead of this log: there is nothing to resume from", code="not-resumable"
            )
        left = [{"name": state.name, "size": state.size, "said": state.message} for state in ahead]
        names = {state.name for state in ahead}
        for place in self._places():
            if place.name in names:
                try:
                    place.let_go(origin)
                except WitnessError as error:
                    raise StateError(str(error), error.detail, code="not-resumable") from None
        with writing(self.engine) as connection:
            connection.execute(delete(witness).where(witness.c.state == AHEAD))
            batch = Batch()
            commitments = batch.withhold({"reason": reason}, subject=actor)
            entry = Entry(
                action=Action.JOURNAL_RESUMED, actor=actor, details={"left": left}, commitments=commitments
            )
            batch.record(entry)
            batch.append(connection)
        return ahead

    def _places(self) -> list[Witness]:
        kept = FolderWitness(KEPT, self.key.with_name(self.key.name + ".kept"))
        return [kept, *self.witnesses]

    def _due(self) -> bool:
        """Whether there is something to sign, or to ask the places: at the start, and where entries are fewer than
        before, since then the database may be an old one."""
        with reading(self.engine) as connection:
            size = connection.execute(select(tables.head.c.size)).scalar_one()
            newest, states = newest_size(connection), read_witnesses(connection)
        if size > newest or any(state.state == AHEAD for state in states):
            return True
        if not 0 <= self._compared <= size:
            return True
        if {one.name for one in self.witnesses} != {state.name for state in states} - {"", KEPT}:
            return True
        is_one_away = any(state.state == UNREACHABLE for state in states)
        return is_one_away and time.monotonic() >= self._ask_again

    def _ask(self) -> dict[str, Checkpoint | WitnessError | None]:
        """The newest checkpoint of ours that each place has. Nothing is signed before each was seen once."""
        with reading(self.engine) as connection:
            origin = read_origin(connection)
            known = {state.name: state for state in read_witnesses(connection)}
        found: dict[str, Checkpoint | WitnessError | None] = {}
        for place in self._places():
            try:
                found[place.name] = _latest(place, origin, known.get(place.name))
                self._seen.add(place.name)
            except WitnessError as error:
                found[place.name] = error
                if place.name not in self._seen:
                    unreached = SigningError(
                        "a witness was not reached since the start, so nothing is signed: bring it back or take it "
                        "out of audit.witnesses",
                        f"{place.name}: {error.whole}",
                    )
                    self._note([WitnessState(place.name, "", 0, UNREACHABLE, unreached.whole)])
                    raise unreached from None
        return found

    def _plan(self, known: dict[str, Checkpoint]) -> _SigningPlan:
        ahead = []
        with reading(self.engine) as connection:
            head = connection.execute(select(tables.head)).one()
            announced = read_log_keys(connection)
            for name, theirs in known.items():
                problem = _disagreement(connection, head.size, theirs)
                if problem:
                    ahead.append(WitnessState(name, "", theirs.size, AHEAD, f"the witness {name} {problem}"))
            if not ahead:
                keys = signing_keys(announced, self.key)
                origin = read_origin(connection)
                root = load_frontier(head.size, head.frontier).root()
                proofs = {name: _proof(connection, theirs.size, head.size) for name, theirs in known.items()}
                is_signed = len(keys) == 1 and self._is_signed(connection, head.size, known)
                return _SigningPlan(Checkpoint(origin, head.size, root), keys, proofs, is_signed)
        self._note(ahead)
        raise WitnessAheadError(ahead[0].message)

    def _is_signed(self, connection: Connection, size: int, known: dict[str, Checkpoint]) -> bool:
        """Whether every place has all there is, and stands as it should."""
        states = read_witnesses(connection)
        places = {place.name for place in self._places()}
        return (
            newest_size(connection) == size
            and {state.name for state in states} == places == known.keys()
            and all(state.state == OK for state in states)
            and all(theirs.size == size for theirs in known.values())
        )

    def _hand_over(
        self, place: Witness, note: bytes, plan: _SigningPlan, asked: Checkpoint | WitnessError | None
    ) -> tuple[WitnessState, bytes]:
        """Give a place the checkpoint; returns how it stands, and the signature it added."""
        size = asked.size if isinstance(asked, Checkpoint) else 0
        try:
            if isinstance(asked, WitnessError):
                raise asked
            old, proof = plan.proofs.get(place.name, (0, []))
            key = place.key()
            stamped = place.take(note, old, proof)[len(note) :]
            if key is not None:
                _check_stamp(note + stamped, key, place.name)
        except WitnessError as error:
            return WitnessState(place.name, "", size, UNREACHABLE, error.whole), b""
        return WitnessState(place.name, str(key or ""), plan.checkpoint.size, OK, ""), stamped

    def _store(self, size: int, note: bytes, states: Sequence[WitnessState]) -> None:
        with writing(self.engine) as connection:
            connection.execute(select(tables.head).with_for_update()).one()  # one signer at a time
            # Only upwards: one that another gateway has overtaken may lack the signature of a replaced key.
            if size > newest_size(connection):
                connection.execute(insert(checkpoint).values(size=size, note=note, time=now()))
            self._record_witnesses(connection, states)
            _write_states(connection, states)
            names = ["", *(state.name for state in states)]
            connection.execute(delete(witness).where(witness.c.name.not_in(names)))
            connection.execute(delete(witness).where(witness.c.name == ""))

    def _record_witnesses(self, connection: Connection, states: Sequence[WitnessState]) -> None:
        """Entries for witnesses that came, went, or have another key than before."""
        before = {state.name: state for state in read_witnesses(connection) if state.name not in ("", KEPT)}
        batch = Batch()
        configured = {state.name for state in states} - {KEPT}
        for name in sorted(before.keys() - configured):
            batch.record(Entry(action=Action.WITNESS_REMOVED, details={"witness": name}))
        for state in states:
            old = before.get(state.name)
            is_new = old is None or (state.key and state.key != old.key)
            if state.name != KEPT and state.state == OK and is_new:
                details = {"witness": state.name, **({"key": state.key} if state.key else {})}
                batch.record(Entry(action=Action.WITNESS_ADDED, details=details))
        if batch.entries:
            batch.append(connection)

    def _note(self, states: Sequence[WitnessState]) -> None:
        """Write down how witnesses stand; that one went ahead is an entry, once."""
        with writing(self.engine) as connection:
            before = {state.name: state.state for state in read_witnesses(connection)}
            _write_states(connection, states)
            batch = Batch()
            for state in states:
                if state.name and state.state == AHEAD and before.get(state.name) != AHEAD:
                    details = {"witness": state.name, "size": state.size}
                    batch.record(Entry(action=Action.WITNESS_AHEAD, actor=SYSTEM, details=details))
            if batch.entries:
                batch.append(connection)


def newest_size(connection: Connection) -> int:
    """How many entries the newest checkpoint counts; 0 without one."""
    [(found,)] = _SIZE.bare(connection)
    return int(found or 0)


def newest_note(connection: Connection) -> bytes | None:
    """The newest checkpoint as it was signed; None where there is none."""
    return next((bytes(note) for (note,) in _NOTE.bare(connection)), None)


def read_witnesses(connection: Connection) -> list[WitnessState]:
    """How each witness stands; the one without a name is this gateway itself."""
    return [WitnessState(*row) for row in _WITNESSES.bare(connection)]


def stopped(connection: Connection) -> str | None:
    """Why nothing is signed now; None where all is well."""
    return next((state.message for state in read_witnesses(connection) if state.state == AHEAD), None)


def _latest(place: Witness, origin: str, before: WitnessState | None) -> Checkpoint | None:
    """What a place has. Its signature is not asked for: a doubtful one stops us as well as a good one."""
    note = place.latest(origin)
    if note is None:
        if before is not None and before.size and before.state != AHEAD and place.name != KEPT:
            raise WitnessError(f"it no longer has the checkpoint of {before.size} entries that it took")
        return None
    try:
        found = parse_checkpoint(parse_note(note).text)
        if found.origin != origin:
            raise NoteError(f"it is of {found.origin[:80]!a}")
        return found
    except NoteError as error:
        raise WitnessError(f"what it has is no checkpoint of this log: {error}") from None


def _disagreement(connection: Connection, size: int, theirs: Checkpoint) -> str | None:
    if theirs.size > size:
        return f"knows {theirs.size} entries and this database has {size}: {REMEDY}"
    try:
        ours = frontier_at(theirs.size, lambda tiles: read_tiles(connection, tiles)).root()
    except MissingTileError:
        ours = b""
    if ours != theirs.root:
        return f"has another history of the first {theirs.size} entries than this database: {REMEDY}"
    return None


def _proof(connection: Connection, old: int, new: int) -> tuple[int, list[bytes]]:
    return old, consistency_proof(old, new, lambda tiles: read_tiles(connection, tiles))


def _check_stamp(note: bytes, key: VerifierKey, name: str) -> None:
    try:
        if not verify_note(parse_note(note), [key]):
            raise NoteError("it did not countersign")
    except NoteError as error:
        raise WitnessError(f"the answer of the witness {name} is no good: {error}") from None


def _write_states(connection: Connection, states: Sequence[WitnessState]) -> None:
    for state in states:
        known = connection.execute(select(witness).where(witness.c.name == state.name)).one_or_none()
        key = state.key or (known.key if known else "")
        connection.execute(delete(witness).where(witness.c.name == state.name))
        connection.execute(insert(witness).values(**{**state._asdict(), "key": key}, time=now()))
