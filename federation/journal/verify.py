"""Check a journal without trusting the gateway that wrote it.

This file needs Python 3.11 and `cryptography`, nothing else, so it can be carried away and run alone.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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
    if not _NAME.fullmatch(name) or len(raw) != 33 or raw[0] not in (ED25519, COSIGNATURE):
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
