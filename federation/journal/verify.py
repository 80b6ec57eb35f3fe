"""Check an export of a journal without trusting the gateway that wrote it: `python verify.py PATH`.

This file needs Python 3.11 and `cryptography`, nothing else, so it can be carried away and run alone.

An export is one file of JSON lines, or a folder whose `*.jsonl` files are read in the order of their names
as if they were one. Bytes are in base64. Each line is an object whose `type` says what it is:

- `export`: the first line. `version` 1, `origin` (the log's name), `first` and `end` (the entries number
  `first` to `end` - 1 are here), `partial` (true: only some of them are, each with a proof; then `first` is 0 and
  `end` what the last checkpoint counts), and in a whole export `frontier`: the roots of the complete subtrees over
  the entries before `first`, largest first.
- `key`: a verifier key as `key`, before the first checkpoint. The first of the log's own is where trust
  starts.
- `entry`: `seq`, the exact `bytes`, perhaps the `hash` the log has stored for it, and in a partial export (only) the
  `proof` of inclusion in the checkpoint above it.
- `value`: `name`, `salt` and `value` of something the entry above only commits to.
- `checkpoint`: a signed `note`. In a whole export it stands below the last entry it counts; where it counts
  more than that, `proof` is the proof of consistency with the tree so far. In a partial export it stands
  above its entries, and `proof` is the proof of consistency with the checkpoint before it.

A folder of evidence has more files beside the lines: `checkpoint.txt` (the last checkpoint) and `keys.txt` (all keys)
are compared with them. Whatever else lies there is named as not checked.

Once a checkpoint signed by a trusted key covers an entry `key.rotated`, the key it names is trusted, and the one
before no longer signs: so the first checkpoint that covers the entry is signed by both.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

_From = TypeVar("_From")
_To = TypeVar("_To")
_sha256 = hashlib.sha256
EMPTY_ROOT: Final = _sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962, section 2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """The RFC 6962 hash of one entry's exact bytes, 32 bytes."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The RFC 6962 hash of an interior node, 32 bytes."""
    return _sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the complete subtrees that `size` leaves make, largest first: all that appending needs."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def extend(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        """The frontier after these leaves."""
        stack = list(self.hashes)
        size = self.size
        for node in leaf_hashes:
            complete = size
            while complete & 1:
                node = _sha256(b"\x01" + stack.pop() + node).digest()
                complete >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """The RFC 6962 root of the tree, 32 bytes."""
        return fold(self.hashes) if self.hashes else EMPTY_ROOT


def fold(subtrees: Sequence[bytes]) -> bytes:
    """The root over neighbouring complete subtrees, largest (leftmost) first; at least one."""
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf hash `leaf` is number `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the old tree is a prefix of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, node)
        position, last = position >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


# --- Commitments ---


def commitment_digest(salt: bytes, value: str) -> bytes:
    """The commitment to a value: SHA-256 of a fixed prefix, the salt's length, the salt, the UTF-8 value."""
    if not 16 <= len(salt) <= 32:
        raise ValueError(f"a salt has 16 to 32 bytes, not {len(salt)}")
    return _sha256(b"waypost/commitment/v1\x00" + bytes([len(salt)]) + salt + value.encode()).digest()


def verify_commitment(digest: bytes, salt: bytes, value: str) -> bool:
    """Whether the value is the one that was committed to."""
    return 16 <= len(salt) <= 32 and commitment_digest(salt, value) == digest


# --- Notes, checkpoints, countersignatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ---

ED25519: Final = 0x01
"""Kind of a key that signs notes: the log's."""
COSIGNATURE: Final = 0x04
"""Kind of a key that countersigns checkpoints with a time: a witness's."""
NOTE_LIMIT: Final = 1 << 20
"""Longest note that is read, in bytes."""
_MOST_SIGNATURES: Final = 64
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """A note, checkpoint or key that is malformed or whose signature is wrong. The message says which."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, written `name+id+key` (C2SP). `public` is 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart; no proof of anything."""
        return _sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.public)}"

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether this is an Ed25519 signature of the message by this key."""
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError as error:
            raise NotAnExportError("signatures are checked by a package: pip install cryptography") from error

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note, not yet checked."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and the signatures under it, not yet checked."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself: its name, how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.origin, str(self.size), _base64(self.root), *self.extensions]) + "\n"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was checked and is right. `time` is when a witness gave it, in seconds since 1970."""

    key: VerifierKey
    time: int | None


