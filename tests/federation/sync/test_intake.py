"""What a page gives is sorted: records, bad ones, and what is gone."""

import gc
import weakref

from adapters import MOST_NAMES, Key, ModelRecord, Page
from federation.sync.intake import sort_out


class Tags(dict[str, str]):
    """Tags that can be watched."""


def test_a_record_that_was_refused_is_not_kept_by_the_reason() -> None:
    tags = Tags({f"k{number}": "v" for number in range(MOST_NAMES + 1)})
    watched = weakref.ref(tags)
    page = Page((ModelRecord(key=Key("model", "m"), name="m", tags=tags),))
    gc.disable()
    try:
        _, bad, _ = sort_out(page, bool)
        del page, tags
        assert [error.native for error in bad] == ["m"]
        assert watched() is None
    finally:
        gc.enable()
