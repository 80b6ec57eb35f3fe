"""Incremental scans: what changed, what changed meanwhile, clocks and watermarks."""

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, ScanResult, require
from adapters.records import Deleted, Key, Listing, ModelRecord, Record, VersionRecord, Watermark

HOUR = 3600.0


def _since(lab: Lab, mark: Watermark, limit: int = 1000) -> dict[Key, Record]:
    return lab.scan(since=mark, limit=limit).by_key()


@check("put")
def a_new_model_is_seen(lab: Lab) -> None:
    """A model and version created after a scan are in the next incremental one."""
    mark = lab.scan().watermark
    model, version = lab.put()
    scan = lab.scan(since=mark)
    require(model in scan.models(), "the incremental scan does not give a new model")
    found = scan.versions(scan.models()[model].key)
    require(version in found, "the incremental scan does not give the new model's version")


@check("put")
def a_new_version_is_seen(lab: Lab) -> None:
    """A version added to an old model is in the next incremental scan."""
    model, _ = lab.put()
    mark = lab.scan().watermark
    added = lab.put(model)[1]
    found = [r.version for r in lab.scan(since=mark).records if isinstance(r, VersionRecord)]
    require(added in found, f"the incremental scan does not give the new version {added}")


@check("put", "tag")
def a_changed_tag_is_seen(lab: Lab) -> None:
    """A tag set on a version is in the next incremental scan."""
    model, version = lab.put()
    key = lab.version(model, version).key
    mark = lab.scan().watermark
    lab.harness.tag(model, version, "team_owner", "risk")
    record = _since(lab, mark).get(key)
    require(isinstance(record, VersionRecord), "the incremental scan does not give the changed version")
    assert isinstance(record, VersionRecord)
    require(record.tags.get("team_owner") == "risk", f"the tag is not in the record: {dict(record.tags)}")


@check("put", "alias")
def a_moved_alias_is_seen(lab: Lab) -> None:
    """An alias that moved to another version is in the next incremental scan."""
    model, first = lab.put()
    second = lab.put(model)[1]
    lab.harness.alias(model, "champion", first)
    before = lab.scan()
    require(before.models()[model].aliases.get("champion") == first, "a full scan does not give the alias")
    lab.harness.alias(model, "champion", second)
    record = _since(lab, before.watermark).get(before.models()[model].key)
    require(isinstance(record, ModelRecord), "the incremental scan does not give the model whose alias moved")
    assert isinstance(record, ModelRecord)
    require(
        record.aliases.get("champion") == second, f"the alias still names {record.aliases.get('champion')}"
    )


@check("put", "alias")
def a_removed_alias_is_seen(lab: Lab) -> None:
    """An alias that was taken away is gone from the model in the next incremental scan."""
    model, version = lab.put()
    lab.harness.alias(model, "champion", version)
    before = lab.scan()
    lab.harness.alias(model, "champion", None)
    record = _since(lab, before.watermark).get(before.models()[model].key)
    require(
        isinstance(record, ModelRecord), "the incremental scan does not give the model that lost its alias"
    )
    assert isinstance(record, ModelRecord)
    require("champion" not in record.aliases, "the alias is still there")


@check("put", "stage")
def a_changed_stage_is_seen(lab: Lab) -> None:
    """Each native stage the adapter maps is in the record, and its change in the next incremental scan."""
    model, version = lab.put()
    for field, (first, second) in lab.harness.stages.items():
        lab.harness.stage(model, version, field, first)
        before = lab.scan()
        record = before.versions(before.models()[model].key)[version]
        require(getattr(record, field) == first, f"{field} is {getattr(record, field)!r}, set was {first!r}")
        lab.harness.stage(model, version, field, second)
        changed = _since(lab, before.watermark).get(record.key)
        require(changed is not None, f"the incremental scan does not give the version whose {field} changed")
        require(getattr(changed, field) == second, f"{field} is still {getattr(changed, field)!r}")


