"""Whole scans, for tests that ask what one gives."""

from adapters import Adapter, Mark, Watermark
from adapters.conformance.lab import Scan


def scanned(
    adapter: Adapter, since: Watermark | None = None, limit: int = 1000, resume: Mark | None = None
) -> Scan:
    """Everything that one scan gives."""
    return Scan([*adapter.scan(since=since, limit=limit, resume=resume)])
