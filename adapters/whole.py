"""Scans of backends that list models, and tell versions and more of a model by requests of its own.

A model whose row has changed, or whose turn it is, is read whole; what cannot be read of it is unknown, and hides
nothing else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import Field

from adapters.contract import Page
from adapters.errors import AdapterError, BadRecordError, NotFoundError, TransientError
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, Listing, Mark, ModelRecord, Unread, VersionRecord, Watermark
from adapters.round_robin import RoundRobinScan
from adapters.scanning import Found, Readers, paged
from adapters.served import Concurrency, ServiceConfig

VERSIONS = "versions"


@dataclass(slots=True)
class WholeModel:
    """What was read of a model. `unread` says by the name of what was asked for why it is not known, which may pass."""

    row: Raw
    versions: list[Raw] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    may_pass: bool = False

    def without(self, *asked: str) -> Unread | None:
        """What of this is not known."""
        names = tuple(name for name in asked if name in self.unread)
        native = tuple(f"native.{name}" for name in names)
        return Unread(names + native, self.unread[names[0]]) if names else None


Reads = Mapping[str, Callable[[WholeModel], None]]
"""What is asked for of a model, one after the other; each puts it into what was read so far."""


def read_whole(row: Raw, name: str, reads: Reads, failures: Failures) -> WholeModel | None:
    """A model that was listed; None where it was deleted meanwhile. Errors: one that the others would have as well."""
    found = WholeModel(row)
    for what, read in reads.items():
        try:
            read(found)
            failures.succeeded()
        except NotFoundError:
            return None
        except AdapterError as error:
            found.may_pass |= isinstance(error, TransientError)
            found.unread[what] = f"{what} of {name} cannot be read: {failures.passed_over(error)}"
    return found


class ReadsWhole(Protocol):
    """Reads the models of a backend."""

    def rows(self) -> Iterator[list[Raw]]:
        """Pages of all models, as they are listed. Errors: any `AdapterError`."""
        ...

    def key(self, row: Raw) -> Key | None:
        """The key of a model that is listed; None: it is not read. Errors: `BadRecordError`."""
        ...

    def whole(self, row: Raw) -> WholeModel | None:
        """A model as `read_whole` gives it. Errors: any `AdapterError`."""
        ...

    def records(self, found: WholeModel) -> Iterator[ModelRecord | VersionRecord | BadRecordError]:
        """The model, then its versions; where the model cannot be understood, that alone."""
        ...


class RoundRobinConfig(ServiceConfig):
    """How much is read at once, and again in turn."""

    concurrency: Concurrency = 8
    reads_per_scan: int = Field(
        default=200,
        ge=0,
        description="models that an incremental scan reads again in turn although nothing listed of them has changed: "
        "new versions, and aliases, may show nowhere else; a request each, or two where there are aliases",
    )


def whole_pages(
    reads: ReadsWhole, config: RoundRobinConfig, since: Watermark | None, limit: int, resume: Mark | None
) -> Iterator[Page]:
    """The pages of a scan, as `Adapter.scan` gives them."""

    def ident(row: Raw) -> str | None:
        key = reads.key(row)
        return None if key is None else key.native_id

    def give(found: WholeModel) -> Iterator[Found]:
        records = list(reads.records(found))
        yield from records
        key = reads.key(found.row)
        if isinstance(records[0], BadRecordError) or key is None:
            return
        if VERSIONS in found.unread:
            yield BadRecordError(found.unread[VERSIONS], native=key.native_id)
        elif since is not None:
            yield Listing("version", of=key)

    scan = RoundRobinScan(
        state=since if resume is None else resume,
        budget=0 if since is None or resume is not None else config.reads_per_scan,
        readers=Readers(config.concurrency),
        pages=reads.rows,
        ident=ident,
        read=reads.whole,
        give=give,
        may_pass=lambda found: found.may_pass,
    )
    return paged(scan.found(), limit, soon=since is not None)
