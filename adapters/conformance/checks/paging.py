"""A full scan: its pages, its order, its marks."""

import itertools
import json
import threading
from collections.abc import Callable

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, ScanResult, is_text, require
from adapters.contract import Page
from adapters.errors import BadRecordError, RejectedError
from adapters.records import (
    Deleted,
    EndpointRecord,
    Key,
    Listing,
    Mark,
    ModelRecord,
    Record,
    VersionRecord,
)

TYPES: dict[str, type[Record]] = {
    "model": ModelRecord,
    "version": VersionRecord,
    "endpoint": EndpointRecord,
}
MAX_MARK = 16_384
READS = 300
"""Records that are asked for beside a scan, at most."""


@check()
def probe_says_who_it_is(lab: Lab) -> None:
    """`probe` gives a version and an identity, each one line of text, or no identity where it cannot be told."""
    info = lab.probe()
    for name, text in (("version", info.version), ("identity", info.identity)):
        told = name == "identity" and text is None
        require(told or (is_text(text) and str(text).isprintable()), f"{name} is {text!r}")


@check()
def identity_is_stable(lab: Lab) -> None:
    """The identity is the backend's, not the instance's or the moment's: a changed one stops the sync."""
    first, again, other = lab.probe(), lab.probe(), lab.adapter().probe()
    require(first.identity == again.identity, f"identity went from {first.identity} to {again.identity}")
    require(first.identity == other.identity, f"a new instance says {other.identity}, not {first.identity}")


@check("put")
def identity_survives_changes(lab: Lab) -> None:
    """The identity does not depend on what the backend holds."""
    before = lab.probe().identity
    lab.put()
    require(lab.probe().identity == before, "the identity changed when a model was created")


@check()
def probe_explains_what_is_missing(lab: Lab) -> None:
    """What is unavailable today was declared, and `missing` says in plain words why."""
    info = lab.probe()
    require(
        info.unavailable <= lab.main.capabilities, "probe calls a capability unavailable that is not declared"
    )
    require(
        not info.unavailable or info.missing, "capabilities are unavailable and `missing` does not say why"
    )
    require(
        all(is_text(line) and "\n" not in line for line in info.missing),
        "`missing` must be one line of text each",
    )


@check()
def pages_are_pages(lab: Lab) -> None:
    """A page holds records, markers, errors and listings of the contract's own types."""
    lab.look()
    page = lab.first(limit=50)
    require(page is not None, "a scan gives no page")
    assert page is not None
    known = (*TYPES.values(), Deleted)
    require(all(isinstance(item, known) for item in page.records), "records holds something else")
    require(isinstance(page.records, tuple), "records is not a tuple")
    require(all(isinstance(error, BadRecordError) for error in page.bad), "bad holds something else")
    require(all(isinstance(listing, Listing) for listing in page.listed), "listed holds something else")


@check()
def pages_respect_the_limit(lab: Lab) -> None:
    """No page holds more records than were asked for: callers bound their memory and transactions with it."""
    lab.look()
    for number, page in enumerate(lab.walk(limit=2)):
        require(len(page.records) <= 2, f"a page of limit 2 holds {len(page.records)} records")
        if number > 20:
            break


@check("put")
def only_the_last_page_has_a_watermark(lab: Lab) -> None:
    """The watermark comes on the last page and on no other: a scan that was broken off proves nothing."""
    lab.put(), lab.put()
    pages = lab.scan(limit=1).pages
    require(pages and pages[-1].watermark is not None, "the last page carries no watermark")
    require(all(page.watermark is None for page in pages[:-1]), "a page before the last carries a watermark")


@check("put")
def a_scan_ends(lab: Lab) -> None:
    """Pages come to an end, and none has a mark that came before: who follows them would go round for ever."""
    lab.put(), lab.put(), lab.put()
    for _ in lab.walk(limit=4):
        pass


@check("put")
def page_size_1_equals_1000(lab: Lab) -> None:
    """A scan gives the same records at page size 1 as at 1,000."""
    model, _ = lab.put()
    lab.put(model), lab.put()
    small, large = lab.scan(limit=1), lab.scan(limit=1000)
    missing = large.by_key().keys() - small.by_key().keys()
    extra = small.by_key().keys() - large.by_key().keys()
    require(not missing, f"page size 1 misses {_some(missing)}")
    require(not extra, f"page size 1 gives {_some(extra)} in addition")
    different = [key for key, record in large.by_key().items() if small.by_key()[key] != record]
    require(not different, f"page size 1 gives another record for {_some(different)}")


def _some(keys: object) -> str:
    assert isinstance(keys, set | list)
    shown = sorted(str(getattr(key, "native_id", key)) for key in keys)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