def parse_verifier_key(text: str) -> VerifierKey:
    """Read `name+id+key`. Raises NoteError where it is malformed, of an unknown kind, or has a wrong id."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decode_base64(encoded, "a verifier key")
    if (
        not _NAME.fullmatch(name)
        or not name.isprintable()
        or len(raw) != 33
        or raw[0] not in (ED25519, COSIGNATURE)
    ):
        raise NoteError(f"not a verifier key (name+id+key, Ed25519): {text[:200]!a}")
    key = VerifierKey(name, raw[0], raw[1:])
    if key.id.hex() != key_id:
        raise NoteError(f"the id of the verifier key {name!a} does not match the key")
    return key


def parse_note(data: bytes) -> Note:
    """Split a signed note into its text and its signature lines. Raises NoteError where it is malformed."""
    if len(data) > NOTE_LIMIT:
        raise NoteError(f"a note of more than {NOTE_LIMIT} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteError("a note that is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise NoteError("a note with a control character in it")
    body, blank, signatures = whole.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("a note without a blank line and signature lines at its end")
    lines = signatures[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteError(f"a note with more than {_MOST_SIGNATURES} signatures")
    return Note(body + "\n", tuple(map(_parse_signature, lines)))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint note. Raises NoteError where it is malformed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteError("a checkpoint needs the lines origin, size and root, none of them empty")
    if not _SIZE.fullmatch(lines[1]):
        raise NoteError(f"the size of a checkpoint is a plain number, not {lines[1][:40]!a}")
    root = _decode_base64(lines[2], "the root of a checkpoint")
    if len(root) != 32:
        raise NoteError("the root of a checkpoint is 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]))


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[Signed]:
    """The signatures made by these keys, in the order of the note; those of other keys are passed over.

    Raises NoteError where a signature claims to be of one of these keys and is not: then nothing counts.
    """
    known = {(key.name, key.id): key for key in keys}
    found: dict[VerifierKey, Signed] = {}
    for line in note.signatures:
        if key := known.get((line.name, line.key_id)):
            found.setdefault(key, _check(key, line.signature, note.text.encode()))
    return list(found.values())


def cosignature_message(text: str, time: int) -> bytes:
    """The bytes a witness signs for a checkpoint's text at `time` (seconds since 1970)."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _check(key: VerifierKey, signature: bytes, message: bytes) -> Signed:
    time = None
    if key.kind == COSIGNATURE:
        time = int.from_bytes(signature[:8], "big")
        signature, message = signature[8:], cosignature_message(message.decode(), time)
    if not key.accepts(signature, message):
        raise NoteError(f"the signature by {key.name} ({key.id.hex()}) is wrong")
    return Signed(key, time)


