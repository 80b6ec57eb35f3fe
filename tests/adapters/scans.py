"""Whole scans, for tests that ask what one gives."""

from adapters import Adapter, Mark, Watermark
from adapters.conformance.lab import ScanResult


def scanned(
    adapter: Adapter, since: Watermark | None = None, limit: int = 1000, resume: Mark | None = None
) -> ScanResult:
    """Everything that one scan gives."""
    return ScanResult([*adapter.scan(since=since, limit=limit, resume=resume)])
