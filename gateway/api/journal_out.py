"""What the API answers about the journal's proofs. Hashes are in hexadecimal, keys in C2SP's `name+id+key`."""

import base64
from collections.abc import Sequence

import msgspec

from federation.journal.proofs import Consistency, Inclusion
from federation.journal.query import Line
from gateway.api.out import EntryOut, entry_out


class InclusionOut(msgspec.Struct):
    """That the entry `seq` is in the tree of `size` entries with this root."""

    seq: int
    size: int
    leaf_hash: str
    root: str
    proof: Sequence[str]


class ConsistencyOut(msgspec.Struct):
    """That the tree of `from` entries is the beginning of that of `to`."""

    old: int = msgspec.field(name="from")
    new: int = msgspec.field(name="to")
    old_root: str
    new_root: str
    proof: Sequence[str]


class ProvenEntryOut(msgspec.Struct):
    """One entry; `bytes` are those that were hashed, in base64. `inclusion` is null until it is signed."""

    entry: EntryOut
    bytes: str
    inclusion: InclusionOut | None


class KeysOut(msgspec.Struct):
    """The keys of a log, oldest first, and those of its witnesses."""

    origin: str
    keys: Sequence[str]
    witnesses: Sequence[str]


class WitnessOut(msgspec.Struct):
    """A place that keeps checkpoints. `size` counts the entries of the newest it took."""

    name: str
    key: str
    size: int
    state: str
    """ok, unreachable or ahead."""
    message: str


class WitnessesOut(msgspec.Struct):
    """Every place that keeps checkpoints."""

    witnesses: Sequence[WitnessOut]


class RotationOut(msgspec.Struct):
    """The new key."""

    key: str


class ResumedOut(msgspec.Struct):
    """The witnesses that had known more."""

    left: Sequence[str]


def inclusion_out(found: Inclusion) -> InclusionOut:
    """A proof of inclusion as JSON."""
    return InclusionOut(
        found.seq, found.size, found.leaf_hash.hex(), found.root.hex(), [node.hex() for node in found.proof]
    )


def consistency_out(found: Consistency) -> ConsistencyOut:
    """A proof of consistency as JSON."""
    return ConsistencyOut(
        old=found.old_size,
        new=found.new_size,
        old_root=found.old_root.hex(),
        new_root=found.new_root.hex(),
        proof=[node.hex() for node in found.proof],
    )


def proven_out(line: Line, proven: Inclusion | None) -> ProvenEntryOut:
    """An entry with its proof as JSON."""
    data = base64.b64encode(line.entry).decode()
    return ProvenEntryOut(entry_out(line), data, None if proven is None else inclusion_out(proven))
