"""A clock that jumps, a disk that is full, a database that cannot be written: the log stays one, or nothing happens."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from federation import tables
from federation.database import DatabaseError, open_engine, reading
from federation.health import is_of_disk
from federation.journal import log
from federation.journal.checkpoints import Signer
from federation.journal.query import JournalFilter, read_journal
from tests.federation.journal.logs import exported, happen, new_log, sign_all

NOON = datetime(2030, 5, 3, 12, tzinfo=UTC)


def test_a_clock_that_jumps_changes_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = new_log(tmp_path)
    jumps = [0, 1, -3600, -3599, 86400, 86401, 5, 6]
    for seconds in jumps:
        monkeypatch.setattr(log, "now", lambda seconds=seconds: NOON + timedelta(seconds=seconds))
        happen(signer.engine)
    sign_all(signer)
    with reading(signer.engine) as connection:
        told = read_journal(connection, JournalFilter(action="stage.changed"))
    times = [line.recorded.time for line in told]
    assert times == sorted(set(times))
    assert [line.recorded.seq for line in told] == sorted(line.recorded.seq for line in told)
    assert times[-1] == NOON + timedelta(seconds=86401, microseconds=2)
    assert exported(signer, tmp_path / "x.jsonl").ok


@pytest.fixture(params=["full", "readonly"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Signer, Signer, str]]:
    """A log, and the same log through connections that cannot write."""
    signer = new_log(tmp_path)
    happen(signer.engine, 3)
    sign_all(signer)
    engine = open_engine(str(signer.engine.url))

    @event.listens_for(engine, "connect")
    def limit(connection: Any, _: object) -> None:
        if request.param == "full":
            connection.execute("PRAGMA max_page_count=1")  # SQLite makes that: no more pages than there are
        else:
            connection.execute("PRAGMA query_only=ON")

    yield signer, Signer(engine, signer.key), request.param
    engine.dispose()


def test_what_cannot_be_written_did_not_happen(
    unwritable: tuple[Signer, Signer, str], tmp_path: Path
) -> None:
    signer, limited, kind = unwritable
    with reading(signer.engine) as connection:
        before = connection.execute(select(tables.head)).one()
    written = 0
    with pytest.raises(DatabaseError, match=r"has space|right to write") as raised:
        while True:
            happen(limited.engine, 1, reason="x" * 2000)
            written += 1
    assert kind in raised.value.detail
    assert is_of_disk(raised.value)
    with reading(signer.engine) as connection:
        after = connection.execute(select(tables.head)).one()
        seqs = list(connection.execute(select(tables.journal.c.seq)).scalars())
    assert after.size == before.size + written
    assert sorted(seqs) == list(range(after.size))
    happen(signer.engine, 3)
    sign_all(signer)
    assert exported(signer, tmp_path / "x.jsonl").ok


def test_a_checkpoint_that_cannot_be_stored_is_signed_later(
    unwritable: tuple[Signer, Signer, str], tmp_path: Path
) -> None:
    signer, limited, _ = unwritable
    with pytest.raises(DatabaseError):
        while True:
            happen(limited.engine, 1, reason="x" * 900)
            limited.sign()
    happen(signer.engine)
    sign_all(signer)
    assert exported(signer, tmp_path / "x.jsonl").ok
