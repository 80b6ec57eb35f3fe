"""Seeded tamperings with exports, each of a kind somebody could try, and whether the verifier finds it."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from federation.journal.entry import decode, encode
from federation.journal.note import cosign, sign_checkpoint, signing_key
from federation.journal.verify import (
    ED25519,
    Checkpoint,
    ExportProblem,
    NotAnExportError,
    leaf_hash,
    parse_checkpoint,
    parse_note,
    verify_export,
)
from tests.federation.journal.exports import ORIGIN, Book, make_book

Line = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """An honest export as lines, what made it, and the dice."""

    book: Book
    lines: list[Line]
    rng: random.Random

    def at(self, kind: str) -> list[int]:
        return [number for number, line in enumerate(self.lines) if line["type"] == kind]

    def one(self, kind: str) -> int:
        return self.rng.choice(self.at(kind))


@dataclass(frozen=True)
class Tampered:
    """The bytes of the tampered export, and the number of the first bad entry where there is one."""

    data: bytes
    first: int | None = None


def join(lines: list[Line]) -> bytes:
    dumps = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
    return "".join(text + "\n" for text in dumps).encode()


def without_entry(lines: list[Line], at: int) -> list[Line]:
    """The lines without an entry and its withheld values."""
    rest = lines[at + 1 :]
    while rest and rest[0]["type"] == "value":
        rest.pop(0)
    return lines[:at] + rest


def seq_of(line: Line) -> int:
    return int(line["seq"])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def with_data(line: Line, data: bytes) -> Line:
    """The entry with other bytes, and the hash made to fit them."""
    return {**line, "bytes": b64(data), "hash": b64(leaf_hash(data))}


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def altered(data: bytes, rng: random.Random) -> bytes:
    """Another entry under the same number: well-formed, with another actor or reference."""
    read = decode(data)
    entry = replace(read.entry, actor=f"principal:{rng.randrange(100, 999)}", ref="fraud/innocent:1")
    return encode(entry, read.seq, read.time)


def renumbered(line: Line, seq: int) -> Line:
    read = decode(base64.b64decode(line["bytes"]))
    return {**with_data(line, encode(read.entry, seq, read.time)), "seq": seq}


# --- What needs no key ---


def flip_a_bit_of_the_file(scene: Scene) -> Tampered:
    return Tampered(flipped(join(scene.lines), scene.rng))


def flip_a_bit_of_an_entry(scene: Scene) -> Tampered:
    at = scene.one("entry")
    line = scene.lines[at]
    scene.lines[at] = {**line, "bytes": b64(flipped(base64.b64decode(line["bytes"]), scene.rng))}
    return Tampered(join(scene.lines), seq_of(line))


def flip_a_bit_of_an_entry_and_fit_its_hash(scene: Scene) -> Tampered:
    at = scene.one("entry")
    line = scene.lines[at]
    scene.lines[at] = with_data(line, flipped(base64.b64decode(line["bytes"]), scene.rng))
    return Tampered(join(scene.lines), seq_of(line))


def alter_an_entry_and_fit_its_hash(scene: Scene) -> Tampered:
    at = scene.one("entry")
    line = scene.lines[at]
    if "key." in base64.b64decode(line["bytes"]).decode():
        return flip_a_bit_of_an_entry(scene)
    scene.lines[at] = with_data(line, altered(base64.b64decode(line["bytes"]), scene.rng))
    return Tampered(join(scene.lines), seq_of(line))


def delete_an_entry(scene: Scene) -> Tampered:
    at = scene.one("entry")
    return Tampered(join(without_entry(scene.lines, at)), seq_of(scene.lines[at]))


def delete_an_entry_and_renumber_the_rest(scene: Scene) -> Tampered:
    at = scene.one("entry")
    first = seq_of(scene.lines[at])
    lines = without_entry(scene.lines, at)
    for number, line in enumerate(lines[at:], at):
        if line["type"] == "entry":
            lines[number] = renumbered(line, seq_of(line) - 1)
    lines[0] = {**lines[0], "end": lines[0]["end"] - 1}
    return Tampered(join(lines), first)


def swap_two_entries(scene: Scene) -> Tampered:
    one, two = sorted(scene.rng.sample(scene.at("entry"), 2))
    return Tampered(join(swapped(scene.lines, one, two)), seq_of(scene.lines[one]))


def swap_two_entries_and_renumber_them(scene: Scene) -> Tampered:
    one, two = sorted(scene.rng.sample(scene.at("entry"), 2))
    first, second = seq_of(scene.lines[one]), seq_of(scene.lines[two])
    scene.lines[one], scene.lines[two] = (
        renumbered(scene.lines[one], second),
        renumbered(scene.lines[two], first),
    )
    return Tampered(join(swapped(scene.lines, one, two)), first)


def swapped(lines: list[Line], one: int, two: int) -> list[Line]:
    """Two entries in each other's place, each with its withheld values."""
    rest = [len(lines[at:]) - len(without_entry(lines[at:], 0)) for at in (one, two)]
    early, late = lines[one : one + rest[0]], lines[two : two + rest[1]]
    return lines[:one] + late + lines[one + rest[0] : two] + early + lines[two + rest[1] :]


