"""Adapters of backends that cannot tell what changed: every scan lists everything."""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from adapters.contract import Adapter, Page
from adapters.errors import BadRecordError, InvalidError, NotFoundError
from adapters.records import (
    Attached,
    EndpointRecord,
    Key,
    Listing,
    Mark,
    ModelRecord,
    Record,
    Stale,
    VersionRecord,
    Watermark,
)
from adapters.scanning import Found, paged, understood

LISTED: Watermark = "all"
"""What every scan ends with: there is nothing to go on behind."""


class ListingAdapter(Adapter):
    """Reads with two methods, `probe` and `records`: a scan gives all records, `get` looks for its key among them.

    For a backend with few enough of them; where less is to be asked for one record, `get` is `find` among that.
    """

    @abstractmethod
    def records(self) -> Iterator[Record | BadRecordError | Attached | Stale | None]:
        """Everything that is there: a model before its versions, a version before the endpoints that serve it.

        What cannot be understood is yielded as a `BadRecordError` and hides nothing else; None: the next one has to be
        waited for. Errors: any `AdapterError`, which ends the scan. One that is raised is never a proof of absence, so
        a backend that is not there (a share that is not mounted) raises `TransientError` and yields nothing.
        """

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        if since not in (None, LISTED) or resume is not None:
            raise InvalidError(f"this watermark or mark is not of the {self.kind} adapter: scan everything")
        return paged(self._found(), limit, soon=since is not None)

    def _found(self) -> Generator[Found, None, Watermark]:
        yield from self.records()
        yield from (Listing("model"), Listing("version"), Listing("endpoint"))
        return LISTED

    def get(self, key: Key) -> Record:
        return find(key, self.records)


def find(
    key: Key, read: Callable[..., Iterable[Record | BadRecordError | Attached | Stale | None]], *given: Any
) -> Record:
    """The record with a key among those that `read` gives.

    Errors: `NotFoundError`; those of `read`; `BadRecordError` where it is not found and something could not be
    understood, as that may be it.
    """
    unclear = None
    for one in understood(read, *given):
        if isinstance(one, ModelRecord | VersionRecord | EndpointRecord) and one.key == key:
            return one
        if isinstance(one, BadRecordError):
            unclear = unclear or one
    if unclear is not None:
        raise unclear
    raise NotFoundError(f"{key.kind} {key.native_id[:200]} does not exist")
