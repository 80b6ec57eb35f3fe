"""Whatever is done to an export, the verifier finds it; a rewrite with the log's own key thanks to a witness."""

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.journal.note import signing_key
from federation.journal.verify import ED25519, NotAnExportError, verify_export
from tests.federation.journal.exports import make_book
from tests.federation.journal.tampering import ALONE, WITNESSED, checked, honest, join, tamper
from tests.soak import soak


@soak(sample=8 * len(ALONE + WITNESSED), full=10_000)
def test_every_tampering_is_found_and_the_first_bad_entry_named(
    cases: int, seed: int, tmp_path: Path
) -> list[str]:
    path = tmp_path / "export.jsonl"
    return [missed for case in range(cases) if (missed := tamper(seed + case, path))]


def small(kind: str) -> bytes:
    """A small export or bundle with all that one may have: a rotation, values, a witness, several checkpoints."""
    book = make_book(7, count=10)
    return b"".join(book.export_lines() if kind == "export" else book.bundle_lines(range(len(book.entries))))


HEAD = 4
"""The first line, and those of two keys and a witness."""


@pytest.mark.parametrize("kind", ["export", "bundle"])
@soak(sample=HEAD, full=36, batch=36)
def test_no_bit_of_these_lines_can_be_flipped(cases: int, seed: int, kind: str, tmp_path: Path) -> list[str]:
    """Each bit of the first so many lines, exhaustively: whole in `make soak`, the head and the keys here."""
    data = small(kind)
    lines = data.splitlines(keepends=True)
    size = len(b"".join(lines[:cases]))
    assert cases <= HEAD or cases >= len(lines)
    assert [json.loads(line)["type"] for line in lines[:HEAD]] == ["export", "key", "key", "key"]
    path, missed = tmp_path / "flipped.jsonl", []
    path.write_bytes(data)
    assert checked(path) is None
    with path.open("r+b", buffering=0) as file:
        for bit in range(size * 8):
            at, byte = bit // 8, data[bit // 8]
            file.seek(at)
            file.write(bytes([byte ^ 1 << bit % 8]))
            if checked(path) is None:
                missed.append(f"{kind}: bit {bit % 8} of byte {at} of {data[max(at - 40, 0) : at + 40]!r}")
            file.seek(at)
            file.write(bytes([byte]))
    return missed


KEY = str(signing_key("other.example", ED25519, bytes(32)).verifier)
CHANGES: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "first": lambda lines: lines[0].update(first=1),
    "end, less": lambda lines: lines[0].update(end=lines[0]["end"] - 1),
    "end, more": lambda lines: lines[0].update(end=lines[0]["end"] + 1),
    "version": lambda lines: lines[0].update(version=True),
    "frontier": lambda lines: lines[0].update(frontier=[base64.b64encode(bytes(32)).decode()]),
    "a key twice": lambda lines: lines.insert(1, lines[1]),
    "a key below": lambda lines: lines.append({"type": "key", "key": KEY}),
    "a proof of the first checkpoint": lambda lines: first(lines, "checkpoint").update(proof=[KEY[-44:]]),
    "an empty proof": lambda lines: first(lines, "checkpoint").update(proof=[]),
    "a value twice": lambda lines: lines.insert(at := lines.index(first(lines, "value")), lines[at]),
}


def first(lines: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(line for line in lines if line["type"] == kind)


@pytest.mark.parametrize("what", CHANGES)
def test_nothing_of_a_bundle_stands_there_for_nothing(what: str, tmp_path: Path) -> None:
    lines = [
        json.loads(line) for line in b"".join(make_book(7, count=30).bundle_lines(range(30))).splitlines()
    ]
    path = tmp_path / "bundle.jsonl"
    path.write_bytes(join(lines))
    assert checked(path) is None
    CHANGES[what](lines)
    path.write_bytes(join(lines))
    assert checked(path) is not None


def test_an_entry_of_a_whole_export_has_no_proof_and_an_idle_key_is_named(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in small("export").splitlines()]
    path = tmp_path / "export.jsonl"
    path.write_bytes(join([*lines[:1], *lines[1:4], {"type": "key", "key": KEY}, *lines[4:]]))
    report = verify_export(path)
    assert (report.ok, report.notes) == (True, [f"signed nothing here: {KEY}"])
    first(lines, "entry")["proof"] = []
    path.write_bytes(join(lines))
    assert "has a proof" in str(checked(path))


def test_the_exports_that_are_tampered_with_are_right_before(tmp_path: Path) -> None:
    for seed in range(20):
        book, data = honest(seed)
        path = tmp_path / "export.jsonl"
        path.write_bytes(data)
        kept = [point.note for point in book.checkpoints]
        assert verify_export(path, keys=book.verifiers[::2], checkpoints=kept).problem is None
        path.write_bytes(b"".join(book.bundle_lines(range(0, len(book.entries), 3))))
        assert verify_export(path, keys=book.verifiers[::2], checkpoints=kept[-1:]).problem is None


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(st.data())
def test_no_junk_in_an_export_makes_the_verifier_stumble(data: st.DataObject) -> None:
    lines = [json.loads(line) for line in honest(0)[1].splitlines()]
    at = data.draw(st.integers(0, len(lines) - 1))
    part = data.draw(st.sampled_from([*lines[at], "more"]))
    lines[at][part] = data.draw(junk)
    with tempfile.NamedTemporaryFile() as file:
        file.write(join(lines))
        file.flush()
        try:
            report = verify_export(Path(file.name))
        except NotAnExportError:
            return
    assert report.ok == (join(lines) == honest(0)[1])
    assert all(line.isprintable() for line in str(report).splitlines())
