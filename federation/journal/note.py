"""Sign checkpoints of the journal, and countersign those of others (C2SP signed-note and tlog-cosignature).

Reading and checking them is in `federation.journal.verify`, which imports no writer.
"""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from federation.journal.verify import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    NoteError,
    VerifierKey,
    cosignature_message,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "NoteError",
    "SigningKey",
    "cosign",
    "create_key_file",
    "generate_key",
    "load_key_file",
    "parse_signing_key",
    "sign_checkpoint",
    "signing_key",
]

_PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key under a name: `kind` ED25519 signs the own log, COSIGNATURE countersigns others'."""

    verifier: VerifierKey
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({str(self.verifier)!r})"

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes."""
        return _private_keys().from_private_bytes(self.seed).sign(message)

    def secret(self) -> str:
        """The key as one line of text, `PRIVATE+KEY+name+id+key`. For the key file alone."""
        encoded = base64.b64encode(bytes([self.verifier.kind]) + self.seed).decode()
        return f"{_PREFIX}{self.verifier.name}+{self.verifier.id.hex()}+{encoded}"


def generate_key(name: str, kind: int = ED25519) -> SigningKey:
    """A new random key. Raises NoteError for a name that is empty or holds white space or `+`."""
    return signing_key(name, kind, _private_keys().generate().private_bytes_raw())


def signing_key(name: str, kind: int, seed: bytes) -> SigningKey:
    """The key made of these 32 secret bytes. Raises NoteError for a name that no key can have."""
    public = _private_keys().from_private_bytes(seed).public_key().public_bytes_raw()
    return SigningKey(parse_verifier_key(str(VerifierKey(name, kind, public))), seed)


def parse_signing_key(secret: str) -> SigningKey:
    """Read `PRIVATE+KEY+name+id+key`. Raises NoteError, which never repeats the text."""
    name, _, rest = secret.strip().removeprefix(_PREFIX).partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    if not secret.startswith(_PREFIX) or len(raw) != 33 or raw[0] not in (ED25519, COSIGNATURE):
        raise NoteError("not a signing key: expected one line PRIVATE+KEY+name+id+key")
    key = signing_key(name, raw[0], raw[1:])
    if key.verifier.id.hex() != key_id:
        raise NoteError(f"the id of the signing key {name!a} does not match the key")
    return key


def create_key_file(path: Path, key: SigningKey) -> None:
    """Write the key to a new file that only its owner may read. Raises FileExistsError, never overwrites."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(key.secret() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)  # whole or not at all, whenever the process ends
    finally:
        unfinished.unlink()


def load_key_file(path: Path) -> SigningKey:
    """Read a key file. Raises OSError, or NoteError naming the file."""
    try:
        return parse_signing_key(path.read_text(encoding="utf-8"))
    except (NoteError, UnicodeDecodeError) as error:
        raise NoteError(f"{path}: {error if isinstance(error, NoteError) else 'not a text file'}") from None


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> bytes:
    """The checkpoint as a note signed by each key; two keys where one has just replaced the other.

    Raises NoteError where a key is not named after the origin: such a signature would vouch for another log.
    """
    text = str(checkpoint)
    if parse_checkpoint(text) != checkpoint:
        raise NoteError("a checkpoint whose parts cannot be written in lines")
    lines = []
    for key in keys:
        if key.verifier.kind != ED25519 or key.verifier.name != checkpoint.origin:
            raise NoteError(f"the key {key.verifier.name} does not sign for the log {checkpoint.origin}")
        lines.append(_signature_line(key.verifier, key.sign(text.encode())))
    return _join(text, lines)


def cosign(note: bytes, key: SigningKey, time: int) -> bytes:
    """The note with a witness's countersignature added. `time` is in seconds since 1970.

    The caller has checked the log's signature and that the tree only grew since it last countersigned.
    """
    parsed = parse_note(note)
    parse_checkpoint(parsed.text)
    if key.verifier.kind != COSIGNATURE:
        raise NoteError(f"the key {key.verifier.name} is no witness's key")
    signature = time.to_bytes(8, "big") + key.sign(cosignature_message(parsed.text, time))
    return note + _signature_line(key.verifier, signature).encode()


def _signature_line(key: VerifierKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def _join(text: str, lines: list[str]) -> bytes:
    return (text + "\n" + "".join(lines)).encode()


def _private_keys() -> "type[Ed25519PrivateKey]":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # deferred: most commands sign nothing
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey
