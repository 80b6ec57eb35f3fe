"""The verifier: honest exports pass, and what they say is what was checked."""

import re
import subprocess
import sys
import tracemalloc
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from federation.journal import verify
from federation.journal.note import COSIGNATURE, generate_key
from federation.journal.verify import NotAnExportError, NoteError, verify_export
from tests.federation.journal.exports import ORIGIN, Book, make_book


@pytest.fixture(scope="module")
def book() -> Book:
    return make_book(1, 120)


def test_an_honest_export_verifies_and_says_what_was_checked(book: Book, tmp_path: Path) -> None:
    report = verify_export(book.export(tmp_path / "export.jsonl"), keys=[book.keys[0].verifier])
    size = len(book.entries)
    assert report.problem is None
    assert (report.origin, report.first, report.end, report.entries) == (ORIGIN, 0, size, size)
    assert report.checkpoints == len(book.checkpoints)
    assert report.signed == size
    assert report.keys == tuple(str(key.verifier) for key in book.keys)
    assert report.countersigned == {str(book.witness.verifier): (size, 1_777_000_000 + size)}
    assert report.values == report.commitments == sum(map(len, book.values)) > 0


def test_keys_and_checkpoints_from_elsewhere_are_honoured(book: Book, tmp_path: Path) -> None:
    path = book.export(tmp_path / "export.jsonl")
    kept = [point.note for point in book.checkpoints]
    assert verify_export(path, keys=book.verifiers, checkpoints=kept).ok
    stranger = generate_key(ORIGIN).verifier
    assert "no checkpoint signed by a trusted key" in str(verify_export(path, keys=[stranger]).problem)
    unasked = generate_key("witness.example/w2", COSIGNATURE).verifier
    assert "never countersigned by witness.example/w2" in str(verify_export(path, keys=[unasked]).problem)


def test_knowing_only_the_newest_key_is_enough(book: Book, tmp_path: Path) -> None:
    report = verify_export(book.export(tmp_path / "export.jsonl"), keys=[book.keys[1].verifier])
    assert report.problem is None
    assert report.signed == len(book.entries)
    assert report.keys == (str(book.keys[1].verifier),)


def test_a_key_that_was_replaced_signs_no_more(tmp_path: Path) -> None:
    book = make_book(9, 80)
    book.checkpoints.pop()
    book.sign(book.keys[0])
    report = verify_export(book.export(tmp_path / "export.jsonl"))
    assert "signed only by a key that had been replaced" in str(report.problem)


def test_a_new_key_needs_the_signature_of_the_old_one(tmp_path: Path) -> None:
    book = make_book(9, 80)
    rotation = next(seq for seq, data in enumerate(book.entries) if b"key.rotated" in data)
    both = next(number for number, point in enumerate(book.checkpoints) if point.size == rotation + 1)
    del book.checkpoints[both]
    report = verify_export(book.export(tmp_path / "export.jsonl"), keys=[book.keys[0].verifier])
    assert report.problem is not None
    assert report.problem.last == len(book.entries) - 1
    assert "no checkpoint signed by a trusted key" in str(report.problem)


def test_an_export_from_the_middle_and_one_up_to_the_middle(book: Book, tmp_path: Path) -> None:
    last = book.checkpoints[-1].note
    keys = [key.verifier for key in book.keys]
    report = verify_export(book.export(tmp_path / "late.jsonl", first=77), keys=keys, checkpoints=[last])
    assert report.problem is None
    assert report.entries == len(book.entries) - 77
    report = verify_export(book.export(tmp_path / "early.jsonl", end=31), keys=keys)
    assert report.problem is None
    assert (report.entries, report.end) == (31, 31)
    assert report.signed > 31


def test_a_folder_of_parts_is_one_export(book: Book, tmp_path: Path) -> None:
    lines = book.export(tmp_path / "whole").read_bytes().splitlines(keepends=True)
    for number in range(0, len(lines), 50):
        (tmp_path / f"part-{number:06}.jsonl").write_bytes(b"".join(lines[number : number + 50]))
    (tmp_path / "READ-ME.html").write_text("for people")
    report = verify_export(tmp_path)
    assert report.problem is None
    assert report.entries == len(book.entries)


