"""What puts one hit before another. No corpus statistics: only what matched where, and a static prior.

A query has tiers, from "the name is this" down to "a word of the description, with a typo". A hit belongs to the
best tier it matches; a tier outweighs every prior. Inside a tier the rank decides: a 64-bit number, fixed when the
document is indexed, made of the prior, the time of the last update, the place among the model's versions of
that second and some bits that spread ties.
"""

import math
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from federation.search.document import Document
from federation.search.words import squeeze

STAGE_WEIGHT = {"production": 1.0, "staging": 0.95, "none": 0.9, "archived": 0.6}
OLDEST = datetime(2010, 1, 1, tzinfo=UTC).timestamp()
NEWEST = datetime(2070, 1, 1, tzinfo=UTC).timestamp()
PRIOR_BITS, TIME_BITS, VERSION_BITS, SPREAD_BITS = 10, 31, 11, 12
_PRIOR_STEPS = (1 << PRIOR_BITS) - 1
_LAST_SECOND, _LAST_VERSION, _SPREAD = (1 << TIME_BITS) - 1, (1 << VERSION_BITS) - 1, (1 << SPREAD_BITS) - 1
_TAIL_BITS = TIME_BITS + VERSION_BITS + SPREAD_BITS


def ranks(document: Document, reference: str, seconds: float, place: int) -> tuple[int, int]:
    """The static order inside a tier, higher is better, 64 bits each: where words were asked for, and where not.
    `seconds` is when it `changed`, `place` counts those of its model that changed in the same second and are older.

    The prior is between 0 and 1: production before archived, recent before old, and where words were asked for a
    short name before a long one that holds them too. Time counts absolutely, so that no order changes by waiting.
    """
    prior = STAGE_WEIGHT.get(document.stage, STAGE_WEIGHT["none"]) * (
        0.9 + 0.1 * (seconds - OLDEST) / (NEWEST - OLDEST)
    )
    number = min(place, _LAST_VERSION)
    spread = crc32(_bytes(reference)) & _SPREAD
    tail = (second_of(seconds) << VERSION_BITS | number) << SPREAD_BITS | spread
    named = round(prior * _brevity(document.model) * _PRIOR_STEPS) << _TAIL_BITS | tail
    return named, round(prior * _PRIOR_STEPS) << _TAIL_BITS | tail


def changed(document: Document) -> float:
    """When a document changed last, in seconds since 1970 that a rank can hold."""
    return _seconds(document.updated or document.created)


def second_of(seconds: float) -> int:
    """The second of a change, as far as a rank tells seconds apart."""
    return min(int(seconds), _LAST_SECOND)


@lru_cache(65_536)
def _brevity(model: str) -> float:
    return 1 / (1 + len(squeeze(model)) / 40)


def prior_of_rank(value: int) -> float:
    """The prior that a rank was made of, to three digits."""
    return round((value >> _TAIL_BITS) / _PRIOR_STEPS, 3)


def tie(reference: str) -> int:
    """63 bits that tell two documents of equal rank apart, the same in every index that holds them."""
    return int.from_bytes(blake2b(_bytes(reference), digest_size=8).digest()) >> 1


def _bytes(reference: str) -> bytes:
    return reference.encode("utf-8", "surrogatepass")


def _seconds(moment: datetime | None) -> float:
    if moment is None:
        return OLDEST
    seconds = moment.timestamp()
    return min(max(seconds, OLDEST), NEWEST) if math.isfinite(seconds) else OLDEST