def double_an_entry(scene: Scene) -> Tampered:
    at = scene.one("entry")
    scene.lines.insert(at + 1, scene.lines[at])
    return Tampered(join(scene.lines), seq_of(scene.lines[at]) + 1)


def truncate_the_file(scene: Scene) -> Tampered:
    data = join(scene.lines)
    return Tampered(data[: scene.rng.randrange(len(data))])


def truncate_at_an_entry(scene: Scene) -> Tampered:
    at = scene.one("entry")
    return Tampered(join(scene.lines[:at]), seq_of(scene.lines[at]))


def cut_the_unsigned_end_and_fit_the_first_line(scene: Scene) -> Tampered:
    """Entries end where no checkpoint does."""
    signed = {point.size for point in scene.book.checkpoints}
    ends = [
        at for at in scene.at("entry") if seq_of(scene.lines[at]) not in signed and seq_of(scene.lines[at])
    ]
    at = scene.rng.choice(ends)
    lines = [{**scene.lines[0], "end": seq_of(scene.lines[at])}, *scene.lines[1:at]]
    first = max((size for size in signed if size < seq_of(scene.lines[at])), default=0)
    return Tampered(join(lines), first)


def alter_a_checkpoint(scene: Scene) -> Tampered:
    at = scene.one("checkpoint")
    note = scene.lines[at]["note"]
    point = parse_checkpoint(parse_note(note.encode()).text)
    other = scene.rng.choice(
        [
            replace(point, size=point.size + 1),
            replace(point, root=bytes(32)),
            replace(point, origin="evil.example"),
        ]
    )
    scene.lines[at] = {**scene.lines[at], "note": note.replace(str(point), str(other))}
    return Tampered(join(scene.lines))


def move_a_checkpoint(scene: Scene) -> Tampered:
    at = scene.one("checkpoint")
    line = scene.lines.pop(at)
    elsewhere = [
        n
        for n in scene.at("entry")
        if any(x["type"] == "entry" for x in scene.lines[min(n, at) : max(n, at)])
    ]
    scene.lines.insert(scene.rng.choice(elsewhere), line)
    return Tampered(join(scene.lines))


def alter_a_withheld_value(scene: Scene) -> Tampered:
    at = scene.one("value")
    line = scene.lines[at]
    part = scene.rng.choice(["value", "name", "salt"])
    changed = line[part] + "!" if part != "salt" else b64(scene.rng.randbytes(16))
    scene.lines[at] = {**line, part: changed}
    first = next(seq_of(line) for line in reversed(scene.lines[:at]) if line["type"] == "entry")
    return Tampered(join(scene.lines), first)


def move_a_withheld_value(scene: Scene) -> Tampered:
    at = scene.one("value")
    line = scene.lines.pop(at)
    there = scene.rng.choice([n for n in scene.at("entry") if n + 1 != at])
    scene.lines.insert(there + 1, line)
    return Tampered(join(scene.lines), seq_of(scene.lines[there]))


def rewrite_with_a_key_of_ones_own(scene: Scene) -> Tampered:
    mine = signing_key(ORIGIN, ED25519, scene.rng.randbytes(32))
    return Tampered(rewritten(scene, lambda _: replace(scene.book, keys=[mine]), countersigned=False).data)


def flip_a_bit_of_a_bundle(scene: Scene) -> Tampered:
    return Tampered(flipped(bundle_of(scene), scene.rng))


def alter_an_entry_of_a_bundle(scene: Scene) -> Tampered:
    lines = [json.loads(line) for line in bundle_of(scene).splitlines()]
    at = scene.rng.choice([n for n, line in enumerate(lines) if line["type"] == "entry"])
    lines[at] = with_data(lines[at], altered(base64.b64decode(lines[at]["bytes"]), scene.rng))
    return Tampered(join(lines), seq_of(lines[at]))


def swap_the_proofs_of_a_bundle(scene: Scene) -> Tampered:
    lines = [json.loads(line) for line in bundle_of(scene).splitlines()]
    one, two = sorted(scene.rng.sample([n for n, line in enumerate(lines) if line["type"] == "entry"], 2))
    lines[one]["proof"], lines[two]["proof"] = lines[two]["proof"], lines[one]["proof"]
    return Tampered(join(lines), seq_of(lines[one]))


# --- What only a witness can tell ---


def roll_back(scene: Scene) -> Tampered:
    """A backup from before: all in it is right, but newer entries are gone."""
    size = scene.rng.choice([point.size for point in scene.book.checkpoints[:-1]])
    old = replace(
        scene.book,
        entries=scene.book.entries[:size],
        checkpoints=[point for point in scene.book.checkpoints if point.size <= size],
    )
    return Tampered(exported(old))


