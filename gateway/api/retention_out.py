"""What the API takes and answers about retention."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from federation.references import Reference
from federation.retention.retention import Applied, Due

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
MOST = 1000


class RetentionOut(msgspec.Struct):
    """What becomes of each version that a rule is on, in the order of names."""

    versions: list[Due]
    next_cursor: str | None


class ShownIn(msgspec.Struct, forbid_unknown_fields=True):
    """A version, and what the plan says is to become of it."""

    ref: Ref
    does: Literal["archive", "delete"]


class RetentionIn(msgspec.Struct, forbid_unknown_fields=True):
    """What of a plan is to be done. Each is judged anew: what is no longer due is left, and said."""

    versions: Annotated[list[ShownIn], msgspec.Meta(min_length=1, max_length=MOST)]


class AppliedOut(msgspec.Struct):
    """What was made of each."""

    versions: list[Applied]


def retention_out(found: Sequence[Due], onward: Reference | None) -> RetentionOut:
    """A page of a plan as JSON."""
    return RetentionOut(list(found), None if onward is None else str(onward))
