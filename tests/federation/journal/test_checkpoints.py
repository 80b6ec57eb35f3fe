"""Signing what was committed: first start, rotation, witnesses, and refusing when one knows more."""

import shutil
from pathlib import Path

import pytest

from federation.database import reading
from federation.journal.checkpoints import (
    AHEAD,
    Signer,
    WitnessAheadError,
    newest_note,
    newest_size,
    read_witnesses,
)
from federation.journal.entry import Action
from federation.journal.exporting import bundle
from federation.journal.logkey import (
    NoKeyHereError,
    SigningError,
    read_log_keys,
    read_origin,
    rotate,
    witness_key,
)
from federation.journal.proofs import OutsideLogError, prove_consistency, prove_inclusion
from federation.journal.query import JournalFilter, read_journal
from federation.journal.verify import (
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    verify_consistency,
    verify_export,
    verify_inclusion,
)
from federation.journal.witnesses import (
    FolderWitness,
    WitnessRefusalError,
    countersign,
    read_witnessed,
    request_body,
)
from tests.federation.journal.logs import exported, happen, new_log, sign_all


def test_the_key_is_made_at_the_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    assert signer.key.stat().st_mode & 0o777 == 0o600
    with reading(signer.engine) as connection:
        [announced] = read_log_keys(connection)
        assert announced.key.name == read_origin(connection)
        assert signer.key.read_text().strip().encode() not in newest_note(connection)  # type: ignore[operator]


