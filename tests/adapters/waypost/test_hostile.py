"""Another gateway is a backend like any: what it answers is believed as far as it makes sense, and no further."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters import (
    AuthError,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    Parent,
    VersionRecord,
)
from adapters.emulators.services import ServiceRequest, serve
from adapters.memory import MemoryBackend
from adapters.waypost import WaypostAdapter, WaypostConfig
from adapters.waypost.records import of_here
from tests.adapters.scans import scanned
from tests.adapters.waypost.conftest import Starts
from tests.adapters.waypost.gateways import Door, registry

Change = Callable[[Any], Any]


@pytest.fixture
def door(starts: Starts, backend: Callable[[str], MemoryBackend]) -> Iterator[Door]:
    kept = backend("kept")
    for number in range(3):
        kept.add_version(kept.model(f"m{number}"), "1")
    other = starts("other", registry("shelf", "memory", backend="kept"))
    assert other.sync("shelf") == "ok"
    found = Door(behind=other.url)
    yield found
    found.client.close()


@pytest.fixture
def adapter(door: Door) -> Iterator[WaypostAdapter]:
    server = serve(door)
    found = WaypostAdapter(WaypostConfig(url=f"http://127.0.0.1:{server.server_port}"))
    yield found
    found.close()
    server.shutdown()
    server.server_close()


def records(change: Change) -> Callable[[ServiceRequest, Any], Any]:
    """Changes what is answered of records."""
    return lambda asked, said: change(said) if asked.path.endswith("/records") else said


def listed(change: Change) -> Callable[[ServiceRequest, Any], Any]:
    """Changes what is answered of registries."""
    return lambda asked, said: change(said) if asked.path.endswith("/registries") else said


def changed(said: Any, **fields: Any) -> Any:
    return {**said, **fields}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda said: changed(said, more=True, next_cursor="bW9kZWw6eA=="), "round in a circle"),
        (lambda said: changed(said, models=said["models"] * 400), "more than the"),
        (lambda said: {"detail": "hello"}, "no records"),
        (lambda said: [], "no records"),
    ],
)
def test_a_listing_that_makes_no_sense_ends_the_scan(
    door: Door, adapter: WaypostAdapter, change: Change, line: str
) -> None:
    door.forge = records(change)
    with pytest.raises(InvalidError, match=line):
        scanned(adapter)


def test_one_record_that_cannot_be_read_hides_no_other(door: Door, adapter: WaypostAdapter) -> None:
    def spoil(said: Any) -> Any:
        said["versions"][0]["record"]["metrics"] = {"auc": "high"}
        said["models"][1]["record"]["name"] = None
        said["models"][2]["record"]["url"] = "javascript:alert(1)"
        return said

    door.forge = records(spoil)
    found = scanned(adapter)
    lines = sorted(str(error) for error in found.bad)
    assert lines[0].startswith(
        "a record of shelf cannot be read: metrics.auc: input should be a valid number"
    )
    assert lines[1:] == ["a record of shelf cannot be read: name: input should be a valid string"]
    assert all(error.native.startswith("shelf/m") for error in found.bad)
    models = [one for one in found.records if isinstance(one, ModelRecord)]
    assert (len(models), len([one for one in found.records if isinstance(one, VersionRecord)])) == (2, 2)
    assert all(one.url is None for one in models)


@pytest.mark.parametrize("name", ["../../admin", "a/b", "", "UPPER", "x" * 70, 7])
def test_a_registry_whose_name_is_none_gets_into_no_address(
    door: Door, adapter: WaypostAdapter, name: object
) -> None:
    door.forge = listed(lambda said: changed(said, registries=[{**said["registries"][0], "name": name}]))
    assert scanned(adapter).records == []
    assert [one.path for one in door.asked] == ["/api/v1/registries"]


def test_who_does_not_say_who_it_is_is_no_gateway_of_this_release(
    door: Door, adapter: WaypostAdapter
) -> None:
    door.forge = listed(lambda said: {"registries": said["registries"]})
    with pytest.raises(InvalidError, match="does not say which gateway it is"):
        adapter.probe()


def test_more_registries_than_anybody_has_are_refused(door: Door, adapter: WaypostAdapter) -> None:
    def many(said: Any) -> Any:
        return changed(said, registries=[{**said["registries"][0], "name": f"r{n}"} for n in range(1001)])

    door.forge = listed(many)
    with pytest.raises(InvalidError, match="more than 1000 registries"):
        adapter.probe()


def test_another_record_than_was_asked_for_is_an_error_and_no_proof(
    door: Door, adapter: WaypostAdapter
) -> None:
    first, second, *_ = [one for one in scanned(adapter).records if isinstance(one, ModelRecord)]

    def other(said: Any) -> Any:
        said["models"][0]["record"]["key"]["native_id"] = second.key.native_id.partition("/")[2]
        return said

    door.forge = records(other)
    with pytest.raises(InvalidError, match="another record"):
        adapter.get(first.key)


def test_absence_is_proved_by_a_registry_that_is_shown_alone(door: Door, adapter: WaypostAdapter) -> None:
    with pytest.raises(NotFoundError, match="has no model"):
        adapter.get(Key("model", "shelf/nothing"))
    with pytest.raises(AuthError, match="shows no registry gone"):
        adapter.get(Key("model", "gone/m#1"))


def test_a_since_that_does_not_count_any_more_is_everything_again(
    door: Door, adapter: WaypostAdapter
) -> None:
    whole = scanned(adapter)
    again = scanned(adapter, since=whole.watermark)
    assert (again.records, again.watermark is not None) == ([], True)
    late = scanned(adapter, since='{"shelf": "made-up"}')
    assert {one.key for one in late.records} == {one.key for one in whole.records}


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "nothing"])
def test_a_watermark_of_somebody_else_is_refused(adapter: WaypostAdapter, text: str) -> None:
    with pytest.raises(InvalidError, match="not of this adapter"):
        scanned(adapter, since=text)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("fraud/encoder:3", "fraud%2Fencoder:3"),
        ("fraud/team/encoder@champion", "fraud%2Fteam%2Fencoder@champion"),
        ("fraud/encoder:a/b", "fraud%2Fencoder:a/b"),
        ("fraud/encoder@stage:production", "fraud%2Fencoder@stage:production"),
        ("fraud/encoder", "fraud%2Fencoder"),
        ("arn:aws:sagemaker:eu:1:model-package/x/3", "arn:aws:sagemaker:eu:1:model-package/x/3"),
        ("models:/m-0123", "models:/m-0123"),
        ("//storage/x:1", "//storage/x:1"),
        ("s3://bucket/x", "s3://bucket/x"),
    ],
)
def test_a_reference_of_there_has_one_reading_here(there: str, here: str) -> None:
    assert of_here(there) == here
    assert Parent(here).reference == here


def test_a_token_is_seen_nowhere(starts: Starts) -> None:
    config = WaypostConfig(url="https://peer.example", token="very-s3cret")
    adapter = WaypostAdapter(config)
    assert "very-s3cret" not in f"{adapter!r} {config!r}"


def test_a_gateway_of_another_release_may_say_more(door: Door, adapter: WaypostAdapter) -> None:
    def more(said: Any) -> Any:
        for one in (*said["models"], *said["versions"]):
            one["record"]["colour"] = "blue"
        return said

    door.forge = records(more)
    found = scanned(adapter)
    assert (len(found.records), found.bad) == (6, [])
    assert all(one.native["record"]["colour"] == "blue" for one in found.records)
