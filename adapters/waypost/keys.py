"""Native ids: what the other gateway's backend calls a record, with the registry there in front."""

import re

from adapters.errors import NotFoundError
from adapters.records import Key

REGISTRY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What a registry is called; nothing else gets into an address."""


def inner(key: Key) -> tuple[str, Key]:
    """The registry there, and the key in it. Errors: `NotFoundError` for one that nobody made."""
    registry, _, native_id = key.native_id.partition("/")
    if REGISTRY.fullmatch(registry) is None or not native_id:
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:80]} does not exist")
    return registry, Key(key.kind, native_id)
