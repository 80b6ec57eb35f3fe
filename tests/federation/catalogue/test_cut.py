"""A native payload that is too large is cut, and the record lives; what no payload would mend is still set aside."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import BadRecordError, Dataset, Key, Lineage, VersionRecord
from federation.catalogue import codec
from federation.catalogue.cut import MARK, cut

RECORD = VersionRecord(key=Key("version", "1"), model=Key("model", "m"), version="1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=200),
    lambda children: (
        st.lists(children, max_size=8) | st.dictionaries(st.text(max_size=20), children, max_size=8)
    ),
    max_leaves=40,
)


def size(value: Any) -> int:
    return len(msgspec.json.encode(value))


@given(JSON, st.integers(100, 4000))
def test_what_is_left_fits_and_what_fits_is_left(value: Any, room: int) -> None:
    left = cut(value, room)
    assert size(left) <= max(room, size({MARK: size(value)}))
    assert (left == value) == (size(value) <= room)


def test_what_is_small_stays_beside_what_is_cut() -> None:
    native = {
        "name": "genes",
        "run": {"tags": {"a": "b"}, "inputs": [{"name": f"d{i}", "schema": "x" * 900} for i in range(5)]},
    }
    left = cut(native, 2000)
    assert (left["name"], left["run"]["tags"]) == ("genes", {"a": "b"})
    assert [one["name"] for one in left["run"]["inputs"]] == [f"d{i}" for i in range(5)]
    assert {str(one["schema"])[:3] for one in left["run"]["inputs"]} == {"{'w"}


@pytest.mark.parametrize(
    "native",
    [
        lambda: {"profile": "x" * 5_000_000},
        lambda: {"inputs": [{"schema": "x" * 1_000_000} for _ in range(5)]},
        lambda: {f"key{number}": number for number in range(400_000)},
        lambda: {"odd": object(), "half": "\ud800", "fine": 1},
    ],
    ids=["one long text", "long texts", "many keys", "odd"],
)
def test_a_record_lives_whatever_its_payload(native: Callable[[], dict[str, Any]]) -> None:
    record = codec.encode(replace(RECORD, native=native())).record
    assert replace(record, native={}) == RECORD
    assert MARK in str(record.native)
    assert record.native.get("fine", 1) == 1


def test_fields_that_are_too_large_are_unread() -> None:
    wide = replace(
        RECORD,
        metrics={f"metric-{number}": 0.5 for number in range(300_000)},
        params={"p": "1"},
        lineage=Lineage(commit="c0ffee", datasets=(Dataset("clicks"),)),
        native={"a": 1},
    )
    record = codec.encode(wide).record
    assert record.unread is not None
    assert (record.unread.fields, record.metrics) == (("metrics",), {})
    assert "larger than" in record.unread.reason
    assert (record.params, record.lineage, record.native) == (wide.params, wide.lineage, wide.native)


def test_what_is_wrong_beside_the_payload_is_still_wrong() -> None:
    with pytest.raises(BadRecordError, match="version"):
        codec.encode(replace(RECORD, version="", native={"a": "x" * 5_000_000}))
    with pytest.raises(BadRecordError, match="bytes"):
        codec.encode(replace(RECORD, tags={"t": "x" * 5_000_000}))
