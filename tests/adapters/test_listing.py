"""Adapters that list everything: a scan and a single record are made of the same records, and unknown is not absent."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from adapters import (
    AdapterConfig,
    AuthError,
    BackendInfo,
    BadRecordError,
    InvalidError,
    Key,
    Listing,
    ListingAdapter,
    Mark,
    ModelRecord,
    NotFoundError,
    Record,
    TransientError,
    attempt_all,
    find,
    parse_json,
)
from adapters.conformance import Fault, Harness, run
from adapters.conformance.live import live, understood
from adapters.files import Share
from federation.catalogue.catalogue import check_record


class SheetAdapter(ListingAdapter):
    """A share of `NAME/model.json`, each with the model's `about`."""

    kind, contract = "sheets", 1

    def __init__(self, config: Path) -> None:
        self._share = Share(config)

    def probe(self) -> BackendInfo:
        return BackendInfo("1", self._share.identity())

    def records(self) -> Iterator[Record | BadRecordError]:
        self._share.identity()
        for name in self._share.folders():
            yield from attempt_all(self._model, name)

    def _model(self, name: str) -> Iterator[Record]:
        raw = parse_json(self._share.read(name, "model.json"), name)
        yield ModelRecord(key=Key("model", name), name=name, description=raw["about"])


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / ".waypost").write_text("paper of a test")
    for name in ("churn", "uplift"):
        put(tmp_path, name, about="what it is about")
    return tmp_path


def put(share: Path, name: str, **said: str) -> None:
    (share / name).mkdir(exist_ok=True)
    (share / name / "model.json").write_text(json.dumps(said))


def test_every_scan_lists_everything_and_says_so(share: Path) -> None:
    adapter = SheetAdapter(share)
    (page,) = adapter.scan(since=None, limit=10)
    assert [one.key.native_id for one in page.records] == ["churn", "uplift"]
    assert set(page.listed) == {Listing("model"), Listing("version"), Listing("endpoint")}
    assert list(adapter.scan(since=page.watermark, limit=10)) == [page]


def test_a_watermark_or_mark_of_another_adapter_is_refused(share: Path) -> None:
    adapter = SheetAdapter(share)
    with pytest.raises(InvalidError, match="not of the sheets adapter"):
        adapter.scan(since="2026-01-01", limit=10)
    with pytest.raises(InvalidError, match="not of the sheets adapter"):
        adapter.scan(since=None, limit=10, resume=Mark("somewhere"))


def test_one_record_is_read_as_the_scan_gives_it(share: Path) -> None:
    adapter = SheetAdapter(share)
    (page,) = adapter.scan(since=None, limit=10)
    assert adapter.get(Key("model", "uplift")) == page.records[1]
    with pytest.raises(NotFoundError, match="model gone does not exist"):
        adapter.get(Key("model", "gone"))


def test_a_record_that_may_be_the_one_that_cannot_be_understood_is_not_proved_to_be_gone(share: Path) -> None:
    put(share, "churn", title="without what it is about")
    adapter = SheetAdapter(share)
    (page,) = adapter.scan(since=None, limit=10)
    assert [one.key.native_id for one in page.records] == ["uplift"]
    (bad,) = page.bad
    assert str(bad).startswith("churn cannot be understood: KeyError in test_listing.py, line ")
    assert bad.native == "churn"
    assert adapter.get(Key("model", "uplift")) == page.records[0]
    with pytest.raises(BadRecordError, match="churn cannot be understood"):
        adapter.get(Key("model", "churn"))


def test_one_record_is_found_among_what_less_is_read_for(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, churn = SheetAdapter(share), Key("model", "churn")
    assert find(churn, adapter._model, "churn").key == churn
    with pytest.raises(NotFoundError, match="model churn does not exist"):
        find(churn, adapter._model, "uplift")
    with pytest.raises(NotFoundError):
        find(Key("model", "gone"), adapter._model, "gone")
    put(share, "churn", title="without what it is about")
    with pytest.raises(
        BadRecordError, match=r"churn cannot be understood: KeyError in test_listing\.py, line "
    ):
        find(churn, adapter._model, "churn")

    def refuse(name: str) -> Iterator[Record]:
        raise AuthError("permission denied")

    with pytest.raises(AuthError, match="permission denied"):
        find(churn, refuse, "churn")


def test_what_is_gone_since_it_was_listed_is_left_out(share: Path) -> None:
    (share / "churn" / "model.json").unlink()
    (page,) = SheetAdapter(share).scan(since=None, limit=10)
    assert [one.key.native_id for one in page.records] == ["uplift"]
    assert page.bad == ()


def test_what_may_not_be_read_is_told_and_hides_no_other(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Share.read

    def refuse(tree: Share, *names: str, most: int = 1 << 20) -> bytes:
        if names[0] == "churn":
            raise AuthError("permission denied")
        return read(tree, *names, most=most)

    monkeypatch.setattr(Share, "read", refuse)
    adapter = SheetAdapter(share)
    (page,) = adapter.scan(since=None, limit=10)
    assert [one.key.native_id for one in page.records] == ["uplift"]
    assert [(str(one), one.native) for one in page.bad] == [("churn: permission denied", "churn")]
    with pytest.raises(BadRecordError, match="permission denied"):
        adapter.get(Key("model", "churn"))


def test_a_share_that_is_not_mounted_proves_nothing(share: Path) -> None:
    (share / ".waypost").unlink()
    adapter = SheetAdapter(share)
    with pytest.raises(TransientError, match="not mounted"):
        list(adapter.scan(since=None, limit=10))
    with pytest.raises(TransientError, match="not mounted"):
        adapter.get(Key("model", "churn"))


def test_a_file_is_read_up_to_its_bound_and_no_link_is_followed(share: Path, tmp_path: Path) -> None:
    (share / "churn" / "link").symlink_to(tmp_path / ".waypost")
    found = Share(share)
    assert found.read("churn", "model.json", most=100).startswith(b'{"about"')
    with pytest.raises(BadRecordError, match="at most 5 bytes"):
        found.read("churn", "model.json", most=5)
    with pytest.raises(BadRecordError):
        found.read("churn", "link")
    with pytest.raises(NotFoundError):
        found.read("churn", "nothing")


class SheetHarness(Harness):
    """Only what a check needs that looks whether a model is there; what it puts cannot be understood."""

    adapter_type = SheetAdapter
    faults = frozenset()
    folder = Path()

    def adapter(self) -> SheetAdapter:
        return SheetAdapter(self.folder)

    def put(self, model: str) -> str:
        put(self.folder, model, title="without what it is about")
        return "1"

    def drop(self, model: str, version: str | None = None) -> None:
        (self.folder / model / "model.json").unlink(missing_ok=True)

    def fail_with(self, fault: Fault) -> AbstractContextManager[object]:
        raise NotImplementedError("this share does not fail")


def test_a_check_that_fails_says_what_the_scan_gave_as_bad(share: Path) -> None:
    harness = SheetHarness()
    harness.folder = share
    failed = [one.detail for one in run(harness) if not one.ok]
    assert any(
        "a scan gave as bad: check-" in detail and "KeyError in test_listing.py" in detail
        for detail in failed
    )


def test_a_live_backend_without_a_version_says_that_nothing_was_proved(share: Path) -> None:
    harness = live(lambda: SheetAdapter(share), AdapterConfig())
    found = understood(harness.adapter(), check_record)
    assert (found.outcome, found.detail) == (
        "passed",
        "the backend lists no version, so this proves nothing: is it the right one?",
    )