@check("put")
def an_incremental_scan_tells_the_truth(lab: Lab) -> None:
    """What an incremental scan gives is what a full scan gives: it is younger, not different."""
    mark = lab.scan().watermark
    model, version = lab.put()
    lab.dress(model, version)
    full, changed = lab.scan().by_key(), _since(lab, mark)
    different = [key.native_id for key, record in changed.items() if full.get(key) != record]
    require(not different, f"incremental and full scan differ in {', '.join(different[:3])}")


@check("put")
def a_quiet_incremental_scan_deletes_nothing(lab: Lab) -> None:
    """When nothing happened, an incremental scan declares nothing deleted and ends with a watermark."""
    lab.put()
    scan = lab.scan(since=lab.scan().watermark)
    require(not scan.deleted, f"{len(scan.deleted)} records were declared deleted and nothing happened")
    require(bool(scan.watermark), "the watermark is empty")


@check("put")
def the_same_watermark_works_twice(lab: Lab) -> None:
    """A watermark used before gives the change again: a caller that crashed unsaved asks once more."""
    mark = lab.scan().watermark
    model, _ = lab.put()
    first, again = lab.scan(since=mark), lab.scan(since=mark)
    require(model in first.models(), "the incremental scan does not give a new model")
    require(model in again.models(), "the second scan since the same watermark no longer gives the new model")


@check("put")
def an_old_watermark_misses_nothing(lab: Lab) -> None:
    """A watermark from several scans ago gives everything that happened since."""
    mark = lab.scan().watermark
    first, _ = lab.put()
    lab.scan(since=mark)
    second, _ = lab.put()
    found = lab.scan(since=mark).models()
    require({first, second} <= found.keys(), "a scan since an old watermark misses a change")


@check("put")
def a_chain_of_watermarks_misses_nothing(lab: Lab) -> None:
    """Scans each beginning at the last one's watermark see every change where it happened or later."""
    mark, seen = lab.scan().watermark, set[str]()
    names = []
    for _ in range(3):
        names.append(lab.put()[0])
        scan = lab.scan(since=mark)
        seen |= scan.models().keys()
        mark = scan.watermark
    require(set(names) <= seen, "a change was seen by none of the scans that followed it")


@check("put")
def a_watermark_survives_a_restart(lab: Lab) -> None:
    """A watermark works in a new instance: nothing about it is kept in memory."""
    mark = lab.scan().watermark
    model, _ = lab.put()
    found = lab.scan(since=mark, adapter=lab.adapter()).models()
    require(model in found, "a new instance does not give what changed since an older instance's watermark")


@check("put")
def incremental_page_size_1_equals_1000(lab: Lab) -> None:
    """An incremental scan gives the same records at page size 1 as at 1,000."""
    mark = lab.scan().watermark
    model, _ = lab.put()
    lab.put(model), lab.put()
    small, large = _since(lab, mark, 1), _since(lab, mark)
    require(small == large, f"page size 1 gives {len(small)} records, page size 1,000 gives {len(large)}")


def _during(lab: Lab, scan: ScanResult) -> dict[Key, Record]:
    """What this scan and the next one give together."""
    return {**scan.by_key(), **_since(lab, scan.watermark)}


@check("put")
def a_record_made_during_a_scan_is_not_lost(lab: Lab) -> None:
    """What is created while a scan runs is in it or in the next: the watermark never passes the scan's start."""
    lab.put(), lab.put()
    scan, made = ScanResult(), ""
    for page in lab.walk(limit=1):
        scan.pages.append(page)
        made = made or lab.put()[0]
    found = {r.name for r in _during(lab, scan).values() if isinstance(r, ModelRecord)}
    require(made in found, "a model created during a scan is in neither this one nor the next")


@check("put", "tag")
def a_change_during_a_scan_is_not_lost(lab: Lab) -> None:
    """A record that changes after its page was read comes again in the next scan."""
    _change_during_a_scan(lab, None)


@check("put", "tag")
def a_change_during_an_incremental_scan_is_not_lost(lab: Lab) -> None:
    """The same, while an incremental scan runs: its watermark does not pass its own start either."""
    _change_during_a_scan(lab, lab.scan().watermark)


