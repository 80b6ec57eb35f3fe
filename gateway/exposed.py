"""Files of secrets that others on this machine can read: the log's keys, and what the configuration refers to."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.settings import Settings

FILE = "file:"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def exposed(settings: Settings) -> list[Path]:
    """Those of them that are there and that more than their owner may read or write."""
    audit = settings.audit
    keys = [audit.key, audit.key.with_name(audit.key.name + ".next"), audit.witness_key]
    return [path for path in dict.fromkeys([*keys, *_referred(settings.model_dump())]) if _is_open(path)]


def _referred(value: Any) -> Iterator[Path]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _referred(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _referred(one)
    elif isinstance(value, str) and value.startswith(FILE):
        yield Path(value.removeprefix(FILE))


def _is_open(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & OTHERS)
    except OSError:
        return False
