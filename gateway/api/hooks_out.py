"""What the API answers about the notifications that backends send."""

from collections.abc import Sequence

import msgspec

from federation.hooks.hooks import HookState


class HooksOut(msgspec.Struct):
    """The registries of the caller's view that sent some, by name."""

    hooks: Sequence[HookState]
