"""Adapters of backends that cannot tell what changed: every scan lists everything."""

from abc import abstractmethod
from collections.abc import Generator, Iterator

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
from adapters.scanning import Found, paged

LISTED: Watermark = "all"
"""What every scan ends with: there is nothing to go on behind."""


class ListingAdapter(Adapter):
    """Reads with two methods, `probe` and `records`: a scan gives all records, `get` looks for its key among them.

    For a backend with few enough of them; where one record can be asked for, `get` is overridden.
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
        unclear = None
        for found in self.records():
            if isinstance(found, ModelRecord | VersionRecord | EndpointRecord) and found.key == key:
                return found
            if isinstance(found, BadRecordError):
                unclear = unclear or found
        if unclear is not None:  # it may be the one that was asked for
            raise unclear
        raise NotFoundError(f"{key.kind} {key.native_id[:200]} does not exist")