def test_erased_values_leave_every_proof_standing(book: Book, tmp_path: Path) -> None:
    erased = replace(book, values=[{} for _ in book.values])
    report = verify_export(erased.export(tmp_path / "erased.jsonl"))
    assert report.problem is None
    assert (report.values, report.commitments) == (0, sum(map(len, book.values)))


def test_a_bundle_of_a_few_entries_proves_each_across_a_new_key(book: Book, tmp_path: Path) -> None:
    rotation = next(seq for seq, data in enumerate(book.entries) if b"key.rotated" in data)
    wanted = {*range(3, len(book.entries), 7)} - {rotation}
    path = tmp_path / "bundle.jsonl"
    path.write_bytes(b"".join(book.bundle_lines(sorted(wanted))))
    report = verify_export(path, keys=[book.keys[0].verifier, book.witness.verifier])
    assert report.problem is None
    assert report.partial
    assert report.entries == len(wanted) + 1
    assert report.keys == tuple(str(key.verifier) for key in book.keys)


def test_an_empty_journal_can_be_exported_and_verified(book: Book, tmp_path: Path) -> None:
    empty = Book(book.keys[:1], book.witness)
    empty.sign()
    report = verify_export(empty.export(tmp_path / "empty.jsonl"))
    assert report.problem is None
    assert (report.entries, report.signed) == (0, 0)


def test_the_verifier_runs_alone_and_tells_people_and_scripts(book: Book, tmp_path: Path) -> None:
    alone = tmp_path / "verify.py"
    alone.write_bytes(Path(verify.__file__).read_bytes())
    path = book.export(tmp_path / "export.jsonl")
    kept = tmp_path / "kept"
    kept.write_bytes(book.checkpoints[-1].note)

    def run(*arguments: object) -> tuple[int, str, str]:
        command = [sys.executable, "-I", str(alone), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = run(path, "--key", book.keys[0].verifier, "--checkpoint", kept)
    assert (code, out.splitlines()[0]) == (
        0,
        f"OK: entries 0 to {len(book.entries) - 1} of {ORIGIN} are what was signed.",
    )
    code, out, _ = run(path)
    assert code == 0
    assert "compare it with one you got elsewhere" in out
    code, _, error = run()
    assert (code, error.splitlines()[-1]) == (
        2,
        "verify.py: error: name the export: a .jsonl file, or a folder of them",
    )
    path.write_bytes(path.read_bytes().replace(b'"seq":7,', b'"seq":8,'))
    code, out, _ = run(path)
    assert code == 1
    assert re.match(r"NOT OK: entry 7 \(line \d+\): missing; number 8 stands in its place\n", out)
    for nothing in (tmp_path / "absent", alone):
        code, out, err = run(nothing)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1


def test_the_verifier_says_what_it_lacks(book: Book, tmp_path: Path) -> None:
    path = book.export(tmp_path / "export.jsonl")
    venv.create(tmp_path / "bare", symlinks=True)
    command = [str(tmp_path / "bare/bin/python"), "-I", verify.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "signatures are checked by a package: pip install cryptography\n"


def test_the_verifier_imports_nothing_of_ours() -> None:
    source = Path(verify.__file__).read_text()
    assert not re.search(r"^\s*(from|import) (federation|gateway|adapters|msgspec)", source, re.MULTILINE)


def test_what_is_no_export_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content in (b"", b"{}\n", b"hello\n", b"\xff\n", b'{"type":"export","version":2}\n', b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(NotAnExportError):
            verify_export(path)
    with pytest.raises(NotAnExportError):
        verify_export(tmp_path / "absent")
    with pytest.raises(NotAnExportError):
        (tmp_path / "folder").mkdir()
        verify_export(tmp_path / "folder")
    with pytest.raises(NoteError):
        verify_export(path, checkpoints=[b"no note"])


def test_the_memory_needed_does_not_grow_with_the_log(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = make_book(5, count).export(tmp_path / f"{count}.jsonl")
        tracemalloc.start()
        try:
            assert verify_export(path).ok
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(6000) < peak(1500) + 100_000
