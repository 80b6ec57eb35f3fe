"""Write exports of the journal, in the format that `federation.journal.verify` documents and checks."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from federation.journal.commitments import Committed
from federation.journal.verify import Frontier, VerifierKey

__all__ = ["ExportedCheckpoint", "ExportedEntry", "bundle_lines", "export_lines"]


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """An entry as it is stored. `hash` is the leaf hash the log stored, never one made again from `data`.

    `values` are those not erased of what it commits to, by name. `proof` is needed in a bundle only.
    """

    seq: int
    data: bytes
    hash: bytes
    values: Mapping[str, Committed] = field(default_factory=dict)
    proof: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class ExportedCheckpoint:
    """A signed checkpoint. `proof` is that of consistency with what stands above it, where one is needed."""

    size: int
    note: bytes
    proof: Sequence[bytes] = ()


def export_lines(
    origin: str,
    keys: Iterable[VerifierKey],
    before: Frontier,
    end: int,
    entries: Iterable[ExportedEntry],
    checkpoints: Iterable[ExportedCheckpoint],
) -> Iterator[bytes]:
    """A whole export: all entries from number `before.size` up to `end` (exclusive), as lines with their newline.

    `before` is the frontier there (empty for an export from the start), `keys` begins with the log key that
    signed first. `checkpoints` rise in size; those under `before.size` are passed over. The last one counts
    all entries: exactly, or more of them and then with the proof of consistency from `end`.
    """
    yield _line(
        type="export",
        version=1,
        origin=origin,
        first=before.size,
        end=end,
        partial=False,
        frontier=before.hashes,
    )
    yield from _keys(keys)
    ahead = iter(checkpoints)
    checkpoint = next(ahead, None)
    for entry in entries:
        yield from _entry(entry)
        while checkpoint and checkpoint.size <= entry.seq + 1:
            if checkpoint.size == entry.seq + 1:
                yield _checkpoint(checkpoint)
            checkpoint = next(ahead, None)
    if checkpoint:
        yield _checkpoint(checkpoint)


def bundle_lines(
    origin: str,
    keys: Iterable[VerifierKey],
    parts: Iterable[ExportedCheckpoint | ExportedEntry],
    end: int,
) -> Iterator[bytes]:
    """A partial export: some of the entries number 0 to `end` - 1, each with its proof.

    `parts` begins with a checkpoint, the last of them counts `end` entries, each later one has the proof of consistency
    from the one before; entries rise in number and carry the proof of inclusion in the last checkpoint above them.
    Where the log's key was rotated, the entries that announce new keys are among them.
    """
    yield _line(type="export", version=1, origin=origin, first=0, end=end, partial=True)
    yield from _keys(keys)
    for part in parts:
        if isinstance(part, ExportedCheckpoint):
            yield _checkpoint(part)
        else:
            yield from _entry(part, with_proof=True)


def _keys(keys: Iterable[VerifierKey]) -> Iterator[bytes]:
    for key in keys:
        yield _line(type="key", key=str(key))


def _entry(entry: ExportedEntry, *, with_proof: bool = False) -> Iterator[bytes]:
    proof = {"proof": entry.proof} if with_proof else {}
    yield _line(type="entry", seq=entry.seq, bytes=entry.data, hash=entry.hash, **proof)
    for name, value in sorted(entry.values.items()):
        yield _line(type="value", name=name, salt=value.salt, value=value.value)


def _checkpoint(checkpoint: ExportedCheckpoint) -> bytes:
    proof = {"proof": checkpoint.proof} if checkpoint.proof else {}
    return _line(type="checkpoint", note=checkpoint.note.decode(), **proof)


def _line(**parts: object) -> bytes:
    plain = {name: _plain(part) for name, part in parts.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(part: object) -> object:
    if isinstance(part, bytes):
        return base64.b64encode(part).decode()
    return [_plain(item) for item in part] if isinstance(part, list | tuple) else part
