"""Every request of one scan, as the adapter tells of it."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from adapters.contract import Adapter

MOST_PAGES = 10_000


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


def trace(adapter: Adapter, secrets: Iterable[str] = (), limit: int = 1000) -> Trace:
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
        found.records += len(page.records)
        found.bad += len(page.bad)
        found.pages += page.watermark is None
    return found
