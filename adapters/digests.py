"""What a scan leaves for the next one where a backend lists all rows cheaply, and each is dear to read whole.

A digest of the rows in each of a fixed number of buckets: so it fits into a watermark however many rows there are,
needs no clock, and any change of a row is noticed. A mark is the same, of the buckets that are through.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from adapters.errors import InvalidError
from adapters.records import Mark, Watermark

BUCKETS = 1024
"""Few enough that their digests, at four characters each, fit into a mark."""
UNKNOWN = "----"
_STATE = re.compile(rf"1:((?:[A-Za-z0-9+/]{{4}}|{UNKNOWN}){{{BUCKETS}}})")


class BucketDigests(list[str]):
    """The digest of each bucket, as last read. Its text is a watermark or mark."""

    @classmethod
    def of(cls, text: Watermark | Mark | None) -> "BucketDigests":
        """Those of a watermark or mark; None: nothing was read. Errors: `InvalidError`."""
        if text is None:
            return cls([UNKNOWN] * BUCKETS)
        found = _STATE.fullmatch(text)
        if found is None:
            raise InvalidError("this watermark or mark is of another adapter or release: scan everything")
        return cls(found[1][at : at + 4] for at in range(0, 4 * BUCKETS, 4))

    def __str__(self) -> str:
        return f"1:{''.join(self)}"


def bucket(name: str) -> int:
    """The bucket of what has this name, always the same."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % BUCKETS


def digest_of(rows: Sequence[Any]) -> str:
    """The digest of the rows of one bucket, JSON in an order that stays."""
    written = json.dumps(rows, sort_keys=True, default=str).encode()
    return base64.b64encode(hashlib.sha256(written).digest()[:3]).decode()
