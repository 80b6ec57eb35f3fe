"""Sealing: old entries go into an archive that verifies, and everything in the log stays provable."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from federation import tables
from federation.database import now, reading
from federation.journal.exporting import bundle
from federation.journal.logkey import rotate
from federation.journal.proofs import prove_consistency, prove_inclusion
from federation.journal.query import JournalFilter
from federation.journal.sealing import SealingError, seal_before
from federation.journal.verify import verify_consistency, verify_export, verify_inclusion
from tests.federation.journal.logs import exported, happen, new_log, sign_all

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
