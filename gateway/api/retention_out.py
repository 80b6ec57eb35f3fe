"""What the API takes and answers about retention."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from federation.references import Reference
from federation.retention.retention import Applied, Due, RetentionRule, about, says

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
MOST = 1000


class RuleOut(msgspec.Struct):
    """A rule of the configuration. `says` is what it does and when, in words."""

    on: str
    """`*`, `team:NAME`, `registry:NAME`, `registry/model` or `tag:KEY=VALUE`."""
    about: str
    """The versions that it is on, in words."""
    says: Sequence[str]
    """What it archives, deletes and keeps, and when, in words."""
    archive: str
    """When a version is archived, as it is written; empty: never."""
    delete: str
    """When a version is deleted, as it is written; empty: never."""
    hold: Sequence[str]
    """When a version is kept, as it is written."""


class RetentionOut(msgspec.Struct):
    """What becomes of each version that a rule is on, in the order of names, and the rules."""

    versions: list[Due]
    next_cursor: str | None
    rules: Sequence[RuleOut]
    """Those that may be on something that the caller sees."""


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


def retention_out(
    rules: Sequence[RetentionRule], found: Sequence[Due], onward: Reference | None
) -> RetentionOut:
    """A page of a plan as JSON."""
    told = [
        RuleOut(one.on, about(one.on), says(one), one.archive, one.delete, list(one.hold)) for one in rules
    ]
    return RetentionOut(list(found), None if onward is None else str(onward), told)
