"""What is in a record: values, times, names, etags."""

import dataclasses
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from adapters.conformance.check import check
from adapters.conformance.lab import CheckFailed, Lab, is_text, require
from adapters.contract import Snippet
from adapters.errors import UnsupportedError
from adapters.records import Details, EndpointRecord, Key, ModelRecord, Record, Schema, VersionRecord

LANGUAGES = {"python", "shell", "curl"}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@check()
def records_are_frozen(lab: Lab) -> None:
    """A record that was handed over cannot be changed."""
    for record in lab.look():
        try:
            record.url = "changed"  # type: ignore[misc]
        except (AttributeError, TypeError):
            continue
        raise CheckFailed(f"a {type(record).__name__} could be changed after it was handed over")


@check("put", "tag")
def records_do_not_change_later(lab: Lab) -> None:
    """A record that was handed over stays what it was when the backend changes: no mapping in it lives on."""
    model, version = lab.put()
    lab.harness.tag(model, version, "team_owner", "first")
    record = lab.version(model, version)
    lab.harness.tag(model, version, "team_owner", "second")
    lab.scan(), lab.main.get(record.key)
    require(record.tags.get("team_owner") == "first", "an old record shows what the backend holds now")


@check()
def times_are_utc(lab: Lab) -> None:
    """Every time carries the zone UTC: naive times are read differently on every machine."""
    for record, name, time in _times(lab.look()):
        zone = time.utcoffset()
        require(zone is not None, f"{name} of {record.key.native_id} has no time zone")
        require(zone == timedelta(0), f"{name} of {record.key.native_id} is not in UTC")


@check()
def times_are_plausible(lab: Lab) -> None:
    """Times lie between 2000 and tomorrow: seconds read as milliseconds do not."""
    latest = datetime.now(UTC) + timedelta(days=1)
    for record, name, time in _times(lab.look()):
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        require(EARLIEST <= aware <= latest, f"{name} of {record.key.native_id} is {time.isoformat()}")


def _times(records: list[Record]) -> Iterator[tuple[Record, str, datetime]]:
    for record in records:
        for name in ("created_at", "updated_at"):
            time = getattr(record, name)
            if time is not None:
                require(isinstance(time, datetime), f"{name} is {type(time).__name__}")
                yield record, name, time


