"""Animals that miss changes, deletes or incarnations."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from adapters import (
    Deleted,
    Key,
    Listing,
    ModelRecord,
    NotFoundError,
    Page,
    Record,
    Watermark,
)
from tests.adapters.zoo.enclosure import Sound, breaks


class _Filter(Sound):
    """An animal that leaves something out of its incremental scans."""

    def keep(self, record: Any) -> bool:
        raise NotImplementedError

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is None:
            return page
        return replace(page, records=tuple(r for r in page.records if isinstance(r, Deleted) or self.keep(r)))


@breaks(
    "a_new_model_is_seen",
    "a_new_version_is_seen",
    "a_changed_tag_is_seen",
    "a_moved_alias_is_seen",
    "a_removed_alias_is_seen",
    "a_changed_stage_is_seen",
    "the_same_watermark_works_twice",
    "an_old_watermark_misses_nothing",
    "a_chain_of_watermarks_misses_nothing",
    "a_watermark_survives_a_restart",
    "a_record_made_during_a_scan_is_not_lost",
    "a_change_during_a_scan_is_not_lost",
    "a_change_during_an_incremental_scan_is_not_lost",
    "a_backend_clock_behind_loses_nothing",
    "a_backend_clock_ahead_loses_nothing",
    "a_new_incarnation_is_seen",
    "an_endpoint_is_seen",
    "a_written_tag_is_seen_by_a_scan",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
)
class Blind(_Filter):
    """Sees nothing new."""

    def keep(self, record: Any) -> bool:
        return False


@breaks(
    "a_changed_tag_is_seen",
    "a_moved_alias_is_seen",
    "a_changed_stage_is_seen",
    "a_change_during_a_scan_is_not_lost",
    "a_change_during_an_incremental_scan_is_not_lost",
    "a_written_tag_is_seen_by_a_scan",
)
class CreationOnly(_Filter):
    """Filters by creation time, as SageMaker's lists do: later changes are missed."""

    def keep(self, record: Any) -> bool:
        return not (
            getattr(record, "tags", None)
            or getattr(record, "aliases", None)
            or getattr(record, "stage", None)
        )


@breaks("a_removed_alias_is_seen", "a_delete_during_an_incremental_scan_hides_nothing_new")
class Unmoved(_Filter):
    """Misses an alias that is taken away."""

    def keep(self, record: Any) -> bool:
        return (
            not isinstance(record, ModelRecord)
            or bool(record.aliases)
            or record.etag == record.key.native_id.partition("#")[2]
        )


@breaks("an_incremental_scan_tells_the_truth")
class Embellishing(Sound):
    """Maps a record in another way when it comes from an incremental scan."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is None:
            return page
        told = (replace(r, description="changed") if isinstance(r, ModelRecord) else r for r in page.records)
        return replace(page, records=tuple(told))


@breaks("a_quiet_incremental_scan_deletes_nothing")
class Gloomy(Sound):
    """Declares deleted what it did not see change."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is None or page.records or page.watermark is None:
            return page
        return replace(page, records=tuple(Deleted(key) for key in list(self.backend.records)[:1]))


@breaks(
    "the_same_watermark_works_twice",
    "an_old_watermark_misses_nothing",
    "incremental_page_size_1_equals_1000",
)
class Once(Sound):
    """Gives a change once and keeps in mind that it did."""

    given: ClassVar[set[tuple[str, Key, str | None]]] = set()

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is None:
            return page
        fresh = tuple(
            r for r in page.records if isinstance(r, Deleted) or (self.name, r.key, r.etag) not in self.given
        )
        self.given.update((self.name, r.key, r.etag) for r in fresh if not isinstance(r, Deleted))
        return replace(page, records=fresh)


@breaks(
    "a_foreign_watermark_is_refused",
    "the_same_watermark_works_twice",
    "an_old_watermark_misses_nothing",
    "a_watermark_survives_a_restart",
    "incremental_page_size_1_equals_1000",
    "a_change_during_an_incremental_scan_is_not_lost",
    "an_endpoint_is_seen",
)
class Keeping(Sound):
    """Keeps its watermark in the instance and ignores the one it is given."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.mark: str | None = None

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        kept = since and (self.mark or str(self.backend.last))
        for found in super().scan(since=kept, limit=limit, resume=resume):
            self.mark = found.watermark or self.mark
            yield found


@breaks(
    "a_record_made_during_a_scan_is_not_lost",
    "a_change_during_a_scan_is_not_lost",
    "a_change_during_an_incremental_scan_is_not_lost",
)
class Late(Sound):
    """Takes the watermark when the scan ends."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, watermark=str(self.backend.last)) if page.watermark else page