def _parse_signature(line: str) -> Signature:
    dash, name, encoded = ([*line.split(" "), "", ""])[:3]
    raw = _decode_base64(encoded, "a signature")
    if dash != "—" or not _NAME.fullmatch(name) or line.count(" ") != 2 or len(raw) < 5:
        raise NoteError(f"not a signature line: {line[:80]!a}")
    return Signature(name, raw[:4], raw[4:])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode_base64(text: str, what: str) -> bytes:
    """Only the canonical spelling is read, so that two texts never mean the same bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if _base64(data) != text:
        raise NoteError(f"{what} is not written in base64: {text[:80]!a}")
    return data


# --- Exports ---

LINE_LIMIT: Final = 64 << 20
"""Longest line that is read, in bytes."""
_BATCH: Final = 4096
_spell = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_PARTS: Final = {
    "export": {"type", "version", "origin", "first", "end", "partial", "frontier"},
    "key": {"type", "key"},
    "entry": {"type", "seq", "bytes", "hash", "proof"},
    "value": {"type", "name", "salt", "value"},
    "checkpoint": {"type", "note", "proof"},
}


class NotAnExportError(ValueError):
    """The path cannot be read, or what it holds does not begin like an export."""


@dataclass(frozen=True, slots=True)
class ExportProblem:
    """The first thing that is wrong: the bad entry is one of number `first` to `last`, often a single one.

    Both are None where no entry is to blame. `line` counts from 1 over all files; None: another file is to blame.
    """

    message: str
    line: int | None
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        if self.first is None:
            return f"line {self.line}: {self.message}"
        entries = f"entry {self.first}" if self.first == self.last else f"entries {self.first} to {self.last}"
        return f"{entries} (line {self.line}): {self.message}"


@dataclass(slots=True)
class Report:
    """What was checked, and the first problem. `signed` is the size of the last checkpoint that verified.

    `keys` are the log's keys that signed, `pinned` those that were given from outside. `countersigned` has
    for each witness's key the largest size it vouched for, and when (seconds since 1970). `unchecked` are the files
    of the folder that were not looked at.
    """

    origin: str = ""
    first: int = 0
    end: int = 0
    partial: bool = False
    entries: int = 0
    checkpoints: int = 0
    signed: int = 0
    commitments: int = 0
    values: int = 0
    keys: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    countersigned: dict[str, tuple[int, int]] = field(default_factory=dict)
    problem: ExportProblem | None = None
    notes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that could be checked is right."""
        return self.problem is None

    def __str__(self) -> str:
        return "\n".join(_verdict(self))


def verify_export(
    path: Path, *, keys: Iterable[VerifierKey] = (), checkpoints: Iterable[bytes] = ()
) -> Report:
    """Check an export, in constant memory, up to the first problem.

    `keys` were obtained elsewhere: with a log key among them the export's own are not trusted by themselves, and a
    witness among them must have countersigned. `checkpoints` are notes kept elsewhere, by a witness for example: the
    export must contain them. Raises NotAnExportError for what is no export, NoteError for a malformed checkpoint.
    """
    check = _ExportCheck(list(keys), [parse_note(note) for note in checkpoints])
    number = 0
    try:
        for number, raw in enumerate(_lines(path), 1):
            check.read(raw, number)
        check.finish()
        if path.is_dir():
            check.beside(path)
    except _BadError as bad:
        if number < 2 and not check.report.origin:
            raise NotAnExportError(f"{path} does not begin like an export: {bad}") from None
        first, last = bad.entries or (None, None)
        check.report.problem = ExportProblem(str(bad), None if bad.is_beside else number, first, last)
    return check.report


class _BadError(Exception):
    def __init__(
        self, message: str, entries: tuple[int, int] | None = None, *, is_beside: bool = False
    ) -> None:
        super().__init__(message)
        self.entries = entries
        self.is_beside = is_beside