def _change_during_a_scan(lab: Lab, since: Watermark | None) -> None:
    model, version = lab.put()
    key = lab.version(model, version).key
    lab.put()
    scan, done = ScanResult(), False
    for page in lab.walk(since=since, limit=1):
        scan.pages.append(page)
        if not done and any(item.key == key for item in page.records):
            lab.harness.tag(model, version, "team_owner", "late")
            done = True
    require(done, "the scan does not give a new version")
    record = _during(lab, scan).get(key)
    assert isinstance(record, VersionRecord)
    require(
        record.tags.get("team_owner") == "late", "a change during a scan is in neither this one nor the next"
    )


@check("put")
def listed_is_honest(lab: Lab) -> None:
    """What an incremental scan claims to have listed whole is whole: what is absent from it may be buried."""
    model, _ = lab.put()
    mark = lab.scan().watermark
    lab.put(model), lab.put()
    changed, full = lab.scan(since=mark), lab.scan()
    for listing in changed.listed:
        missing = {r.key for r in full.records if _within(r, listing)} - changed.by_key().keys()
        what = listing.kind + (f"s of {listing.of.native_id}" if listing.of else "s")
        require(not missing, f"the scan says it listed all {what}, and {len(missing)} are missing")


def _within(record: Record, listing: Listing) -> bool:
    if record.key.kind != listing.kind:
        return False
    return listing.of is None or (isinstance(record, VersionRecord) and record.model == listing.of)


@check("put")
def listed_names_what_exists(lab: Lab) -> None:
    """A listing of one model's versions names that model by its key; any other listing names none."""
    mark = lab.scan().watermark
    lab.put()
    models = {r.key for r in lab.scan().records if isinstance(r, ModelRecord)}
    for listing in lab.scan(since=mark).listed:
        require(listing.kind in ("model", "version", "endpoint"), f"a listing's kind is {listing.kind!r}")
        good = listing.of is None or (listing.kind == "version" and listing.of in models)
        require(good, f"a listing of {listing.kind}s names {listing.of}, which is no model of this backend")


@check("put", "skew")
def a_backend_clock_behind_loses_nothing(lab: Lab) -> None:
    """The backend's clock is an hour behind ours: what changes after a scan is in the next one."""
    with lab.harness.skew(-HOUR):
        _skewed(lab, "behind")


@check("put", "skew")
def a_backend_clock_ahead_loses_nothing(lab: Lab) -> None:
    """The backend's clock is an hour ahead of ours: what changes after a scan is in the next one."""
    with lab.harness.skew(HOUR):
        _skewed(lab, "ahead")


def _skewed(lab: Lab, where: str) -> None:
    lab.put()
    mark = lab.scan().watermark
    model, _ = lab.put()
    require(
        model in lab.scan(since=mark).models(), f"with the clock {where} an incremental scan misses a change"
    )


@check("put", "requests")
def an_incremental_scan_costs_no_more(lab: Lab) -> None:
    """A scan of what changed asks the backend for no more pages than a full one, and a few."""
    lab.put(), lab.put()
    start = lab.harness.requests()
    mark = lab.scan().watermark
    full = lab.harness.requests() - start
    lab.scan(since=mark)
    again = lab.harness.requests() - start - full
    require(again <= full + 3, f"a scan in which nothing changed took {again} requests, a full one {full}")


@check("put", "drop")
def deleted_markers_are_true(lab: Lab) -> None:
    """What a scan marks as deleted is proved absent by `get`, and is not among the records of that scan."""
    model, version = lab.put()
    lab.put(model)
    mark = lab.scan().watermark
    lab.harness.drop(model, version)
    scan = lab.scan(since=mark)
    alive = [key for key in scan.deleted if not lab.absent(key)]
    require(not alive, f"{len(alive)} living records are marked as deleted")
    last: dict[Key, bool] = {item.key: isinstance(item, Deleted) for item in scan.items}
    require(
        not (scan.deleted & {k for k, gone in last.items() if not gone}),
        "a record is given and deleted at once",
    )
