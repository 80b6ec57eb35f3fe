"""Every request of one scan, as the adapter tells of it."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from adapters.contract import Adapter
from adapters.errors import BadRecordError
from adapters.records import Deleted, Record

MOST_PAGES = 10_000
Taken = Callable[[Any], object]
"""Keeps a record, as a run that reads a registry does, or raises `BadRecordError`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `status` is None without an answer; `page` counts the scan's pages from 1, 0 is the probe."""

    page: int
    method: str
    path: str
    status: int | None
    seconds: float


@dataclass(slots=True)
class Trace:
    """A probe and a scan: requests in order, and what came of them."""

    requests: list[Request] = field(default_factory=list)
    pages: int = 0
    records: int = 0
    bad: int = 0


def sorted_out(
    records: Iterable[Record | Deleted], taken: Taken
) -> tuple[list[Record | Deleted], list[BadRecordError]]:
    """Those that are kept, and why the others are not: an adapter may put into a record what is no such thing."""
    kept, refused = list[Record | Deleted](), list[BadRecordError]()
    for record in records:
        try:
            if not isinstance(record, Deleted):
                taken(record)
        except BadRecordError as error:
            refused.append(error)
        else:
            kept.append(record)
    return kept, refused


def trace(adapter: Adapter, taken: Taken, secrets: Iterable[str] = (), limit: int = 1000) -> Trace:
    """Probe and scan once. Paths are shown without their query and without any of the `secrets`.

    Errors: any `AdapterError`.
    """
    found = Trace()
    hidden = tuple(secret for secret in secrets if secret)

    def observer(method: str, path: str, status: int | None, seconds: float) -> None:
        shown = path.partition("?")[0]
        for secret in hidden:
            shown = shown.replace(secret, "***")
        found.requests.append(Request(found.pages, method, shown, status, seconds))

    adapter.observe(observer)
    adapter.probe()
    found.pages = 1
    for page in itertools.islice(adapter.scan(since=None, limit=limit), MOST_PAGES):
        kept, refused = sorted_out(page.records, taken)
        found.records += len(kept)
        found.bad += len(page.bad) + len(refused)
        found.pages += page.watermark is None
    return found
