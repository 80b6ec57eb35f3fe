"""`get`, deletion and incarnations."""

from functools import partial

from adapters.conformance.check import check
from adapters.conformance.lab import Lab, refused, require
from adapters.errors import InvalidError, NotFoundError
from adapters.records import Deleted, EndpointRecord, Key, Kind, ModelRecord, Record, VersionRecord

KINDS: tuple[Kind, ...] = ("model", "version", "endpoint")


@check()
def get_equals_scan(lab: Lab) -> None:
    """`get` gives what the scan gives, field by field: what differs would be a change at every read."""
    for record in _few(lab.look()):
        found = lab.main.get(record.key)
        require(type(found) is type(record), f"get of a {record.key.kind} gives {type(found).__name__}")
        names = [n for n in record.__slots__ if n != "native" and getattr(found, n) != getattr(record, n)]
        require(not names, f"get and scan differ for {record.key.native_id} in {', '.join(names)}")


@check()
def get_equals_scan_natively(lab: Lab) -> None:
    """The native payload is the same from `get` and from a scan."""
    for record in _few(lab.look()):
        same = lab.main.get(record.key).native == record.native
        require(same, f"get and scan give different native payloads for {record.key.native_id}")


def _few(records: list[Record]) -> list[Record]:
    """At most six of each kind, from the end: where the check's own are."""
    kinds: tuple[type[Record], ...] = (ModelRecord, VersionRecord, EndpointRecord)
    return [record for kind in kinds for record in [r for r in records if isinstance(r, kind)][-6:]]


@check("put")
def get_is_fresh(lab: Lab) -> None:
    """`get` asks the backend each time: an instance that has scanned before sees what happened after."""
    model, _ = lab.put()
    before = lab.model(model)
    lab.main.get(before.key)
    version = lab.put(model)[1]
    key = lab.version(model, version, lab.adapter()).key
    require(isinstance(lab.main.get(key), VersionRecord), "get does not give a version created after a scan")


@check("put", "tag")
def get_sees_a_change(lab: Lab) -> None:
    """`get` gives a record as it is now, not as this instance saw it last."""
    model, version = lab.put()
    key = lab.version(model, version).key
    lab.main.get(key)
    lab.harness.tag(model, version, "team_owner", "risk")
    found = lab.main.get(key)
    require(
        found.tags.get("team_owner") == "risk" if isinstance(found, VersionRecord) else False, "get is stale"
    )


@check()
def get_of_nonsense_is_refused(lab: Lab) -> None:
    """A native id that cannot exist is not found or invalid, never a crash, never another record."""
    for kind in KINDS:
        for native in ("waypost no such thing", "../../etc/passwd", "%00", "🦉"):
            refused(
                partial(lab.main.get, Key(kind, native)),
                NotFoundError,
                InvalidError,
                doing=f"get of the {kind} {native!r}",
            )


@check("put")
def get_respects_the_kind(lab: Lab) -> None:
    """A model's native id under the kind version gives no model, and the other way round."""
    model, version = lab.put()
    record = lab.version(model, version)
    for key in (Key("version", record.model.native_id), Key("model", record.key.native_id)):
        refused(
            partial(lab.main.get, key),
            NotFoundError,
            InvalidError,
            doing=f"get of {key.kind} {key.native_id}",
        )


@check("put", "drop")
def a_deleted_version_is_gone(lab: Lab) -> None:
    """A deleted version is absent from a full scan, and `get` proves it; its model and the others stay."""
    model, version = lab.put()
    other = lab.put(model)[1]
    key = lab.version(model, version).key
    lab.harness.drop(model, version)
    scan = lab.scan()
    require(key not in scan.by_key(), "a full scan still gives a deleted version")
    require(lab.absent(key), "get still gives a deleted version")
    require(model in scan.models(), "the model went with one of its versions")
    require(other in scan.versions(scan.models()[model].key), "another version went as well")


@check("put", "drop")
def a_deleted_model_is_gone(lab: Lab) -> None:
    """A deleted model and its versions are absent from a full scan, and `get` proves it for each."""
    model, version = lab.put()
    record = lab.version(model, version)
    lab.harness.drop(model)
    keys = lab.scan().by_key()
    for key in (record.model, record.key):
        require(key not in keys, f"a full scan still gives the {key.kind} of a deleted model")
        require(lab.absent(key), f"get still gives the {key.kind} of a deleted model")


@check("put", "drop")
def absence_is_found_by_a_fresh_instance(lab: Lab) -> None:
    """The proof of absence needs no memory: an instance that never saw the record gives it too."""
    model, version = lab.put()
    key = lab.version(model, version).key
    lab.harness.drop(model)
    require(lab.absent(key, lab.adapter()), "a new instance does not prove the absence of a deleted version")


@check("put", "drop")
def an_incremental_scan_does_not_revive(lab: Lab) -> None:
    """What was deleted before an incremental scan is not among its records."""
    model, version = lab.put()
    lab.put(model)
    key = lab.version(model, version).key
    mark = lab.scan().watermark
    lab.harness.drop(model, version)
    given = [item for item in lab.scan(since=mark).items if item.key == key and not isinstance(item, Deleted)]
    require(not given, "an incremental scan gives a version that was deleted before it began")


@check("put", "drop", "recreates")
def a_new_incarnation_has_a_new_key(lab: Lab) -> None:
    """A model deleted and created again under the same name has another key, and so has its version."""
    model, version = lab.put()
    old = lab.version(model, version)
    lab.harness.drop(model)
    again = lab.put(model)[1]
    new = lab.version(model, again)
    require(new.model != old.model, "the new model has the old one's key: put the creation into native_id")
    require(new.key != old.key, "the new version has the old one's key: put the creation into native_id")


@check("put", "drop", "recreates")
def an_old_incarnation_stays_absent(lab: Lab) -> None:
    """The key of the one that was deleted is not found, though another lives under its name."""
    model, version = lab.put()
    old = lab.version(model, version)
    lab.harness.drop(model)
    lab.put(model)
    require(lab.absent(old.key), "get gives the new incarnation for the old version's key")
    require(lab.absent(old.model), "get gives the new incarnation for the old model's key")


@check("put", "drop", "recreates")
def a_new_incarnation_is_seen(lab: Lab) -> None:
    """Deleted and created again between two scans: the incremental one gives the new incarnation."""
    model, _ = lab.put()
    before = lab.scan()
    lab.harness.drop(model)
    lab.put(model)
    found = lab.scan(since=before.watermark).models()
    require(model in found, "the incremental scan does not give a model that was created again")
    require(found[model].key != before.models()[model].key, "the incremental scan gives it under its old key")