class _ExportCheck:
    """The state of one pass over an export."""

    def __init__(self, keys: Sequence[VerifierKey], known: Sequence[Note]) -> None:
        self.report = Report(pinned=tuple(map(str, keys)))
        self.trusted = {key for key in keys if key.kind == ED25519}
        self.retired: set[VerifierKey] = set()
        self.demanded = {key for key in keys if key.kind == COSIGNATURE}
        self.declared = set(keys)
        self.named: list[VerifierKey] = []
        self.signers: set[VerifierKey] = set()
        self.note = ""
        self.opened: set[str] = set()
        self.announced: VerifierKey | None = None
        self.known = sorted(
            ((parse_checkpoint(note.text), note) for note in known), key=lambda pair: pair[0].size
        )
        self.met = 0
        self.frontier = Frontier()
        self.waiting: list[bytes] = []
        self.count = self.vouched = 0
        self.last: Checkpoint | None = None
        self.open: dict[str, Any] = {}

    def read(self, raw: bytes, number: int) -> None:
        line = _line(raw)
        kind = line["type"]
        if (kind == "export") != (number == 1):
            raise _BadError("the line that begins an export is its first and no other")
        getattr(self, f"read_{kind}")(line)

    def read_export(self, line: dict[str, Any]) -> None:
        if type(line.get("version")) is not int or line["version"] != 1:
            raise NotAnExportError(
                f"an export of version {line.get('version')}; this program reads version 1"
            )
        report = self.report
        report.origin = _text(line, "origin")
        if not report.origin.isprintable():
            raise _BadError("the name of the log has characters that cannot be shown")
        report.first, report.end = _number(line, "first"), _number(line, "end")
        if type(line.get("partial", False)) is not bool:
            raise _BadError("whether the export is partial is neither true nor false")
        report.partial = line.get("partial", False)
        if report.end < report.first:
            raise _BadError("the export ends before it begins")
        if report.partial and (report.first or "frontier" in line):
            raise _BadError("a partial export begins at entry 0")
        hashes = tuple(_hashes(line, "frontier")) if "frontier" in line else ()
        if not report.partial and len(hashes) != report.first.bit_count():
            raise _BadError(f"the frontier does not fit {report.first} entries before the export")
        self.frontier = Frontier(report.first, hashes)
        self.count = self.vouched = report.first
        if not report.partial:
            self.meet(self.frontier.root(), report.first)

    def read_key(self, line: dict[str, Any]) -> None:
        key = _part(parse_verifier_key, _text(line, "key"))
        if self.last or key in self.named:
            raise _BadError("a key stands twice, or below a checkpoint")
        self.named.append(key)
        self.declared.add(key)
        if key.kind == ED25519 and not self.trusted:
            self.trusted.add(key)

    def read_entry(self, line: dict[str, Any]) -> None:
        seq = _number(line, "seq")
        self.expect(seq)
        data = _bytes(line, "bytes")
        leaf = leaf_hash(data)
        here = (seq, seq)
        if "proof" in line and not self.report.partial:
            raise _BadError("it has a proof, which none has in a whole export", here)
        if "hash" in line and _bytes(line, "hash") != leaf:
            raise _BadError("its bytes are not those whose hash the log stored", here)
        try:
            self.open = _json_object(data, "its bytes")
        except _BadError as bad:
            raise _BadError(str(bad), here) from None
        if self.open.get("v") != 1 or self.open.get("seq") != seq:
            raise _BadError(
                f"its bytes say format {self.open.get('v')!s:.20}, number {self.open.get('seq')!s:.20}", here
            )
        if self.report.partial:
            self.included(line, seq, leaf)
        else:
            self.waiting.append(leaf)
            if len(self.waiting) >= _BATCH:
                self.grow()
        self.count = seq + 1
        self.opened.clear()
        self.report.entries += 1
        self.report.commitments += len(self.committed())
        if self.open.get("action") == "key.rotated":
            self.announce(here)
        if (
            self.met < len(self.known)
            and self.known[self.met][0].size == self.count
            and not self.report.partial
        ):
            self.meet(self.grow().root(), self.count)

    def expect(self, seq: int) -> None:
        """The numbers of a whole export are dense, those of a partial one rise."""
        if self.report.partial:
            if seq < self.count or seq >= self.report.end:
                raise _BadError("it is out of order, or beyond the end", (seq, seq))
        elif seq != self.count:
            raise _BadError(f"missing; number {seq} stands in its place", (self.count, self.count))
        elif self.last and self.last.size > seq:
            raise _BadError("it stands below a checkpoint that counts it", (seq, seq))
        elif seq >= self.report.end:
            raise _BadError(
                f"it is beyond the end, which the first line says is {self.report.end}", (seq, seq)
            )

    def included(self, line: dict[str, Any], seq: int, leaf: bytes) -> None:
        if self.last is None:
            raise _BadError("no checkpoint stands above it", (seq, seq))
        if not verify_inclusion(leaf, seq, self.last.size, _hashes(line, "proof"), self.last.root):
            raise _BadError(
                f"it is not what was signed in the checkpoint of {self.last.size} entries", (seq, seq)
            )

    def announce(self, here: tuple[int, int]) -> None:
        details = self.open.get("details")
        text = details.get("key") if isinstance(details, dict) else None
        try:
            self.announced = parse_verifier_key(str(text))
        except NoteError as error:
            raise _BadError(f"it announces a new key, but {error}", here) from None
        if self.report.partial:
            self.trust_announced()

    def trust_announced(self) -> None:
        if self.announced:
            self.retired |= self.trusted - {self.announced}
            self.trusted, self.announced = {self.announced}, None

    def committed(self) -> dict[str, Any]:
        found = self.open.get("commitments", {})
        return found if isinstance(found, dict) else {}

    def read_value(self, line: dict[str, Any]) -> None:
        here = (self.count - 1, self.count - 1)
        name, salt, value = _text(line, "name"), _bytes(line, "salt"), _text(line, "value")
        digest = self.committed().get(name)
        if not isinstance(digest, str) or not self.report.entries:
            raise _BadError(f"it commits to no value called {name[:40]!a}", here)
        if name in self.opened:
            raise _BadError(f"the value called {name[:40]!a} stands twice", here)
        self.opened.add(name)
        if not 16 <= len(salt) <= 32 or _base64(commitment_digest(salt, value)) != digest:
            raise _BadError(f"the value called {name[:40]!a} is not the one it commits to", here)
        self.report.values += 1

    def grow(self) -> Frontier:
        self.frontier = self.frontier.extend(self.waiting)
        self.waiting.clear()
        return self.frontier

    def read_checkpoint(self, line: dict[str, Any]) -> None:
        note = _part(parse_note, _text(line, "note").encode())
        checkpoint = _part(parse_checkpoint, note.text)
        signed = self.signatures(note, checkpoint)
        own = [str(found.key) for found in signed if found.key in self.trusted]
        proof = _hashes(line, "proof") if "proof" in line else []
        if "proof" in line and (not proof or (self.report.partial and self.last is None)):
            raise _BadError(f"the checkpoint of {checkpoint.size} entries has a proof that proves nothing")
        self.signers.update(found.key for found in signed)
        self.note = line["note"]
        if self.report.partial:
            self.follows(checkpoint, proof, trusted=bool(own))
        else:
            self.covers(checkpoint, proof)
        self.last = checkpoint
        self.report.checkpoints += 1
        self.meet(checkpoint.root, checkpoint.size)
        if own:
            self.vouch(checkpoint, own, signed)

    def vouch(self, checkpoint: Checkpoint, own: list[str], signed: list[Signed]) -> None:
        """A checkpoint that agrees with all above it and is signed by a trusted key."""
        report = self.report
        report.signed, self.vouched = checkpoint.size, self.count
        report.keys = tuple(dict.fromkeys([*report.keys, *own]))
        if not report.partial:
            self.trust_announced()
        for witness in signed:
            if witness.time is not None:
                report.countersigned[str(witness.key)] = (checkpoint.size, witness.time)
                self.demanded.discard(witness.key)

    def signatures(self, note: Note, checkpoint: Checkpoint) -> list[Signed]:
        """All signatures of a checkpoint are right, of keys that are named, and one is of a key of the log."""
        here = f"the checkpoint of {checkpoint.size} entries"
        if checkpoint.origin != self.report.origin:
            raise _BadError(f"a checkpoint of another log: {checkpoint.origin[:80]!a}")
        try:
            signed = verify_note(note, self.declared)
        except NoteError as error:
            raise _BadError(f"{here}: {error}") from None
        if len(signed) < len(note.signatures):
            raise _BadError(f"{here} is signed by a key that the export does not name")
        own = [
            found.key for found in signed if found.key.kind == ED25519 and found.key.name == checkpoint.origin
        ]
        if not own:
            raise _BadError(f"{here} is not signed by a key of the log")
        if self.retired.issuperset(own):
            raise _BadError(f"{here} is signed only by a key that had been replaced")
        return signed

    def covers(self, checkpoint: Checkpoint, proof: list[bytes]) -> None:
        """A checkpoint of a whole export agrees with the entries above it."""
        if checkpoint.size < self.count:
            raise _BadError(f"a checkpoint of {checkpoint.size} entries stands below entry {self.count - 1}")
        root = self.grow().root()
        if verify_consistency(self.count, root, checkpoint.size, checkpoint.root, proof):
            return
        span = (self.vouched, max(self.vouched, checkpoint.size - 1))
        wrong = "missing or not" if checkpoint.size > self.count and not proof else "not"
        message = f"at least one is {wrong} what was signed in the checkpoint of {checkpoint.size} entries"
        raise _BadError(message, span)

    def follows(self, checkpoint: Checkpoint, proof: list[bytes], *, trusted: bool) -> None:
        """A checkpoint of a partial export grew out of the one before it, and a trusted key signed it."""
        if not trusted:
            raise _BadError(f"the checkpoint of {checkpoint.size} entries is signed by no trusted key")
        last = self.last
        if last and not verify_consistency(last.size, last.root, checkpoint.size, checkpoint.root, proof):
            raise _BadError(
                f"the checkpoint of {checkpoint.size} entries did not grow out of that of {last.size}: "
                "history was rewritten between them"
            )

    def meet(self, root: bytes, size: int) -> None:
        """Compare with the checkpoints that were kept elsewhere."""
        while self.met < len(self.known) and self.known[self.met][0].size <= size:
            known = self.known[self.met][0]
            if known.size == size and known.root != root:
                since = 0 if self.met == 0 else self.known[self.met - 1][0].size
                span = None if self.report.partial else (min(since, size - 1), size - 1)
                raise _BadError(
                    f"a checkpoint kept elsewhere has another root for {size} entries: rewritten", span
                )
            if known.size < size:
                self.report.notes.append(
                    f"the checkpoint of {known.size} entries kept elsewhere was not compared"
                )
            self.met += 1

    def finish(self) -> None:
        report = self.report
        if not report.partial and self.count < report.end:
            message = f"missing; the first line says the export goes up to {report.end - 1}"
            raise _BadError(message, (self.count, self.count))
        for known, note in self.known:
            self.outside(known, note)
        if not report.partial and self.vouched < self.count:
            message = "no checkpoint signed by a trusted key of the log covers them"
            raise _BadError(message, (self.vouched, self.count - 1))
        if self.last is None:
            raise _BadError("no checkpoint is in the export, so nothing vouches for it")
        if report.partial and self.last.size != report.end:
            raise _BadError(
                f"the first line says the export goes up to {report.end - 1}, the last checkpoint counts "
                f"{self.last.size} entries"
            )
        idle = [key for key in self.named if key not in self.signers]
        report.notes += [f"signed nothing here: {key}" for key in idle]
        if self.demanded:
            names = ", ".join(sorted(key.name for key in self.demanded))
            raise _BadError(f"never countersigned by {names}: the log's key alone vouches for this history")

    def beside(self, folder: Path) -> None:
        """The other files of a folder of evidence: what follows from the lines is compared, the rest is named."""
        told = {"checkpoint.txt": self.note, "keys.txt": "".join(f"{key}\n" for key in self.named)}
        this = Path(__file__).resolve()
        for file in sorted(one for one in folder.iterdir() if one.suffix != ".jsonl" or one.is_dir()):
            if file.name in told:
                if _content(file) != told[file.name].encode():
                    raise _BadError(f"{file.name} is not what the export says", is_beside=True)
            elif file.is_dir() or file.resolve() == this or _content(file) != this.read_bytes():
                self.report.unchecked.append(file.name)

    def outside(self, known: Checkpoint, note: Note) -> None:
        reached = max(self.report.signed, 0 if self.report.partial else self.count)
        if known.origin != self.report.origin:
            raise _BadError(f"the checkpoint kept elsewhere is of another log: {known.origin[:80]!a}")
        if known.size > reached:
            raise _BadError(
                f"a checkpoint kept elsewhere counts {known.size} entries and the export only {reached}: "
                "it was made before that checkpoint, or the log was cut back"
            )
        try:
            signed = verify_note(note, self.trusted | self.retired)
        except NoteError as error:
            raise _BadError(f"the checkpoint kept elsewhere: {error}") from None
        if not signed:
            raise _BadError("the checkpoint kept elsewhere is signed by a key this export does not vouch for")


