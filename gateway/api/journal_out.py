"""What the API answers about the journal's proofs. Hashes are in hexadecimal, keys in C2SP's `name+id+key`."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from federation.journal.journal import Consistency, Inclusion, Keys, Line, Sealed, WitnessState
from gateway.api.out import EntryOut, entry_out

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
After = Annotated[int, msgspec.Meta(ge=-1, le=2**62)]


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


class ErasureIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who is erased, as backends write it: a name, an address, or the id of a principal."""

    subject: Text
    reason: Text | None = None


class ErasureOut(msgspec.Struct):
    """What was blanked: values beside the log, records of the catalogue, principals, notes and operations."""

    values: int
    records: int
    others: int


class SealIn(msgspec.Struct, forbid_unknown_fields=True):
    """Entries of before this time are sealed."""

    before: Text


class SealOut(msgspec.Struct):
    """Entries `first` to `end` - 1 stand in an archive on the gateway's machine; all null: there was nothing."""

    first: int | None
    end: int | None
    file: str | None
    sha256: str | None


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


def proven_out(line: Line, proven: Inclusion | None, names: Mapping[str, str]) -> ProvenEntryOut:
    """An entry with its proof as JSON."""
    data = base64.b64encode(line.entry).decode()
    return ProvenEntryOut(entry_out(line, names), data, None if proven is None else inclusion_out(proven))


def keys_out(found: Keys) -> KeysOut:
    """The keys as JSON."""
    return KeysOut(found.origin, found.keys, found.witnesses)


def witnesses_out(states: Sequence[WitnessState]) -> WitnessesOut:
    """The places that keep checkpoints as JSON."""
    return WitnessesOut([WitnessOut(*state) for state in states])


def resumed_out(ahead: Sequence[WitnessState]) -> ResumedOut:
    """The witnesses that had known more, as JSON."""
    return ResumedOut([state.name for state in ahead])


def seal_out(sealed: Sealed | None) -> SealOut:
    """What was sealed as JSON."""
    if sealed is None:
        return SealOut(None, None, None, None)
    return SealOut(sealed.first, sealed.end, str(sealed.file), sealed.digest.hex())