@check()
def native_payload_is_json(lab: Lab) -> None:
    """The native payload is plain JSON: it is stored, hashed and shown."""
    for record in lab.look():
        try:
            text = json.dumps(record.native, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CheckFailed(f"native of {record.key.native_id} is no JSON: {error}") from error
        require(
            json.loads(text) == record.native,
            f"native of {record.key.native_id} changes on its way through JSON",
        )


@check()
def native_payload_is_kept(lab: Lab) -> None:
    """Models and versions carry what the backend said as it came: a field nobody mapped is not lost."""
    for record in lab.look():
        kept = isinstance(record, EndpointRecord) or record.native
        require(kept, f"native of {record.key.native_id} is empty")


@check()
def texts_are_text(lab: Lab) -> None:
    """Every text field is text or None, and can be stored: no bytes, no NUL, no lone surrogates."""
    for record in lab.look():
        for name in record.__slots__:
            value = getattr(record, name)
            if name in TEXTS:
                require(value is None or isinstance(value, str), f"{name} is {type(value).__name__}")
                require(value is None or _storable(value), f"{name} holds characters that cannot be stored")


TEXTS = {
    "name", "title", "type", "description", "owner", "license", "version", "stage", "approval", "lifecycle",
    "framework", "creator", "artifact_uri", "artifact_digest", "state", "etag", "url",
}  # fmt: skip


def _storable(text: str) -> bool:
    return "\x00" not in text and text.encode("utf-8", "replace").decode() == text


@check()
def names_are_not_empty(lab: Lab) -> None:
    """Models, versions and endpoints have a name: without one nobody can refer to them."""
    for record in lab.look():
        name = record.version if isinstance(record, VersionRecord) else record.name
        require(is_text(name), f"{record.key.native_id} has the name {name!r}")


@check()
def mappings_hold_what_they_say(lab: Lab) -> None:
    """Tags, params and aliases map text to text, metrics map text to finite numbers."""
    for record in lab.look():
        for name in ("tags", "params", "aliases"):
            mapping: Mapping[Any, Any] = getattr(record, name, {})
            good = all(isinstance(k, str) and isinstance(v, str) for k, v in mapping.items())
            require(good, f"{name} of {record.key.native_id} holds something that is not text")
        for key, number in getattr(record, "metrics", {}).items():
            fine = isinstance(key, str) and isinstance(number, float | int) and not isinstance(number, bool)
            require(fine and math.isfinite(number), f"metric {key!r} of {record.key.native_id} is {number!r}")


@check("put", "alias")
def aliases_name_versions(lab: Lab) -> None:
    """An alias on a model names one of its versions by the version's name."""
    model, version = lab.put()
    lab.harness.alias(model, "champion", version)
    scan = lab.scan()
    record = scan.models()[model]
    require(
        record.aliases.get("champion") == version, f"aliases are {dict(record.aliases)}, champion is missing"
    )
    unknown = set(record.aliases.values()) - scan.versions(record.key).keys()
    require(not unknown, f"aliases name versions that do not exist: {', '.join(sorted(unknown))}")


@check("put", "hostile_names")
def hostile_names_come_through(lab: Lab) -> None:
    """Names with spaces, slashes, percent signs, emoji, control and right-to-left characters arrive as they are."""
    for name in lab.harness.hostile_names:
        model, version = lab.put(lab.own(name))
        record = lab.version(model, version)
        found = lab.main.get(record.model)
        require(isinstance(found, ModelRecord) and found.name == name, f"get gives another name for {name!r}")
        require(isinstance(lab.main.get(record.key), VersionRecord), f"get fails for a version of {name!r}")
        lab.harness.drop(name)


@check("put", "tag", "hostile_values")
def hostile_values_come_through(lab: Lab) -> None:
    """Tag values with markup, quotes, line ends and emoji, and the empty one, arrive as they are."""
    model, version = lab.put()
    for number, value in enumerate(lab.harness.hostile_values):
        lab.harness.tag(model, version, f"hostile_{number}", value)
    tags = lab.version(model, version).tags
    for number, value in enumerate(lab.harness.hostile_values):
        found = tags.get(f"hostile_{number}")
        require(found == value, f"the tag value {value!r} arrives as {found!r}")


@check("put", "tag")
def model_tags_stay_on_the_model(lab: Lab) -> None:
    """A tag of the model is on the model and on no version; a tag of a version is on that version alone."""
    model, version = lab.put()
    other = lab.put(model)[1]
    lab.harness.tag(model, None, "level", "model")
    lab.harness.tag(model, version, "owner_team", "risk")
    scan = lab.scan()
    record = scan.models()[model]
    versions = scan.versions(record.key)
    require(record.tags.get("level") == "model", "the model's tag is not on the model")
    require("owner_team" not in record.tags, "a version's tag is on the model")
    require("owner_team" not in versions[other].tags, "a version's tag is on another version")
    require(versions[version].tags.get("owner_team") == "risk", "the version's tag is not on the version")


@check()
def links_are_links(lab: Lab) -> None:
    """Links to the backend are http or https and carry no user or password: they are shown to people."""
    for record in lab.look():
        for name, url in (("url", record.url), ("run_url", _run_url(record))):
            if url is not None:
                parts = urlsplit(url)
                require(parts.scheme in ("http", "https") and parts.netloc, f"{name} is {url!r}")
                require(
                    "@" not in parts.netloc, f"{name} of {record.key.native_id} carries a user or password"
                )


def _run_url(record: Record) -> str | None:
    return record.lineage.run_url if isinstance(record, VersionRecord) else None


@check()
def digests_and_uris_are_whole(lab: Lab) -> None:
    """An artifact URI has a scheme, a digest has no white space."""
    for record in lab.look():
        if isinstance(record, VersionRecord):
            uri, digest = record.artifact_uri, record.artifact_digest
            require(not uri or re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^/", uri), f"artifact_uri is {uri!r}")
            require(digest is None or not re.search(r"\s", digest), f"artifact_digest is {digest!r}")


@check("put")
def reading_changes_nothing(lab: Lab) -> None:
    """Probing, scanning and getting leave every etag and time as they were: readers do not write."""
    model, version = lab.put()
    before = lab.version(model, version)
    lab.probe(), lab.scan(), lab.main.get(before.key)
    after = lab.main.get(before.key)
    require(after.etag == before.etag, "the etag changed while the record was only read")
    require(after.updated_at == before.updated_at, "updated_at changed while the record was only read")


def _compared(lab: Lab, record: ModelRecord | VersionRecord) -> bool:
    """Whether it has an etag, which it must where something can be written."""
    has_writes = bool(lab.harness.adapter_type.capabilities)
    require(record.etag or not has_writes, "it has no etag: writes cannot be compare-and-set")
    return record.etag is not None


@check("put", "tag")
def the_etag_follows_the_version(lab: Lab) -> None:
    """A version's etag changes when something in it that can be written changes, and only then."""
    model, version = lab.put()
    other = lab.put(model)[1]
    before, bystander = lab.version(model, version), lab.version(model, other)
    if not _compared(lab, before):
        return
    lab.harness.tag(model, version, "team_owner", "risk")
    require(lab.main.get(before.key).etag != before.etag, "the etag did not change when a tag was set")
    require(lab.main.get(bystander.key).etag == bystander.etag, "another version's etag changed with it")


@check("put", "alias")
def the_etag_follows_the_model(lab: Lab) -> None:
    """A model's etag changes when an alias moves: aliases are the model's."""
    model, version = lab.put()
    before = lab.model(model)
    if not _compared(lab, before):
        return
    lab.harness.alias(model, "champion", version)
    require(lab.main.get(before.key).etag != before.etag, "the etag did not change when an alias was set")


@check()
def details_answer(lab: Lab) -> None:
    """`details` gives Details for every version, and nothing else; so does `schema` a Schema or None."""
    for record in [r for r in lab.look() if isinstance(r, VersionRecord)][-6:]:
        try:
            found = lab.main.details(record)
        except UnsupportedError:
            continue
        require(type(found) is Details, f"details gave {type(found).__name__}")
        schema = found.schema
        require(schema is None or isinstance(schema, Schema), f"schema gave {type(schema).__name__}")


@check()
def snippets_are_snippets(lab: Lab) -> None:
    """`snippets` gives code in a language that is shown, without asking the backend."""
    counts = "requests" in lab.harness.offers()
    for record in [r for r in lab.look() if isinstance(r, VersionRecord)][-3:]:
        before = lab.harness.requests() if counts else 0
        found = lab.main.snippets("check", record)
        require(not counts or lab.harness.requests() == before, "snippets asked the backend")
        require(isinstance(found, tuple), f"snippets gave {type(found).__name__}")
        for snippet in found:
            require(type(snippet) is Snippet, f"snippets gave {type(snippet).__name__}")
            good = is_text(snippet.title) and is_text(snippet.code) and snippet.language in LANGUAGES
            require(good, f"{snippet!r} is no snippet in {sorted(LANGUAGES)}")


@check("put", "serve")
def an_endpoint_is_seen(lab: Lab) -> None:
    """What serves a version is an endpoint that names it, and comes with the next incremental scan."""
    model, version = lab.put()
    before = lab.scan()
    key = before.versions(before.models()[model].key)[version].key
    lab.harness.serve(f"{model}-live", model, version)
    for scan in (lab.scan(), lab.scan(since=before.watermark)):
        serving = [e for e in scan.endpoints().values() if key in {t.version for t in e.traffic}]
        require(serving, "no endpoint names the version that is served")


@check()
def traffic_adds_up(lab: Lab) -> None:
    """An endpoint's shares lie between 0 and 100 %; those of one version add up to no more than 100 %."""
    for record in lab.look():
        if isinstance(record, EndpointRecord):
            shares = [traffic.percent for traffic in record.traffic]
            require(all(0 <= share <= 100 for share in shares), f"{record.name} has the shares {shares}")
            of_version: defaultdict[Key, float] = defaultdict(float)
            for traffic in record.traffic:
                of_version[traffic.version] += traffic.percent
            for version, sum_ in of_version.items():
                told = f"the traffic of {version.native_id} on {record.name} adds up to {sum_} %"
                require(sum_ <= 100.01, told)
            kinds = {traffic.version.kind for traffic in record.traffic}
            require(kinds <= {"version"}, f"{record.name} serves something that is no version")


@check()
def records_are_the_contracts_own(lab: Lab) -> None:
    """Records are the contract's types, not subclasses: whoever stores them knows every field."""
    known = (ModelRecord, VersionRecord, EndpointRecord)
    for record in lab.look():
        require(type(record) in known, f"{type(record).__name__} is not one of the contract's records")
        require(dataclasses.is_dataclass(record), f"{type(record).__name__} is no record")