def test_nothing_is_signed_twice_and_everything_once(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    happen(signer.engine, 5)
    size = signer.sign()
    assert size is not None
    assert signer.sign() is None
    with reading(signer.engine) as connection:
        assert newest_size(connection) == size
    assert exported(signer, tmp_path / "x.jsonl").signed == size


def test_every_entry_is_proven_and_every_size_is_consistent(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 70)
    sign_all(signer)
    with reading(signer.engine) as connection:
        size = newest_size(connection)
        for seq in range(size):
            found = prove_inclusion(connection, seq)
            assert verify_inclusion(found.leaf_hash, seq, found.size, found.proof, found.root)
        for old in range(size):
            grown = prove_consistency(connection, old)
            assert verify_consistency(old, grown.old_root, size, grown.new_root, grown.proof)
        with pytest.raises(OutsideLogError, match=f"has {size} entries"):
            prove_inclusion(connection, size)


def test_a_rotation_carries_trust_over(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 3)
    sign_all(signer)
    old = signer.key.read_text()
    for _ in range(2):
        rotate(signer.engine, signer.key)
        happen(signer.engine, 3)
        sign_all(signer)
    assert signer.key.read_text() != old
    report = exported(signer, tmp_path / "x.jsonl")
    assert report.ok, report
    part = tmp_path / "part.jsonl"
    part.write_bytes(b"".join(bundle(signer.engine, JournalFilter(ref="fraud/scorer:3"))))
    found = verify_export(part, keys=[parse_verifier_key(report.keys[0])])
    assert found.ok, found
    assert (found.entries, len(found.keys)) == (11, 2)


def test_a_rotation_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    rotate(signer.engine, signer.key)
    with pytest.raises(SigningError, match="under way"):
        rotate(signer.engine, signer.key)
    sign_all(Signer(signer.engine, signer.key))
    assert not signer.key.with_name("log.key.next").exists()
    assert exported(signer, tmp_path / "x.jsonl").ok


def test_a_gateway_without_the_key_does_not_sign(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    happen(signer.engine)
    with pytest.raises(NoKeyHereError, match="put it back"):
        Signer(signer.engine, tmp_path / "elsewhere.key").sign()


def test_the_key_of_an_earlier_database_is_put_aside(tmp_path: Path) -> None:
    first = new_log(tmp_path, name="one")
    sign_all(first)
    second = new_log(tmp_path, name="two")
    shutil.copy(first.key, second.key)
    sign_all(second)
    assert exported(second, tmp_path / "x.jsonl").ok
    assert len(list(tmp_path.glob("two.key.waypost-*"))) == 1


@pytest.mark.parametrize("outside", [True, False])
def test_a_restored_backup_is_not_signed_until_somebody_says_so(tmp_path: Path, outside: bool) -> None:
    witnesses = [FolderWitness("disk", tmp_path / "disk")] if outside else []
    signer = new_log(tmp_path, witnesses)
    happen(signer.engine, 3)
    sign_all(signer)
    backup = tmp_path / "backup.db"
    signer.engine.dispose()
    shutil.copy(tmp_path / "log.db", backup)
    happen(signer.engine, 3)
    sign_all(signer)
    kept = (tmp_path / "log.key.kept").glob("waypost-*[0-9a-f].checkpoint")
    note = next(path for path in kept if path.name.count(".") == 1).read_bytes()
    signer.engine.dispose()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    shutil.copy(backup, tmp_path / "log.db")
    if outside:
        shutil.rmtree(tmp_path / "log.key.kept")
    restored = new_log(tmp_path, witnesses)
    happen(restored.engine, 9)  # longer than what was lost, so that only the roots tell
    with pytest.raises(WitnessAheadError, match="an old backup") as refused:
        restored.sign()
    assert "waypost audit resume" in str(refused.value)
    with pytest.raises(WitnessAheadError):
        restored.sign()
    with reading(restored.engine) as connection:
        noticed = read_journal(connection, JournalFilter(action=Action.WITNESS_AHEAD.value))
        assert len(noticed) == 1
        assert [one.state for one in read_witnesses(connection) if one.state == AHEAD] == [AHEAD]
    restored.resume("local", "the disk is gone")
    sign_all(restored)
    path = tmp_path / "x.jsonl"
    assert exported(restored, path).ok
    assert not verify_export(path, checkpoints=[note]).ok


def test_a_witness_that_was_never_reached_holds_signing_back(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    signer = new_log(tmp_path, [FolderWitness("disk", blocked)])
    with pytest.raises(SigningError, match="witness was not reached"):
        signer.sign()
    blocked.unlink()
    sign_all(signer)
    blocked.rename(tmp_path / "gone")
    blocked.write_text("no folder")
    happen(signer.engine)
    assert signer.sign()
    with reading(signer.engine) as connection:
        assert {one.name: one.state for one in read_witnesses(connection)}["disk"] == "unreachable"


def test_another_gateway_countersigns_what_only_grew(tmp_path: Path) -> None:
    signer, other = new_log(tmp_path), new_log(tmp_path, name="other")
    key = witness_key(tmp_path / "witness.key", "other/witness")
    happen(signer.engine, 5)
    sign_all(signer)
    with reading(signer.engine) as connection:
        trusted = [found.key for found in read_log_keys(connection)]
        first = newest_note(connection)
    assert first is not None
    assert first + countersign(other.engine, request_body(0, [], first), trusted, key)
    happen(signer.engine, 5)
    sign_all(signer)
    with reading(signer.engine) as connection:
        second = newest_note(connection)
        old = parse_checkpoint(parse_note(first).text).size
        proof = prove_consistency(connection, old).proof
    assert second is not None
    for body, status in (
        (b"nonsense", 400),
        (request_body(0, [], second), 409),
        (request_body(old, proof[:-1], second), 422),
        (request_body(old, proof, second.replace(b"waypost", b"wayward", 1)), 404),
    ):
        with pytest.raises(WitnessRefusalError) as refused:
            countersign(other.engine, body, trusted, key)
        assert refused.value.status == status
    line = countersign(other.engine, request_body(old, proof, second), trusted, key)
    with reading(other.engine) as connection:
        assert read_witnessed(connection, trusted[0].name) == second + line


def test_what_is_withheld_goes_along_with_an_export(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 3, reason="better recall")
    sign_all(signer)
    report = exported(signer, tmp_path / "x.jsonl")
    assert (report.values, report.commitments) == (3, 3)
