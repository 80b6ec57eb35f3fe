"""Animals that page, order or name wrongly."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from adapters import (
    Deleted,
    EndpointRecord,
    InvalidError,
    Key,
    Mark,
    ModelRecord,
    NotFoundError,
    Page,
    Record,
    VersionRecord,
    Watermark,
)
from tests.adapters.zoo.enclosure import Sound, breaks


@breaks("pages_are_pages")
class Listed(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=list(page.records))  # type: ignore[arg-type]


@breaks("pages_respect_the_limit")
class Generous(Sound):
    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        return super().scan(since=since, limit=3 if limit == 2 else limit, resume=resume)


@breaks("only_the_last_page_has_a_watermark")
class Hasty(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, watermark=page.watermark or str(self.backend.last))


@breaks("page_size_1_equals_1000")
class Nearsighted(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        blurred = tuple(replace(r, url=None) if isinstance(r, VersionRecord) else r for r in page.records)
        return replace(page, records=blurred) if limit == 1 and since is None else page


@breaks("incremental_page_size_1_equals_1000")
class Squinting(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        blurred = tuple(replace(r, url=None) if isinstance(r, VersionRecord) else r for r in page.records)
        return replace(page, records=blurred) if limit == 1 and since is not None else page


@breaks("no_record_twice")
class Stuttering(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=page.records[:1] + page.records) if limit == 3 else page


@breaks(
    "page_size_1_equals_1000",
    "a_full_scan_gives_everything",
    "a_deleted_version_is_gone",
    "an_incremental_scan_does_not_revive",
    "model_tags_stay_on_the_model",
    "the_etag_follows_the_version",
)
class Forgetful(Sound):
    """Lists the newest version of each model, as many a registry does by default."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        kept = (r for r in page.records if not isinstance(r, VersionRecord) or self.newest(r))
        return replace(page, records=tuple(kept)) if since is None and limit > 3 else page

    def newest(self, record: VersionRecord) -> bool:
        return self.backend.versions(record.model)[-1].key == record.key


