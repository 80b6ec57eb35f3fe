"""Animals that are led astray by what happens while they read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters import Deleted, InvalidError, Key, Mark, ModelRecord, Page, Record, Watermark
from tests.adapters.zoo.enclosure import TORN, Sound, breaks

KINDS = ("model", "version", "endpoint")


class _Watermarking(Sound):
    """Pages by counting, in an order of its own."""

    def place(self, item: Record | Deleted) -> Any:
        """Where an item stands among those of its kind."""
        raise NotImplementedError

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        mark, _, count = (resume or "+0").partition("+")
        if not count.isdigit():
            raise InvalidError("this mark is not known: begin the scan again")
        begin = int(count)
        while True:
            whole = next(super().scan(since=since, limit=100_000))
            mark = mark or str(whole.watermark)
            rows = sorted(
                whole.records,
                key=lambda item: (isinstance(item, Deleted), KINDS.index(item.key.kind), self.place(item)),
            )
            chosen, bad = tuple(rows[begin : begin + limit]), whole.bad if begin == 0 else ()
            begin += limit
            if begin >= len(rows):
                yield Page(chosen, watermark=mark, bad=bad)
                return
            yield Page(chosen, mark=Mark(f"{mark}+{begin}"), bad=bad)


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
)
class Offset(_Watermarking):
    """Oldest first: a delete moves everything behind it up by one."""

    def place(self, item: Record | Deleted) -> Any:
        return int(item.key.native_id.rpartition("#")[2])


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
)
class NewestFirst(_Watermarking):
    """Newest change first, as MLflow."""

    def place(self, item: Record | Deleted) -> Any:
        return -self.backend.changed.get(item.key, 0)


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
    "a_change_during_a_scan_hides_nothing_else",
)
class NewestLast(_Watermarking):
    """Newest change last: what changes goes to the end, and everything behind its old place moves up."""

    def place(self, item: Record | Deleted) -> Any:
        return self.backend.changed.get(item.key, 0)


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
    "what_comes_again_is_as_it_was",
)
class Repeating(NewestFirst):
    """Gives what was pushed onto another page once more, without its tags."""

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        given: set[Key] = set()
        began = self.backend.last
        for found in super().scan(since=since, limit=limit, resume=resume):
            if self.backend.last != began:
                again = (self.torn(r) if r.key in given else r for r in found.records)
                found = replace(found, records=tuple(again))
            given |= {record.key for record in found.records}
            yield found


@breaks("a_disturbed_scan_leaves_nothing_wrong")
class Trustful(Sound):
    """Keeps what it read while the backend was changing, and lists it again later."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.kept: dict[Key, Record] = {}

    def scan(self, *, since: Any, limit: int, resume: Any = None) -> Iterator[Page]:
        began = self.backend.last
        for found in super().scan(since=since, limit=limit, resume=resume):
            if since is None and self.backend.last != began:
                self.kept |= {r.key: r for r in found.records if not isinstance(r, Deleted)}
            if since is not None or limit < 1000:
                yield found
            else:
                yield replace(found, records=tuple(self.kept.get(r.key, r) for r in found.records))


@breaks("a_torn_row_is_given")
class Picky(Sound):
    """Leaves out what comes without its tags."""

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        return replace(page, records=()) if self.name in TORN else page


@breaks("a_torn_row_is_given")
class Inventive(Sound):
    """Fills in what a listing lacks."""

    def torn(self, record: Any) -> Any:
        return replace(super().torn(record), owner="nobody") if isinstance(record, ModelRecord) else record


@breaks("get_is_whole_where_a_listing_is_torn")
class Looking(Sound):
    """Reads one record by looking for it in a listing."""

    def get(self, key: Key) -> Record:
        found = super().get(key)
        return self.torn(found) if self.name in TORN else found


@breaks("a_torn_row_is_not_remembered")
class Resentful(Sound):
    """Lists a record as it was when it was torn."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.seen: dict[Key, Record] = {}

    def page(self, page: Page, since: Watermark | None, limit: int) -> Page:
        if self.name in TORN:
            self.seen |= {r.key: r for r in page.records if not isinstance(r, Deleted)}
        return replace(page, records=tuple(self.seen.get(r.key, r) for r in page.records))