@check("put")
def no_record_twice(lab: Lab) -> None:
    """A scan of a quiet backend gives no key twice, at any page size."""
    model, _ = lab.put()
    lab.put(model), lab.put()
    for limit in (1, 3, 1000):
        keys = [record.key for record in lab.scan(limit=limit).records]
        twice = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else set()
        require(not twice, f"page size {limit} gives {_some(twice)} more than once")


@check("put")
def a_full_scan_gives_everything(lab: Lab) -> None:
    """Two models, one with two versions: all of them, each version under its own model."""
    (first, one), (second, other) = lab.put(), lab.put()
    two = lab.put(first)[1]
    scan = lab.scan()
    models = scan.models()
    require({first, second} <= models.keys(), f"a model is missing: {_some({first, second} - models.keys())}")
    of_first, of_second = scan.versions(models[first].key), scan.versions(models[second].key)
    require(
        of_first.keys() == {one, two}, f"the first model has {sorted(of_first)}, put were {one} and {two}"
    )
    require(of_second.keys() == {other}, f"the second model has {sorted(of_second)}, put was {other}")


@check("put_model")
def a_model_may_have_no_versions(lab: Lab) -> None:
    """A model without versions is a model."""
    name = lab.name()
    lab.harness.put_model(name)
    model = lab.model(name)
    require(not lab.scan().versions(model.key), "a model without versions has versions")


@check("put")
def models_come_before_versions(lab: Lab) -> None:
    """A version's model stands before it, a served version before its endpoint: callers write in one pass."""
    model, version = lab.put()
    lab.dress(model, version)
    seen: set[Key] = set()
    for record in lab.scan(limit=2).records:
        if isinstance(record, VersionRecord):
            require(record.model in seen, f"version {record.key.native_id} comes before its model")
        if isinstance(record, EndpointRecord):
            late = {traffic.version for traffic in record.traffic} - seen
            require(not late, f"endpoint {record.name} comes before the version it serves")
        seen.add(record.key)


@check()
def keys_name_their_kind(lab: Lab) -> None:
    """A key says model, version or endpoint as its record is one, and its native id is not empty."""
    for record in lab.look():
        key = record.key
        require(key.kind in TYPES, f"a key's kind is {key.kind!r}")
        require(isinstance(record, TYPES[key.kind]), f"{type(record).__name__} has a key of kind {key.kind}")
        require(is_text(key.native_id), f"native_id is {key.native_id!r}")
        if isinstance(record, VersionRecord):
            require(record.model.kind == "model", "VersionRecord.model is not a model's key")


@check("put")
def keys_differ_between_models(lab: Lab) -> None:
    """Versions of the same number in two models have different keys."""
    (first, one), (second, other) = lab.put(), lab.put()
    scan = lab.scan()
    models, ours, theirs = scan.models(), _keys(scan, first), _keys(scan, second)
    keys = {models[first].key, models[second].key, *ours, *theirs}
    each = 2 + len(scan.versions(models[first].key)) + len(scan.versions(models[second].key))
    require(
        ours and theirs and len(keys) == each,
        f"versions {one} and {other} of two models, or the models, share a key",
    )


def _keys(scan: ScanResult, model: str) -> set[Key]:
    return {version.key for version in scan.versions(scan.models()[model].key).values()}


@check("put")
def keys_are_stable(lab: Lab) -> None:
    """The same record has the same key in the next scan, and from another instance."""
    lab.put()
    first, again, other = lab.scan(), lab.scan(), lab.scan(adapter=lab.adapter())
    require(first.by_key().keys() == again.by_key().keys(), "keys changed between two scans")
    require(first.by_key().keys() == other.by_key().keys(), "another instance gives other keys")


@check("put")
def records_are_stable(lab: Lab) -> None:
    """A quiet backend gives equal records in every scan: what flickers would be a change each time."""
    model, version = lab.put()
    lab.dress(model, version)
    first, again = lab.scan().by_key(), lab.scan(adapter=lab.adapter()).by_key()
    different = [key for key, record in first.items() if again.get(key) != record]
    require(not different, f"nothing changed, and another record came for {_some(different)}")