@breaks("a_change_during_an_incremental_scan_is_not_lost")
class LateAgain(Sound):
    """The same, in incremental scans only."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, watermark=str(self.backend.last)) if page.watermark and since else page


@breaks("listed_is_honest")
class Boastful(Sound):
    """Claims to have listed every version, and has listed the changed ones."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, listed=(Listing("version"),)) if since is not None else page


@breaks("listed_names_what_exists")
class Pointless(Sound):
    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return (
            replace(page, listed=(Listing("version", Key("version", "what")),)) if since is not None else page
        )


class _WallClock(Sound):
    """Compares the backend's times with its own clock."""

    early = True

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is None:
            return page
        now = datetime.now(UTC)
        kept = (
            r
            for r in page.records
            if isinstance(r, Deleted) or r.updated_at is None or self.near(r.updated_at, now)
        )
        return replace(page, records=tuple(kept))

    def near(self, time: datetime, now: datetime) -> bool:
        seconds = (time - now).total_seconds()
        return seconds > -1800 if self.early else seconds < 1800


@breaks("a_backend_clock_behind_loses_nothing")
class Fast(_WallClock):
    """Its own clock decides what is old."""


@breaks("a_backend_clock_ahead_loses_nothing")
class Slow(_WallClock):
    """Its own clock decides what is still to come."""

    early = False


@breaks("an_incremental_scan_costs_no_more")
class Costly(Sound):
    """Asks once more for everything, record by record, to see whether it changed."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if since is not None:
            for _ in range(10):
                self.backend.before("get")
        return page


@breaks("deleted_markers_are_true")
class Morbid(Sound):
    """Marks the model as deleted with its version."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        models = (key for key in self.backend.records if key.kind == "model")
        more = (
            tuple(Deleted(key) for key in models) if any(isinstance(r, Deleted) for r in page.records) else ()
        )
        return replace(page, records=page.records + more)


class _Graveyard(Sound):
    """Remembers every record it gave."""

    buried: ClassVar[dict[str, dict[Key, Record]]] = {}

    def record(self, record: Any) -> Any:
        self.buried.setdefault(self.name, {})[record.key] = record
        return record

    def ghosts(self, kind: str) -> tuple[Record, ...]:
        known = self.buried.get(self.name, {}).values()
        return tuple(r for r in known if r.key not in self.backend.records and r.key.kind == kind)


@breaks(
    "page_size_1_equals_1000",
    "incremental_page_size_1_equals_1000",
    "deleted_markers_are_true",
    "a_deleted_version_is_gone",
    "a_deleted_model_is_gone",
    "an_incremental_scan_does_not_revive",
)
class Haunted(_Graveyard):
    """Still lists versions that are gone."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if page.watermark is None or limit < 1000:
            return page
        return replace(page, records=page.records + self.ghosts("version"))


@breaks(
    "an_incremental_scan_tells_the_truth",
    "deleted_markers_are_true",
    "an_incremental_scan_does_not_revive",
)
class Reviving(_Graveyard):
    """Lists what is gone when it is asked for changes."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=page.records + self.ghosts("version")) if since is not None else page


@breaks(
    "deleted_markers_are_true",
    "a_deleted_version_is_gone",
    "a_deleted_model_is_gone",
    "absence_is_found_by_a_fresh_instance",
    "an_old_incarnation_stays_absent",
    "a_version_is_deleted",
    "a_model_is_deleted",
    "writing_to_nothing_is_refused",
)
class Sentimental(_Graveyard):
    """Gets what is gone."""

    def get(self, key: Key) -> Record:
        try:
            return super().get(key)
        except NotFoundError:
            with contextlib.suppress(KeyError):
                return self.buried[self.name][key]
            raise


@breaks(
    "deleted_markers_are_true",
    "get_respects_the_kind",
    "a_deleted_version_is_gone",
    "an_old_incarnation_stays_absent",
    "a_version_is_deleted",
)
class Lookalike(Sound):
    """Gives the incarnation that lives under the name for an older one's key."""

    def get(self, key: Key) -> Record:
        try:
            return super().get(key)
        except NotFoundError:
            name = key.native_id.partition("#")[0]
            for other in self.backend.records:
                if (
                    "#" in key.native_id
                    and other.kind == key.kind
                    and other.native_id.partition("#")[0] == name
                ):
                    return super().get(other)
            raise
