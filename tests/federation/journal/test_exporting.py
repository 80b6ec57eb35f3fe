"""Exports from a database: tables that no spreadsheet runs, CloudEvents, and what an entry says in words."""

import csv
import io
import json
import warnings
from pathlib import Path

import pytest

from federation.database import reading
from federation.journal.exporting import FORMATS, NothingSignedError, cloud_events, csv_export, whole_export
from federation.journal.journal import is_cut
from federation.journal.query import JournalFilter, Line, read_journal
from tests.federation.journal.logs import happen, new_log, sign_all


def test_no_cell_is_ever_a_formula(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 1, ref="fraud/=cmd", reason="=HYPERLINK(1)")
    rows = list(csv.DictReader(io.StringIO(b"".join(csv_export(signer.engine, JournalFilter())).decode())))
    assert rows[-1]["reason"] == "'=HYPERLINK(1)"
    assert [row["seq"] for row in rows] == [str(seq) for seq in range(len(rows))]


def test_cloud_events_hold_the_entry(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 2)
    events = [json.loads(line) for line in cloud_events(signer.engine, JournalFilter(action="stage.changed"))]
    assert [event["subject"] for event in events] == ["fraud/scorer:3"] * 2
    assert {"specversion", "id", "source", "type", "time", "data"} <= events[0].keys()
    assert events[0]["type"] == "waypost.stage.changed"
    assert str(events[0]["data"]["seq"]) == events[0]["id"]


def test_a_model_finds_what_happened_to_it_and_its_versions_alone(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    mine = ["fraud/scorer", "fraud/scorer:3", "fraud/scorer@champion", "fraud/scorer:%25"]
    for ref in [*mine, "fraud/Scorer:3", "fraud/scorers:3", "fraud/scorer-eu:3", "xfraud/scorer:3"]:
        happen(signer.engine, ref=ref)
    with reading(signer.engine) as connection:
        found = read_journal(connection, JournalFilter(ref="fraud/scorer"), newest_first=True)
        assert [line.recorded.entry.ref for line in found] == mine[::-1]
        (newest,) = read_journal(connection, JournalFilter(ref="fraud/scorer"), newest_first=True, limit=1)
        assert newest == found[0]


def test_every_exported_event_is_one_for_the_sdk(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    for ref in ("fraud/scorer:3", "fraud/größe 模型:1", "fraud/\ufffe\x85:1"):
        happen(signer.engine, 4, ref=ref)
    lines = list(cloud_events(signer.engine, JournalFilter()))
    assert len(lines) > 12  # more than one digit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what it has deprecated
        from cloudevents.core.formats.json import JSONFormat
    events = [JSONFormat().read(None, line) for line in lines]
    sequences = [event.get_extension("sequence") for event in events]
    assert sequences == sorted(sequences)
    assert [int(one) for one in sequences] == list(range(len(lines)))
    assert {len(one) for one in sequences} == {20}
    times = [event.get_time() for event in events]
    assert all(time is not None and time.tzinfo for time in times)
    assert {event.get_subject() for event in events} == {
        None, "fraud/scorer:3", "fraud/größe 模型:1", "fraud/%EF%BF%BE%C2%85:1"
    }  # fmt: skip


def test_an_export_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NothingSignedError, match="nothing is signed"):
        next(whole_export(new_log(tmp_path).engine))


def test_entries_are_told_in_words(tmp_path: Path) -> None:
    signer = new_log(tmp_path)
    sign_all(signer)
    happen(signer.engine)
    with reading(signer.engine) as connection:
        said = [line.summary for line in read_journal(connection, JournalFilter())]
    assert said[0].startswith("journal.started (waypost-")
    assert said[1].startswith("key.created (waypost-")
    assert said[2] == "stage.changed fraud/scorer:3: none → s0"


def test_an_export_is_the_same_however_few_bytes_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 5)
    sign_all(signer)
    asked = [
        (form, wanted) for form in FORMATS for wanted in (JournalFilter(), JournalFilter(ref="fraud/scorer"))
    ]
    whole = [b"".join(FORMATS[form](signer.engine, wanted)) for form, wanted in asked]
    assert all(whole)
    for few in (1, 700):
        monkeypatch.setattr("federation.journal.query.MOST_BYTES", few)
        assert [b"".join(FORMATS[form](signer.engine, wanted)) for form, wanted in asked] == whole


@pytest.mark.parametrize("few", [1, 700, 8 << 20])
@pytest.mark.parametrize("limit", [2, 100])
@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_that_are_cut_by_bytes_say_so_and_lead_to_every_entry_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, limit: int, newest_first: bool
) -> None:
    signer = new_log(tmp_path)
    happen(signer.engine, 5)
    monkeypatch.setattr("federation.journal.query.MOST_BYTES", few)
    found: list[Line] = []
    with reading(signer.engine) as connection:
        while True:
            place = {} if not found else {"before" if newest_first else "after": found[-1].recorded.seq}
            page = read_journal(connection, JournalFilter(), limit=limit, newest_first=newest_first, **place)
            found += page
            if not is_cut(page, limit):
                break
    numbers = [line.recorded.seq for line in found]
    assert sorted(numbers, reverse=newest_first) == numbers
    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) > 5
