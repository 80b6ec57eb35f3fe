"""Animals whose records, errors or logs are wrong."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from adapters import (
    AdapterError,
    AuthError,
    BackendInfo,
    BadRecordError,
    EndpointRecord,
    InvalidError,
    Key,
    ModelRecord,
    NotFoundError,
    Notification,
    Page,
    Record,
    Snippet,
    Traffic,
    TransientError,
    VersionRecord,
    Watermark,
)
from tests.adapters.zoo.enclosure import SECRET, SPOILED, Sound, breaks


def _only(kind: type[Any], **fields: Any) -> Any:
    """A record hook that replaces fields of one type."""

    def record(self: Sound, record: Any) -> Any:
        return replace(record, **fields) if isinstance(record, kind) else record

    return record


@dataclass
class _Mutable:
    """An endpoint that can be changed."""

    key: Key
    name: str
    state: Any = None
    live: bool = True
    traffic: Any = ()
    created_at: Any = None
    updated_at: Any = None
    etag: Any = None
    url: Any = None
    native: Any = None
    unread: Any = None


@breaks(
    "pages_are_pages",
    "keys_name_their_kind",
    "records_are_frozen",
    "native_payload_is_kept",
    "texts_are_text",
    "an_endpoint_is_seen",
    "records_are_the_contracts_own",
)
class Moist(Sound):
    def record(self, record: Any) -> Any:
        if isinstance(record, EndpointRecord):
            return _Mutable(**{name: getattr(record, name) for name in EndpointRecord.__slots__})
        return record


@breaks("records_do_not_change_later")
class Living(Sound):
    """Hands out one dictionary of tags and changes it later."""

    shared: ClassVar[dict[tuple[str, Key], dict[str, str]]] = {}

    def record(self, record: Any) -> Any:
        if not isinstance(record, VersionRecord):
            return record
        tags = self.shared.setdefault((self.name, record.key), {})
        tags.clear()
        tags.update(record.tags)
        return replace(record, tags=tags)


@breaks("times_are_utc")
class Naive(Sound):
    record = _only(ModelRecord, created_at=datetime(2026, 1, 1))  # noqa: DTZ001


@breaks("times_are_utc")
class Local(Sound):
    record = _only(ModelRecord, created_at=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))))


@breaks("times_are_plausible")
class Ancient(Sound):
    """Takes milliseconds for seconds, or the other way round."""

    record = _only(ModelRecord, created_at=datetime(1970, 1, 21, tzinfo=UTC))


@breaks("native_payload_is_json")
class Rich(Sound):
    record = _only(ModelRecord, native={"created": datetime(2026, 1, 1, tzinfo=UTC)})


@breaks("native_payload_is_kept")
class Lossy(Sound):
    record = _only(VersionRecord, native={})


@breaks("texts_are_text")
class Binary(Sound):
    record = _only(VersionRecord, framework=b"sklearn")


@breaks("names_are_not_empty")
class Anonymous(Sound):
    record = _only(EndpointRecord, name="")


@breaks("mappings_hold_what_they_say")
class Unknown(Sound):
    record = _only(VersionRecord, metrics={"auc": float("nan")})


@breaks("aliases_name_versions")
class Crossed(Sound):
    """Its aliases name keys instead of versions."""

    def record(self, record: Any) -> Any:
        if isinstance(record, ModelRecord) and record.aliases:
            return replace(record, aliases={**record.aliases, "latest": "99"})
        return record


@breaks("hostile_names_come_through")
class Tidy(Sound):
    """Trims and normalises names."""

    def record(self, record: Any) -> Any:
        return (
            replace(record, name=" ".join(record.name.split())) if isinstance(record, ModelRecord) else record
        )


@breaks(
    "hostile_values_come_through",
    "hostile_values_are_written",
)
class Cleaning(Sound):
    """Leaves empty tags out."""

    def record(self, record: Any) -> Any:
        if isinstance(record, VersionRecord):
            return replace(record, tags={key: value for key, value in record.tags.items() if value})
        return record


@breaks("model_tags_stay_on_the_model")
class Merging(Sound):
    """Gives a version its model's tags, as some services do."""

    def record(self, record: Any) -> Any:
        if isinstance(record, ModelRecord):
            merged = dict(record.tags)
            for version in self.backend.versions(record.key):
                merged |= {key: value for key, value in version.tags.items() if key == "owner_team"}
            return replace(record, tags=merged)
        return record


