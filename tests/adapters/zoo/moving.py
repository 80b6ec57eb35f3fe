"""Animals that are led astray by what happens while they read."""

from dataclasses import replace
from typing import Any

from adapters import Deleted, InvalidError, Key, ModelRecord, Page, Record, Watermark
from tests.adapters.zoo.enclosure import TORN, Sound, breaks

KINDS = ("model", "version", "endpoint")


class _Counting(Sound):
    """Pages by counting, in an order of its own."""

    def place(self, item: Record | Deleted) -> Any:
        """Where an item stands among those of its kind."""
        raise NotImplementedError

    def scan(self, *, since: Any, page: Any, limit: int) -> Page:
        mark, _, count = (page or "+0").partition("+")
        if not count.isdigit():
            raise InvalidError("this page token is not known: begin the scan again")
        begin = int(count)
        whole = super().scan(since=since, page=None, limit=100_000)
        mark = mark or str(whole.watermark)
        ranks = {kind: rank for rank, kind in enumerate(KINDS)}
        rows = sorted(
            whole.records,
            key=lambda item: (isinstance(item, Deleted), ranks[item.key.kind], self.place(item)),
        )
        chosen, bad = tuple(rows[begin : begin + limit]), whole.bad if begin == 0 else ()
        if begin + limit < len(rows):
            return Page(chosen, next=f"{mark}+{begin + limit}", bad=bad)
        return Page(chosen, watermark=mark, bad=bad)


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
)
class Offset(_Counting):
    """Oldest first: a delete moves everything behind it up by one."""

    def place(self, item: Record | Deleted) -> Any:
        return int(item.key.native_id.rpartition("#")[2])


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
)
class NewestFirst(_Counting):
    """Newest change first, as MLflow."""

    def place(self, item: Record | Deleted) -> Any:
        return -self.backend.changed.get(item.key, 0)


@breaks(
    "a_delete_during_a_scan_hides_nothing_else",
    "a_delete_during_an_incremental_scan_hides_nothing_new",
    "a_change_during_a_scan_hides_nothing_else",
)
class NewestLast(_Counting):
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

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.given: set[Key] = set()

    def scan(self, *, since: Any, page: Any, limit: int) -> Page:
        if page is None:
            self.given.clear()
        found = super().scan(since=since, page=page, limit=limit)
        if (page or "").partition("+")[0] not in ("", str(self.backend.last)):
            again = (self.torn(r) if r.key in self.given else r for r in found.records)
            found = replace(found, records=tuple(again))
        self.given |= {record.key for record in found.records}
        return found


@breaks("a_disturbed_scan_leaves_nothing_wrong")
class Trustful(Sound):
    """Keeps what it read while the backend was changing, and lists it again later."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.kept: dict[Key, Record] = {}

    def scan(self, *, since: Any, page: Any, limit: int) -> Page:
        found = super().scan(since=since, page=page, limit=limit)
        if page is not None and since is None and str(page).partition(",")[0] != f"[{self.backend.last}":
            self.kept |= {r.key: r for r in found.records if not isinstance(r, Deleted)}
        if since is not None or limit < 1000:
            return found
        return replace(found, records=tuple(self.kept.get(r.key, r) for r in found.records))


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