@breaks(
    "a_model_may_have_no_versions",
    "a_model_is_created",
)
class Demanding(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        kept = (r for r in page.records if not isinstance(r, ModelRecord) or self.backend.versions(r.key))
        return replace(page, records=tuple(kept))


@breaks("models_come_before_versions")
class Backwards(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=page.records[::-1]) if limit == 2 else page


@breaks("keys_name_their_kind")
class Confused(Sound):
    def record(self, record: Any) -> Any:
        if isinstance(record, EndpointRecord):
            return replace(record, key=Key("version", f"endpoint {record.key.native_id}"))
        return record

    def get(self, key: Key) -> Record:
        if key.native_id.startswith("endpoint "):
            return super().get(Key("endpoint", key.native_id.removeprefix("endpoint ")))
        return super().get(key)


@breaks(
    "no_record_twice",
    "models_come_before_versions",
    "keys_differ_between_models",
    "get_equals_scan",
    "get_equals_scan_natively",
    "get_is_fresh",
    "get_sees_a_change",
    "a_new_incarnation_has_a_new_key",
    "records_do_not_change_later",
    "hostile_names_come_through",
    "reading_changes_nothing",
    "the_etag_follows_the_version",
    "an_endpoint_is_seen",
    "faults_heal",
    "a_bad_record_is_no_absence",
    "tags_are_written",
    "other_tags_stay",
    "a_written_tag_is_seen_by_a_scan",
    "hostile_values_are_written",
    "stages_are_written",
    "a_version_is_deleted",
    "delete_respects_the_incarnation",
    "a_write_returns_what_it_wrote",
    "writing_twice_is_writing_once",
    "a_current_etag_is_accepted",
    "a_stale_etag_is_a_conflict",
    "a_stale_etag_stops_a_delete",
    "a_lost_race_is_a_conflict",
    "what_comes_again_is_as_it_was",
    "get_is_whole_where_a_listing_is_torn",
    "descriptions_are_written",
)
class Numbering(Sound):
    """Keys a version by its number alone."""

    def record(self, record: Any) -> Any:
        if isinstance(record, VersionRecord):
            return replace(record, key=Key("version", record.version))
        return record


@breaks(
    "keys_are_stable",
    "records_are_stable",
    "a_mark_survives_a_restart",
    "faults_heal",
    "the_same_token_registers_once",
    "a_write_returns_what_it_wrote",
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
    "a_change_during_a_scan_hides_nothing_else",
    "a_disturbed_scan_leaves_nothing_wrong",
    "a_torn_row_is_given",
    "a_torn_row_is_not_remembered",
    "a_model_is_renamed",
    "descriptions_are_written",
    "a_model_is_created",
)
class Restless(Sound):
    """Numbers its keys by instance."""

    def mine(self, key: Key) -> Key:
        return Key(key.kind, f"{key.native_id}~{id(self)}")

    def record(self, record: Any) -> Any:
        if isinstance(record, VersionRecord):
            record = replace(record, model=self.mine(record.model))
        if isinstance(record, EndpointRecord):
            record = replace(
                record, traffic=tuple(replace(t, version=self.mine(t.version)) for t in record.traffic)
            )
        return replace(record, key=self.mine(record.key))

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        gone = (Deleted(self.mine(r.key)) if isinstance(r, Deleted) else r for r in page.records)
        return replace(page, records=tuple(gone))

    def get(self, key: Key) -> Record:
        return super().get(_plain(key))

    def set_stage(self, key: Key, *args: Any, **kwargs: Any) -> Record:
        return super().set_stage(_plain(key), *args, **kwargs)

    def set_alias(self, key: Key, *args: Any, **kwargs: Any) -> Record:
        return super().set_alias(_plain(key), *args, **kwargs)

    def set_tags(self, key: Key, *args: Any, **kwargs: Any) -> Record:
        return super().set_tags(_plain(key), *args, **kwargs)

    def delete(self, key: Key, **kwargs: Any) -> None:
        super().delete(_plain(key), **kwargs)


def _plain(key: Key) -> Key:
    return Key(key.kind, key.native_id.partition("~")[0])


@breaks(
    "page_size_1_equals_1000",
    "records_are_stable",
    "a_mark_survives_a_restart",
    "a_mark_may_be_used_again",
    "a_scan_may_be_left",
    "an_incremental_scan_tells_the_truth",
    "incremental_page_size_1_equals_1000",
    "get_equals_scan_natively",
    "a_write_returns_what_it_wrote",
    "a_stale_etag_is_a_conflict",
)
class Flickering(Sound):
    beats: ClassVar[Any] = itertools.count()

    def record(self, record: Any) -> Any:
        return replace(record, native={**record.native, "served": next(self.beats)})


@breaks("only_the_last_page_has_a_watermark")
class Trailing(Sound):
    """Does not end with its watermark."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        yield from super().scan(since=since, limit=limit, resume=resume)
        yield Page(())


@breaks("a_scan_ends")
class Endless(Sound):
    """Goes round in a circle."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        for page in super().scan(since=since, limit=limit, resume=resume):
            yield page
            while page.mark is not None and limit == 4:
                yield page


@breaks("a_scan_ends")
class Circling(Sound):
    """Goes round in a circle without a mark, as a generator may that follows a token to itself."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        for page in super().scan(since=since, limit=limit, resume=resume):
            yield page
            while page.mark is not None and limit == 4:
                yield replace(page, mark=None)


@breaks("a_mark_survives_a_restart")
class Remembering(Sound):
    """Keeps its places in the instance."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.places: dict[str, Mark] = {}

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        if resume is not None and resume not in self.places:
            raise InvalidError("this mark is not known: begin the scan again")
        for page in super().scan(since=since, limit=limit, resume=self.places.get(resume or "")):
            if page.mark is not None:
                mark = Mark(f"{id(self)} {page.mark}")
                self.places[mark] = page.mark
                page = replace(page, mark=mark)
            yield page


@breaks("a_mark_may_be_used_again")
class OneWay(Sound):
    """Lets a mark be used once."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.used: set[str] = set()

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        if resume in self.used:
            raise InvalidError("this mark was used already: begin the scan again")
        self.used |= {resume} if resume else set()
        yield from super().scan(since=since, limit=limit, resume=resume)


@breaks("two_scans_do_not_disturb_each_other")
class SingleMinded(Sound):
    """Keeps the place in the instance."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.place: Mark | None = None

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        self.place = resume
        while True:
            page = next(super().scan(since=since, limit=limit, resume=self.place))
            self.place = page.mark
            yield page
            if page.watermark is not None:
                return


@breaks(
    "a_scan_goes_on_after_a_fault",
    "a_scan_may_be_left",
    "two_scans_do_not_disturb_each_other",
)
class Reattaching(Sound):
    """Takes a scan that was left for one that still runs, and goes on with it."""

    left: Iterator[Page] | None = None

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        pages = self.left or super().scan(since=since, limit=limit, resume=resume)
        self.left = pages if limit == 1 and since is None and resume is None else None
        yield from pages
        self.left = None


@breaks("marks_are_plain_text")
class Surrogate(Sound):
    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        begin = resume and Mark(resume.rstrip("\ud800"))
        for page in super().scan(since=since, limit=limit, resume=begin):
            yield replace(page, mark=page.mark and Mark(page.mark + "\ud800"))


@breaks("a_foreign_mark_is_refused")
class Trusting(Sound):
    """Takes a mark that it does not know for one at the end."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        try:
            json.loads(resume or "[]")
        except ValueError:
            yield Page((), watermark=str(self.backend.last))
            return
        yield from super().scan(since=since, limit=limit, resume=resume)


@breaks("a_foreign_watermark_is_refused")
class Unquestioning(Sound):
    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        mark = since if since is None or since.isdigit() else str(self.backend.last)
        return super().scan(since=mark, limit=limit, resume=resume)


@breaks(
    "get_equals_scan",
    "a_write_returns_what_it_wrote",
)
class TwoFaced(Sound):
    def get(self, key: Key) -> Record:
        found = super().get(key)
        return (
            replace(found, url="https://registry.example/elsewhere")
            if isinstance(found, ModelRecord)
            else found
        )


@breaks(
    "get_equals_scan_natively",
    "a_write_returns_what_it_wrote",
)
class TwoTongued(Sound):
    def get(self, key: Key) -> Record:
        found = super().get(key)
        return (
            replace(found, native={**found.native, "detail": 1}) if isinstance(found, ModelRecord) else found
        )


@breaks("get_is_fresh")
class Hoarding(Sound):
    """Believes that what it did not scan does not exist."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.seen: set[Key] = set()

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        self.seen |= {record.key for record in page.records}
        return page

    def get(self, key: Key) -> Record:
        if self.seen and key not in self.seen:
            raise NotFoundError("it was not in the last scan")
        return super().get(key)


@breaks(
    "get_sees_a_change",
    "hostile_values_are_written",
    "a_current_etag_is_accepted",
)
class Caching(Sound):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.cache: dict[Key, Record] = {}

    def get(self, key: Key) -> Record:
        found = super().get(key)
        return self.cache.setdefault(key, found)


@breaks("get_of_nonsense_is_refused")
class Crashing(Sound):
    def get(self, key: Key) -> Record:
        if "#" not in key.native_id:
            raise ValueError(f"not enough values to unpack: {key.native_id}")
        return super().get(key)


@breaks("get_respects_the_kind")
class Indifferent(Sound):
    def get(self, key: Key) -> Record:
        kinds = ("model", "version", "endpoint")
        known = (Key(kind, key.native_id) for kind in kinds)  # type: ignore[arg-type]
        return super().get(next((k for k in known if k in self.backend.records), key))


@breaks("an_endpoint_is_seen")
class Unserved(Sound):
    def record(self, record: Any) -> Any:
        return replace(record, traffic=()) if isinstance(record, EndpointRecord) else record