@breaks("links_are_links")
class Scripting(Sound):
    record = _only(ModelRecord, url="javascript:alert(1)")


@breaks("digests_and_uris_are_whole")
class Relative(Sound):
    record = _only(VersionRecord, artifact_digest="sha256 of it")


@breaks(
    "reading_changes_nothing",
    "a_current_etag_is_accepted",
    "a_stale_etag_is_a_conflict",
)
class Touching(Sound):
    """Leaves its mark on what it reads."""

    def get(self, key: Key) -> Record:
        found = super().get(key)
        if isinstance(found, VersionRecord):
            self.backend.put(found)
        return found


@breaks(
    "the_etag_follows_the_version",
    "a_current_etag_is_accepted",
)
class Stale(Sound):
    """Its versions have the same etag always."""

    record = _only(VersionRecord, etag="v1")


@breaks(
    "the_etag_follows_the_model",
    "a_current_etag_is_accepted",
)
class StaleModel(Sound):
    record = _only(ModelRecord, etag="m1")


@breaks("traffic_adds_up")
class Overloaded(Sound):
    """Sends more than there is."""

    def record(self, record: Any) -> Any:
        if isinstance(record, EndpointRecord):
            return replace(
                record, traffic=(*record.traffic, *(Traffic(t.version, 50.0) for t in record.traffic))
            )
        return record


class _OwnRecord(ModelRecord):
    """A model record of its own."""


@breaks("records_are_the_contracts_own")
class Special(Sound):
    def record(self, record: Any) -> Any:
        if isinstance(record, ModelRecord):
            return _OwnRecord(**{name: getattr(record, name) for name in ModelRecord.__slots__})
        return record


class _Turning(Sound):
    """An animal that says another error than it should, under one fault."""

    fault = ""

    def error(self, error: AdapterError) -> Exception:
        return self.turned(error) if f"is {self.fault}:" in str(error) else error

    def turned(self, error: AdapterError) -> Exception:
        return InvalidError(f"the zoo is {self.fault}: look elsewhere")


@breaks("an_unreachable_backend_is_transient")
class Unreachable(_Turning):
    fault = "unreachable"


@breaks("a_silent_backend_is_transient")
class Silent(_Turning):
    fault = "silent"


@breaks("a_broken_backend_is_transient")
class Broken(_Turning):
    fault = "broken"


@breaks("throttling_is_transient")
class Throttled(_Turning):
    fault = "throttled"


@breaks("throttling_says_when_to_come_back")
class Hurried(_Turning):
    fault = "throttled_until"

    def turned(self, error: AdapterError) -> Exception:
        return TransientError("the zoo is full: come back")


@breaks("a_refused_credential_is_an_auth_error")
class Hopeful(_Turning):
    fault = "unauthorised"

    def turned(self, error: AdapterError) -> Exception:
        return TransientError("the zoo does not know you: try again")


@breaks("a_missing_permission_is_an_auth_error")
class Stubborn(_Turning):
    fault = "forbidden"

    def turned(self, error: AdapterError) -> Exception:
        return TransientError("the zoo does not let you in: try again")


@breaks(
    "garbage_is_an_adapter_error",
    "faults_heal",
    "error_messages_are_for_people",
    "writes_fail_with_adapter_errors",
)
class Unparsed(_Turning):
    fault = "garbage"

    def turned(self, error: AdapterError) -> Exception:
        return ValueError("Expecting value: line 1 column 1 (char 0)")


@breaks("a_truncated_answer_is_transient")
class Truncated(_Turning):
    fault = "truncated"


@breaks(
    "a_broken_backend_is_transient",
    "a_failing_backend_proves_no_absence",
)
class Pessimist(_Turning):
    """Takes a permission that is missing for a record that is."""

    fault = "broken"

    def turned(self, error: AdapterError) -> Exception:
        return NotFoundError("nothing is here: look elsewhere")


