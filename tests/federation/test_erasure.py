"""Erasing a person: nothing of them is left, nothing else is harmed, and every proof still holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from federation import schema, tables
from federation.catalogue import codec
from federation.database import reading, writing
from federation.erasure import BLANK, Blanker, Erased, ErasureError, erase
from federation.identity import principals
from federation.journal.checkpoints import Signer
from federation.journal.log import Batch
from federation.journal.query import JournalFilter, read_journal
from federation.journal.tables import erased
from tests.federation.journal.logs import exported, new_log, sign_all
from tests.federation.takings import model, registered, take, version

ADA = "ada.lovelace@example.com"
AT = datetime(2026, 5, 3, tzinfo=UTC)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return new_log(tmp_path)


def filled(engine: Engine) -> int:
    registry = registered(engine)
    take(engine, registry, [model({}, owner=ADA)], AT)
    told = version(
        1,
        creator=ADA,
        description=f"made by {ADA.upper()}, checked by Bob",
        tags={"contact": f"mailto:{ADA}", "adapter": "x"},
        native={"user_id": ADA, "run": [{"by": ADA}], "n": 1.5},
    )
    take(engine, registry, [told], AT + timedelta(hours=1), AT)
    return registry


def everything(engine: Engine) -> str:
    with reading(engine) as connection:
        rows = [connection.execute(select(table)).all() for table in schema.metadata().sorted_tables]
    return repr(rows).casefold()


def test_nothing_is_left_and_every_proof_holds(tmp_path: Path, signer: Signer) -> None:
    filled(signer.engine)
    with writing(signer.engine) as connection:
        batch = Batch()
        principals.ensure(connection, batch, f"subject:{ADA}", "Ada")
        batch.append(connection)
    sign_all(signer)
    before = exported(signer, tmp_path / "before.jsonl")
    assert ADA in everything(signer.engine)
    found = erase(signer.engine, ADA, actor="local", reason="asked by letter", request="r-1")
    assert ADA not in everything(signer.engine)
    assert ADA.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("log.db*"))
    assert (found.records, found.others) == (2, 1)
    sign_all(signer)
    after = exported(signer, tmp_path / "after.jsonl")
    assert before.ok
    assert after.ok, after
    assert after.values < before.values
    with reading(signer.engine) as connection:
        [told] = read_journal(connection, JournalFilter(action="subject.erased"))
    assert told.recorded.entry.details["records"] == 2
    assert ADA not in told.entry.decode()


def test_what_a_backend_says_again_is_blanked(signer: Signer) -> None:
    registry = filled(signer.engine)
    erase(signer.engine, ADA, actor="local")
    changed = version(1, creator=ADA, description="changed", tags={"by": ADA})
    take(signer.engine, registry, [changed], AT + timedelta(hours=2), AT + timedelta(hours=1))
    assert ADA not in everything(signer.engine)
    with reading(signer.engine) as connection:
        body = connection.execute(select(tables.version.c.body)).scalar_one()
    record = codec.decode_version(body)
    assert (record.creator, record.description, record.tags) == (BLANK, "changed", {"by": BLANK})


def test_what_did_not_change_is_no_news_after_an_erasure(signer: Signer) -> None:
    registry = filled(signer.engine)
    erase(signer.engine, ADA, actor="local")
    with reading(signer.engine) as connection:
        size = connection.execute(select(tables.head.c.size)).scalar_one()
    filled_again = model({}, owner=ADA)
    take(signer.engine, registry, [filled_again], AT + timedelta(hours=2), AT + timedelta(hours=1))
    with reading(signer.engine) as connection:
        assert connection.execute(select(tables.head.c.size)).scalar_one() == size


@pytest.mark.parametrize(
    ("subject", "text", "expected"),
    [
        ("ada", "by Ada, 2026", f"by {BLANK}, 2026"),
        ("ada", "adapter ada-x x/ada/y", f"adapter ada-x x/{BLANK}/y"),
        ("Ada Lovelace", "ADA  LOVELACE and Ada", f"{BLANK} and Ada"),
        ("Ärzte Müller", "von Ärzte Müller.", f"von {BLANK}."),
        (ADA, f"<{ADA}>", f"<{BLANK}>"),
    ],
)
def test_a_person_is_known_by_whole_words(signer: Signer, subject: str, text: str, expected: str) -> None:
    erase(signer.engine, subject, actor="local")
    with reading(signer.engine) as connection:
        blanker = Blanker.read(connection)
        kept = [value for row in connection.execute(select(erased)) for value in row]
        assert not any(subject in value for value in kept if isinstance(value, str))
        assert not any(subject.encode() in value for value in kept if isinstance(value, bytes))
    assert blanker is not None
    assert blanker.text(text) == expected


def test_the_reason_does_not_keep_the_name(signer: Signer) -> None:
    erase(signer.engine, "Bob Builder", actor="local")
    erase(signer.engine, ADA, actor="local", reason=f"letter of <{ADA.upper()}>, read by bob builder")
    with reading(signer.engine) as connection:
        told = read_journal(connection, JournalFilter(action="subject.erased"))[-1]
    assert dict(told.values)["reason"] == f"letter of <{BLANK}>, read by {BLANK}"
    assert ADA not in everything(signer.engine)


def test_who_cannot_be_meant_is_refused(signer: Signer) -> None:
    for subject in ("", "ab", "--", "   "):
        with pytest.raises(ErasureError, match="at least 3"):
            erase(signer.engine, subject, actor="local")
    assert erase(signer.engine, "nobody here", actor="local") == Erased(0, 0, 0)