def _lines(path: Path) -> Iterator[bytes]:
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise NotAnExportError(f"{path} holds no .jsonl file")
    for name in files:
        try:
            with name.open("rb") as file:
                while line := file.readline(LINE_LIMIT):
                    if not line.endswith(b"\n"):
                        raise _BadError("the line breaks off, or is too long")
                    yield line
        except OSError as error:
            raise NotAnExportError(f"{name} cannot be read: {error.strerror}") from None


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LINE_LIMIT)
    except OSError as error:
        raise NotAnExportError(f"{file} cannot be read: {error.strerror}") from None


def _line(raw: bytes) -> dict[str, Any]:
    """A line, in the one spelling that an export has for it."""
    line = _json_object(raw, "the line")
    if "type" not in line or not line.keys() <= _PARTS.get(str(line["type"]), set()):
        raise _BadError("the line is of a type or has a part that no export has")
    if _spell(line).encode(errors="replace") != raw[:-1]:
        raise _BadError("the line is not spelled as an export spells it")
    return line


def _json_object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise _BadError(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise _BadError(f"{what} is not a JSON object")
    return found


def _text(line: dict[str, Any], name: str) -> str:
    found = line.get(name)
    if not isinstance(found, str):
        _misses(line, name, "text")
    return found


def _number(line: dict[str, Any], name: str) -> int:
    found = line.get(name)
    if type(found) is not int or not 0 <= found < 1 << 63:
        _misses(line, name, "a number")
    return found


def _bytes(line: dict[str, Any], name: str) -> bytes:
    return _part(lambda text: _decode_base64(text, f"`{name}`"), _text(line, name))


def _hashes(line: dict[str, Any], name: str) -> list[bytes]:
    found = line.get(name)
    if not isinstance(found, list) or not all(isinstance(item, str) and len(item) == 44 for item in found):
        _misses(line, name, "a list of hashes")
    return [_part(lambda text: _decode_base64(text, f"`{name}`"), item) for item in found]


def _misses(line: dict[str, Any], name: str, what: str) -> NoReturn:
    raise _BadError(f"a line of type {str(line.get('type'))[:40]!a} needs {what} as `{name}`")


def _part(parse: Callable[[_From], _To], value: _From) -> _To:
    try:
        return parse(value)
    except NoteError as error:
        raise _BadError(str(error)) from None


# --- The verdict ---


def _verdict(report: Report) -> Iterator[str]:
    span = f"entries {report.first:,} to {report.end - 1:,}" if report.end > report.first else "no entries"
    what = f"{report.entries:,} of {span}" if report.partial else span
    if report.problem:
        yield f"NOT OK: {report.problem}"
        yield f"  until there: {report.entries:,} entries of {report.origin}; signed up to {report.signed:,}"
        return
    yield f"OK: {what} of {report.origin} are what was signed."
    number, last = report.checkpoints, f"over {report.signed:,} entries"
    yield f"  1 checkpoint, {last}" if number == 1 else f"  {number:,} checkpoints, the last {last}"
    for key in report.keys:
        yield f"  signed by {key}"
    if not any(key in report.pinned for key in report.keys):
        yield "  that key is from the export itself: compare it with one you got elsewhere (--key)"
    for key, (size, time) in report.countersigned.items():
        when = _moment(time)
        source = "" if key in report.pinned else ", a witness only the export names"
        yield f"  countersigned for {size:,} entries at {when} by {key}{source}"
    if not report.countersigned:
        yield "  no witness countersigned: who holds the log's key could have rewritten all of it"
    if report.commitments:
        yield f"  {report.values:,} of {report.commitments:,} withheld values are here and right"
    yield from (f"  {note}" for note in report.notes)
    if report.unchecked:
        names = ", ".join(name if name.isprintable() else ascii(name) for name in report.unchecked)
        yield f"  not checked, and proven by nothing: {names}"


def _moment(time: int) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time} seconds after 1970"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 where all is right, 1 where not, 2 where nothing could be checked."""
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Check an export of a Waypost journal, offline."
    )
    here = Path(__file__).parent
    parser.add_argument(
        "path", type=Path, nargs="?", default=here if (here / "entries.jsonl").exists() else None,
        help="the export: a .jsonl file, or a folder of them; left out, the folder of evidence that this file is in",
    )  # fmt: skip
    parser.add_argument(
        "--key", action="append", default=[], metavar="NAME+ID+KEY", help="a key you got elsewhere"
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a checkpoint a witness kept",
    )
    given = parser.parse_args(arguments)
    if given.path is None:
        parser.error("name the export: a .jsonl file, or a folder of them")
    try:
        keys = [parse_verifier_key(key) for key in given.key]
        notes = [path.read_bytes() for path in given.checkpoint]
        report = verify_export(given.path, keys=keys, checkpoints=notes)
    except (NotAnExportError, NoteError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{report}\n".encode("ascii", "backslashreplace").decode())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
