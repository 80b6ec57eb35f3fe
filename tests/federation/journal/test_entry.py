"""Entries: one spelling each, for ever, and a refusal of what has none."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.journal.entry import Action, Entry, EntryError, Json, Recorded, decode, encode

TIME = datetime(2026, 5, 3, 12, 0, 0, 7, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
entries = st.builds(
    Entry,
    action=st.sampled_from(Action),
    actor=texts,
    ref=st.none() | texts,
    registry=st.none() | texts,
    request=st.none() | texts,
    targets=st.dictionaries(texts, numbers, max_size=3),
    before=values,
    after=values,
    not_before=st.none() | moments,
    not_after=st.none() | moments,
    details=st.dictionaries(texts, values, max_size=3),
    commitments=st.dictionaries(texts, st.binary(min_size=32, max_size=32), max_size=2),
)


def test_the_bytes_of_an_entry_are_these_for_ever() -> None:
    entry = Entry(
        action=Action.ALIAS_MOVED,
        actor="principal:7",
        ref="fraud/scorer@champion",
        registry="fraud",
        request="01JX",
        targets={"version": 34, "model": 3},
        before={"version": "2"},
        after={"version": "3", "é\n": None},
        not_before=TIME - timedelta(seconds=1),
        not_after=TIME,
        details={"source": "sync"},
        commitments={"reason": bytes(32)},
    )
    assert encode(entry, 17, TIME).decode() == (
        '{"action":"alias.moved","actor":"principal:7","after":{"version":"3","é\\n":null},'
        '"before":{"version":"2"},"commitments":{"reason":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},'
        '"details":{"source":"sync"},"not_after":"2026-05-03T12:00:00.000007Z",'
        '"not_before":"2026-05-03T11:59:59.000007Z","ref":"fraud/scorer@champion","registry":"fraud",'
        '"request":"01JX","seq":17,"targets":{"model":3,"version":34},'
        '"time":"2026-05-03T12:00:00.000007Z","v":1}'
    )


@given(entries, st.integers(0, 2**53 - 1), moments)
def test_an_entry_reads_back_and_writes_the_same_bytes(entry: Entry, seq: int, time: datetime) -> None:
    data = encode(entry, seq, time)
    read = decode(data)
    assert read == Recorded(seq, time, entry)
    assert encode(read.entry, read.seq, read.time) == data


@given(entries)
def test_the_spelling_is_what_the_format_says(entry: Entry) -> None:
    """An independent writer of the same rules arrives at the same bytes."""
    data = encode(entry, 0, TIME)
    again = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(again) == json.loads(data)
    assert [*json.loads(data)] == sorted(json.loads(data))
    assert again.encode() == data


@pytest.mark.parametrize(
    "value", [0.5, float("nan"), 2**53, {"a": [1, {"b": 1.0}]}, {1: "a"}, "\ud800", b"bytes", TIME, {1, 2}]
)
def test_what_has_no_one_spelling_is_refused(value: object) -> None:
    with pytest.raises(EntryError):
        encode(Entry(action=Action.MODEL_CHANGED, details={"value": value}), 0, TIME)
    with pytest.raises(EntryError):
        encode(Entry(action=Action.MODEL_CHANGED, after=value), 0, TIME)


def test_a_bottomless_value_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(EntryError):
        encode(Entry(action=Action.MODEL_CHANGED, after=value), 0, TIME)
    with pytest.raises(EntryError):
        decode(b"[" * 100_000)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {"a": inner}])
def test_lists_and_objects_may_be_as_deep_and_no_deeper(wrap: Callable[[Json], Json]) -> None:
    value: Json = 1
    for _ in range(31):
        value = wrap(value)
    encode(Entry(action=Action.VERSION_CREATED, details={"deep": value}), 0, TIME)
    with pytest.raises(EntryError, match="nested deeper"):
        encode(Entry(action=Action.VERSION_CREATED, details={"deep": wrap(value)}), 0, TIME)


def test_times_are_utc_and_never_naive() -> None:
    east = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    entry = Entry(action=Action.SYNC_REQUESTED)
    assert encode(entry, 0, east) == encode(entry, 0, TIME)
    with pytest.raises(EntryError, match="time zone"):
        encode(entry, 0, TIME.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"v":1', '"v":2'),
        ('"v":1', '"v":1,"w":1'),
        ("sync.requested", "sync.dreamt"),
        (',"seq":0', ""),
        ('"seq":0', '"seq":"0"'),
        ("07Z", "07+00:00"),
        ("07Z", "7Z"),
        ("}", ""),
        ("}", "}}"),
    ],
)
def test_bytes_that_are_no_entry_are_refused(old: str, new: str) -> None:
    data = encode(Entry(action=Action.SYNC_REQUESTED), 0, TIME).decode()
    assert old in data
    with pytest.raises(EntryError):
        decode(data.replace(old, new).encode())


def test_every_action_has_a_name_a_meaning_and_no_twin() -> None:
    assert len({action.value for action in Action}) == len(Action.__members__)
    for action in Action:
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", action.value)
        assert action.meaning.endswith(".")
        assert action == action.value