@breaks(
    "a_refused_credential_is_an_auth_error",
    "a_missing_permission_is_an_auth_error",
    "a_failing_backend_is_not_empty",
    "error_messages_are_for_people",
)
class Optimist(Sound):
    """Takes a permission that is missing for an empty backend."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        try:
            yield from super().scan(since=since, limit=limit, resume=resume)
        except AuthError:
            yield Page((), watermark=str(self.backend.last))


@breaks(
    "throttling_says_when_to_come_back",
    "a_refused_credential_is_an_auth_error",
    "a_missing_permission_is_an_auth_error",
    "faults_heal",
)
class Sulking(Sound):
    """Never recovers."""

    hurt = False

    def error(self, error: AdapterError) -> Exception:
        self.hurt = self.hurt or isinstance(error, TransientError | AuthError)
        return error

    def get(self, key: Key) -> Record:
        if self.hurt:
            raise TransientError("the connection is broken: try again later")
        return super().get(key)


@breaks("a_scan_goes_on_after_a_fault")
class Restarting(Sound):
    """Loses its place when a page fails."""

    failed: ClassVar[set[str]] = set()

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        begin = None if self.name in self.failed else resume
        try:
            yield from super().scan(since=since, limit=limit, resume=begin)
        except TransientError:
            self.failed.add(self.name)
            raise
        self.failed.discard(self.name)


@breaks(
    "throttling_says_when_to_come_back",
    "error_messages_are_for_people",
)
class Verbose(Sound):
    def error(self, error: AdapterError) -> Exception:
        return type(error)(f"{error} {object()!r}")


@breaks("writes_fail_with_adapter_errors")
class VendorWrites(Sound):
    """Maps errors when it reads, and lets the vendor's out when it writes."""

    def set_tags(self, key: Key, tags: Any, *, etag: str | None = None) -> Record:
        try:
            return super().set_tags(key, tags, etag=etag)
        except TransientError as error:
            raise OSError(str(error)) from None


@breaks("a_bad_record_hides_no_other")
class AllOrNothing(Sound):
    """Stops at a bad record, as if the scan were over."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=()) if page.bad else page


@breaks("a_bad_record_is_reported")
class Hiding(Sound):
    """Leaves bad records out without a word."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, bad=())


@breaks("a_bad_record_is_no_absence")
class Burying(Sound):
    """Says of a bad record that there is none."""

    def get(self, key: Key) -> Record:
        if key in SPOILED.get(self.name, set()):
            raise NotFoundError("no such version: it may have been deleted")
        return super().get(key)


@breaks("no_secret_in_repr")
class Proud(Sound):
    def __repr__(self) -> str:
        return f"Proud({self.token.get_secret_value()})"


@breaks("no_secret_in_records")
class Indiscreet(Sound):
    record = _only(ModelRecord, native={"url": f"https://registry.example?sig={SECRET}"})


@breaks("no_secret_in_tokens")
class Stamping(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, watermark=page.watermark and f"{page.watermark} {SECRET}")

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        return super().scan(since=since and since.removesuffix(f" {SECRET}"), limit=limit, resume=resume)


@breaks("no_secret_in_snippets")
class Helpful(Sound):
    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return (Snippet("Load it", "python", f"client = Client(token={SECRET!r})"),)


@breaks("nobody_is_believed_unproved")
class Credulous(Sound):
    def changed(self, notification: Notification) -> Sequence[Key]:
        return (Key("model", "check"),)


@breaks("no_secret_in_errors")
class Whining(Sound):
    def error(self, error: AdapterError) -> Exception:
        if isinstance(error, TransientError):
            return TransientError(f"{error} (token {SECRET})", retry_after=error.retry_after)
        return error


@breaks("no_secret_in_logs")
class Whispering(Sound):
    def probe(self) -> BackendInfo:
        logging.getLogger("zoo").debug("sending Authorization: Bearer %s", SECRET)
        return super().probe()

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        logging.getLogger("zoo").debug("sending Authorization: Bearer %s", SECRET)
        return super().scan(since=since, limit=limit, resume=resume)


@breaks("a_bad_record_is_reported")
class Crude(Sound):
    """Reports a bad record without naming it."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, bad=tuple(BadRecordError("something is wrong") for _ in page.bad))
