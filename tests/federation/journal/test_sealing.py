"""Sealing: old entries go into an archive that verifies, and everything in the log stays provable."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from federation import tables
from federation.database import now, reading
from federation.followers import Followers
from federation.journal import sealing
from federation.journal.exporting import FORMATS, ExportCutError, bundle, whole_lines
from federation.journal.logkey import read_origin, rotate
from federation.journal.proofs import prove_consistency, prove_inclusion
from federation.journal.query import JournalFilter
from federation.journal.sealing import Sealer, SealingError, seal_before
from federation.journal.verify import verify_consistency, verify_export, verify_inclusion
from tests.federation.journal.logs import exported, happen, new_log, sign_all
from tests.federation.sync.world import expire_leases

LATER = timedelta(days=1)


def test_sealed_entries_stay_provable(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    archive = tmp_path / "archive"
    sealed = []
    for _ in range(3):
        happen(signer.engine, 50, reason="because")
        sign_all(signer)
        rotate(signer.engine, signer.key)
        happen(signer.engine, 50)
        sign_all(signer)
        found = seal_before(signer.engine, archive, now() + LATER)
        assert found is not None
        sealed.append(found)
        happen(signer.engine, 40)
        sign_all(signer)
        assert exported(signer, tmp_path / "rest.jsonl").ok
    assert [one.first for one in sealed] == [0, *(one.end for one in sealed[:-1])]
    for one in sealed:
        report = verify_export(one.file)
        assert report.ok, report
        assert report.values == 0
    with reading(signer.engine) as connection:
        size = connection.execute(select(tables.head.c.size)).scalar_one()
        left = connection.execute(select(func.count()).select_from(tables.journal)).scalar_one()
        assert left < size - 250
        for seq in range(0, size, 7):
            proof = prove_inclusion(connection, seq, size)
            assert verify_inclusion(proof.leaf_hash, seq, size, proof.proof, proof.root)
            grown = prove_consistency(connection, seq, size)
            assert verify_consistency(seq, grown.old_root, size, grown.new_root, grown.proof)
    part = tmp_path / "part.jsonl"
    part.write_bytes(b"".join(bundle(signer.engine, JournalFilter(ref="fraud/scorer:3"))))
    report = verify_export(part)
    assert report.ok, report


def test_nothing_young_or_unsigned_is_sealed(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 100)
    assert seal_before(signer.engine, tmp_path, now() + LATER) is None
    sign_all(signer)
    assert seal_before(signer.engine, tmp_path, now() - LATER) is None


@pytest.mark.parametrize("ran_out", [False, True])
def test_of_two_that_seal_at_once_one_does_and_its_archive_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran_out: bool
) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 300)
    sign_all(signer)
    happen(signer.engine, 300)
    archive = tmp_path / "archive"
    lines = whole_lines
    sealed: list[sealing.Sealed | None] = []

    def seal() -> None:
        with suppress(SealingError):
            sealed.append(seal_before(signer.engine, archive, now() + LATER))

    def overtaken(*given: Any, **named: Any) -> Iterator[bytes]:
        mine = lines(*given, **named)
        yield next(mine)
        monkeypatch.setattr(sealing, "whole_lines", lines)
        if ran_out:
            expire_leases(signer.engine)
        seal()
        assert bool(sealed) == ran_out
        yield from mine

    monkeypatch.setattr(sealing, "whole_lines", overtaken)
    seal()
    (one,) = sealed
    assert one is not None
    assert list(archive.iterdir()) == [one.file]
    report = verify_export(one.file)
    assert (report.ok, report.entries) == (True, one.end)


def test_a_worker_seals_what_was_kept_long_enough_once_an_hour(tmp_path: Path) -> None:
    signer, archive = new_log(tmp_path), tmp_path / "archive"
    sealer = Sealer(signer.engine, archive, timedelta(0))

    def archives() -> int:
        happen(signer.engine, 100)
        sign_all(signer)
        happen(signer.engine, 100)
        followers.catch_up()
        return len(list(archive.glob("*")))

    followers = Followers({"sealing": sealer})
    assert archives() == 1
    assert archives() == 1
    sealer._next = 0.0  # what an hour does
    assert archives() == 2
    sealer._next, sealer.keep = 0.0, timedelta(days=1)
    assert archives() == 2


def test_what_a_process_left_that_died_while_it_sealed_is_removed_in_time(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 300)
    sign_all(signer)
    happen(signer.engine, 300)
    with reading(signer.engine) as connection:
        origin = read_origin(connection)
    old, new = (tmp_path / f".{origin}.0-{end}.jsonl.7.ab{sealing.UNFINISHED}" for end in (8, 9))
    for draft in (old, new):
        draft.write_text("begun")
    os.utime(old, (0, 0))
    assert seal_before(signer.engine, tmp_path, now() + LATER) is not None
    assert (old.exists(), new.exists()) == (False, True)


def test_an_export_during_which_entries_are_sealed_says_that_it_has_a_hole(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 300)
    sign_all(signer)
    happen(signer.engine, 300)
    sign_all(signer)
    for form in FORMATS:
        export = FORMATS[form](signer.engine, JournalFilter())
        next(export)
        assert seal_before(signer.engine, tmp_path / form, now() + LATER) is not None
        with pytest.raises(ExportCutError, match="export again"):
            list(export)
        happen(signer.engine, 600)
        sign_all(signer)


def test_where_the_archive_cannot_be_written_nothing_is_moved(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 100)
    sign_all(signer)
    happen(signer.engine, 40)
    (tmp_path / "archive").write_text("no folder")
    with pytest.raises(SealingError, match="nothing was moved"):
        seal_before(signer.engine, tmp_path / "archive", now() + LATER)
    sign_all(signer)
    assert exported(signer, tmp_path / "x.jsonl").first == 0