def _places(scan: ScanResult) -> list[tuple[Mark, list[Page]]]:
    """The marks of a scan, the first, one in the middle and the last, each with the pages behind it."""
    marked = [(page.mark, scan.pages[at:]) for at, page in enumerate(scan.pages, 1) if page.mark is not None]
    return [marked[at] for at in sorted({0, len(marked) // 2, len(marked) - 1})] if marked else []


@check("put")
def a_mark_survives_a_restart(lab: Lab) -> None:
    """A mark works in a new instance, after a trip through JSON: a scan goes on where a dead process stopped."""
    lab.put(), lab.put()
    for mark, behind in _places(lab.scan(limit=1, adapter=lab.paged())):
        rest = lab.scan(limit=1, resume=Mark(json.loads(json.dumps(mark))), adapter=lab.paged())
        require(
            rest.items == ScanResult(behind).items, "a new instance gives something else behind the same mark"
        )


@check("put")
def a_mark_may_be_used_again(lab: Lab) -> None:
    """The same mark gives the same again, also in an instance that has gone on: a caller that crashed repeats it."""
    lab.put(), lab.put()
    adapter = lab.paged()
    for mark, behind in _places(lab.scan(limit=1, adapter=adapter)):
        first, again = (lab.scan(limit=1, resume=mark, adapter=adapter) for _ in range(2))
        require(first.items == again.items == ScanResult(behind).items, "the same mark gave something else")


@check("put")
def two_scans_do_not_disturb_each_other(lab: Lab) -> None:
    """The generator carries the place, the instance does not: two scans through one instance may interleave."""
    lab.put(), lab.put()
    expected = [record.key for record in lab.scan(limit=1).records]
    pairs = list(itertools.zip_longest(lab.walk(limit=1), lab.walk(limit=1)))
    for number in (0, 1):
        found = [item.key for pair in pairs if pair[number] for item in pair[number].records]
        require(found == expected, "two interleaved scans gave other records than one alone")


@check("put")
def a_scan_may_be_left(lab: Lab) -> None:
    """A scan that is closed after its first page leaves the instance as it was: the next one gives everything."""
    lab.put(), lab.put()
    whole = lab.scan(limit=1)
    lab.first(limit=1)
    require(
        lab.scan(limit=1).items == whole.items, "after a scan that was left, a whole one gives other records"
    )


@check("put")
def marks_are_plain_text(lab: Lab) -> None:
    """Marks and watermarks are text that a database stores: no surrogates or NUL, at most 16,384 characters."""
    lab.put(), lab.put()
    scan = lab.scan(limit=1)
    for mark in [page.mark for page in scan.pages if page.mark is not None] + [scan.watermark]:
        require(isinstance(mark, str), f"a mark is {type(mark).__name__}")
        require(len(mark) <= MAX_MARK, f"a mark is {len(mark)} characters long")
        clean = "\x00" not in mark and mark.encode("utf-8", "replace").decode() == mark
        require(clean, "a mark holds characters that cannot be stored")


@check()
def a_foreign_mark_is_refused(lab: Lab) -> None:
    """A mark of another release or backend is refused with a RejectedError, or answered with everything."""
    _refused_or_everything(lab, "mark", lambda: lab.scan(resume=Mark("waypost ? no mark")))


@check()
def a_foreign_watermark_is_refused(lab: Lab) -> None:
    """A watermark of another release or backend is refused with a RejectedError, or answered with everything."""
    _refused_or_everything(lab, "watermark", lambda: lab.scan(since="waypost ? no watermark"))


def _refused_or_everything(lab: Lab, what: str, scan: Callable[[], ScanResult]) -> None:
    lab.look()
    try:
        given = scan().by_key()
    except RejectedError:
        return
    missing = lab.scan().by_key().keys() - given.keys()
    require(not missing, f"a {what} that means nothing was taken for one: {len(missing)} records are missing")


@check()
def any_thread_will_do(lab: Lab) -> None:
    """Calls come from any thread."""
    lab.main.probe()
    found: list[object] = []

    def work() -> None:
        try:
            found.append(lab.first(limit=1))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    require(
        isinstance(found[0], Page),
        f"a call from another thread failed: {type(found[0]).__name__}: {found[0]}",
    )


@check(since=2)
def records_are_read_beside_a_scan(lab: Lab) -> None:
    """A registry has one adapter: while one thread scans, others ask it for single records."""
    known = lab.look()[:3]
    over, wrong = threading.Event(), list[str]()

    def read() -> None:
        for record in itertools.islice(itertools.cycle(known), READS):
            try:
                found = lab.main.get(record.key)
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
            else:
                if found.key != record.key:
                    wrong.append(f"asked for {record.key} it gave {found.key}")
            if over.wait(0.001):
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        scanned = lab.scan(limit=3).by_key()
    finally:
        over.set()
        reader.join()
    require(not wrong, f"a record could not be read while a scan ran: {wrong[:1]}")
    missing = {record.key for record in known} - scanned.keys()
    require(not missing, f"a scan beside which records were read lacks {len(missing)} of them")
