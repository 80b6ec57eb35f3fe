"""Cursors over an order of nodes. A cursor names the last item by its reference, so it tells nothing of hidden ones."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence

from federation.errors import InvalidRequestError

LIMIT = 1000
"""Largest page."""


class CursorError(InvalidRequestError):
    """The cursor is none of ours. Remedy: start again without one."""

    code = "invalid-cursor"


def write(ref: str, offset: int) -> str:
    """A cursor after the item called `ref`, which stands at `offset` - 1."""
    return base64.urlsafe_b64encode(json.dumps([ref, offset]).encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[str, int]:
    """What `write` wrote. Errors: `CursorError`."""
    try:
        ref, offset = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(ref, str) and isinstance(offset, int) and 0 <= offset < 1 << 62:
            return ref, offset
    except (binascii.Error, ValueError, TypeError):
        pass
    raise CursorError("the cursor cannot be read: ask again without one")


def begin(cursor: str | None, place: Callable[[str], int | None]) -> int:
    """Where a page begins. `place` finds an item by reference; one that is gone leaves the old offset."""
    if cursor is None:
        return 0
    ref, offset = read(cursor)
    found = place(ref)
    return offset if found is None else found + 1


def follow(refs: Sequence[str], end: int, total: int) -> str | None:
    """The cursor after a page that ends at `end` of `total`; None when it was the last."""
    return write(refs[-1], end) if refs and end < total else None
