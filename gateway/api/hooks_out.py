"""What the API answers about the notifications that backends send."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from federation.hooks.hooks import HookState


class HookOut(msgspec.Struct):
    """What came of a registry's notifications since the first one."""

    registry: str
    since: datetime
    last_at: datetime
    """When the newest one came."""
    taken: int
    missed: int
    """Records that runs found changed since then: not announced, or lost."""
    missed_since: int
    """Of those, since the newest notification."""
    waiting: int
    """Records that are still to be read."""


class HooksOut(msgspec.Struct):
    """The registries of the caller's view that sent some, by name."""

    hooks: list[HookOut]


def hooks_out(states: "Sequence[HookState]") -> HooksOut:
    """What came of notifications as JSON."""
    return HooksOut(
        [HookOut(**{name: getattr(one, name) for name in HookOut.__struct_fields__}) for one in states]
    )