def rewrite_with_the_stolen_key(scene: Scene) -> Tampered:
    """Everything is made anew from an altered entry on; countersignatures are left out from there."""
    return rewritten(scene, lambda book: book, countersigned=False)


def rewrite_and_keep_the_countersignatures(scene: Scene) -> Tampered:
    """The witness's signatures are carried over to the new checkpoints (which needs no witness to find)."""
    honest = {point.size: point.note for point in scene.book.checkpoints}
    forged = rewritten(scene, lambda book: book, countersigned=False)
    lines = [json.loads(line) for line in forged.data.splitlines()]
    witness = scene.book.witness.verifier.name
    for line in lines:
        if line["type"] == "checkpoint" and witness not in line["note"]:
            size = parse_checkpoint(parse_note(line["note"].encode()).text).size
            line["note"] += honest[size].decode().splitlines(keepends=True)[-1]
    return Tampered(join(lines))


def rewritten(scene: Scene, stolen: Callable[[Book], Book], *, countersigned: bool) -> Tampered:
    book = scene.book
    seq = scene.rng.choice([n for n, data in enumerate(book.entries) if b'"action":"key.' not in data])
    forged = replace(stolen(book), entries=[], leaves=[], values=[], tiles={}, checkpoints=[])
    sizes = {point.size: point for point in book.checkpoints}
    for number, data in enumerate(book.entries):
        read = decode(altered(data, scene.rng) if number == seq else data)
        forged.append(read.entry, book.values[number])
        if point := sizes.get(number + 1):
            if number < seq and forged.keys == book.keys:
                forged.checkpoints.append(point)
            else:
                root = forged.root(number + 1)
                note = sign_checkpoint(Checkpoint(ORIGIN, number + 1, root), *forged.keys)
                note = cosign(note, book.witness, 1) if countersigned else note
                forged.checkpoints.append(replace(point, note=note))
    return Tampered(exported(forged), seq)


def exported(book: Book) -> bytes:
    return b"".join(book.export_lines())


def bundle_of(scene: Scene) -> bytes:
    numbers = scene.rng.sample(range(len(scene.book.entries)), 8)
    return b"".join(scene.book.bundle_lines(numbers))


ALONE = [
    flip_a_bit_of_the_file,
    flip_a_bit_of_an_entry,
    flip_a_bit_of_an_entry_and_fit_its_hash,
    alter_an_entry_and_fit_its_hash,
    delete_an_entry,
    delete_an_entry_and_renumber_the_rest,
    swap_two_entries,
    swap_two_entries_and_renumber_them,
    double_an_entry,
    truncate_the_file,
    truncate_at_an_entry,
    cut_the_unsigned_end_and_fit_the_first_line,
    alter_a_checkpoint,
    move_a_checkpoint,
    alter_a_withheld_value,
    move_a_withheld_value,
    rewrite_with_a_key_of_ones_own,
    rewrite_and_keep_the_countersignatures,
    flip_a_bit_of_a_bundle,
    alter_an_entry_of_a_bundle,
    swap_the_proofs_of_a_bundle,
]
"""Found by who knows only the log's first key."""

WITNESSED = [roll_back, rewrite_with_the_stolen_key]
"""Found only with a checkpoint that the witness kept."""


@lru_cache(maxsize=4)
def honest(seed: int) -> tuple[Book, bytes]:
    book = make_book(seed)
    return book, exported(book)


def tamper(seed: int, path: Path) -> str | None:
    """Tamper with an export as the seed says. None where the verifier finds it, else what it missed.

    Neighbouring seeds run through all kinds; a few rounds of them share an export.
    """
    kinds = ALONE + WITNESSED
    kind = kinds[seed % len(kinds)]
    book, data = honest(seed // len(kinds) // 4)
    lines = [json.loads(line) for line in data.splitlines()]
    tampered = kind(Scene(book, lines, random.Random(seed)))
    path.write_bytes(tampered.data)
    name = f"seed {seed}, {kind.__name__}"
    first_key = [book.keys[0].verifier]
    if kind in WITNESSED:
        if blind := checked(path, keys=first_key):
            return f"{name}: found even without the witness, so the case shows nothing ({blind})"
        problem = checked(
            path, keys=[*first_key, book.witness.verifier], checkpoints=[book.checkpoints[-1].note]
        )
    else:
        problem = checked(path, keys=first_key)
    if problem is None:
        return f"{name}: not found"
    if tampered.first is not None and not names(problem, tampered.first):
        return f"{name}: entry {tampered.first} is the first bad one, but it says: {problem}"
    return None


def names(problem: ExportProblem | str, seq: int) -> bool:
    if isinstance(problem, str) or problem.first is None or problem.last is None:
        return False
    return problem.first <= seq <= problem.last


def checked(path: Path, **trust: Any) -> ExportProblem | str | None:
    try:
        return verify_export(path, **trust).problem
    except NotAnExportError as error:
        return str(error)
