"""The adapter contract: what a plugin writes, and what it may leave out.

A read-only adapter implements `probe`, `scan` and `get`. Everything else has a default. What an adapter can write is
a set of `Capability` members, checked when the class is defined: a method without its capability, or a capability
without its method, is a `ContractError` before anything runs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, BinaryIO, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapters.errors import BadRecordError, UnsupportedError
from adapters.notifications import Notification
from adapters.records import (
    Attached,
    Deleted,
    Details,
    EndpointRecord,
    Key,
    Listing,
    Mark,
    ModelRecord,
    Reached,
    Record,
    Schema,
    VersionRecord,
    Watermark,
)

CONTRACT_VERSION = 1
"""The major version of this contract. A plugin built for another one is refused with a clear line."""

CARD_PARTS = ("intended_use", "limitations", "data", "evaluation", "ethics")
"""What a model card tells, in the order in which it is read."""
StageField = Literal["stage", "approval", "lifecycle"]
"""Which native notion of a stage is written."""


Observer = Callable[[str, str, int | None, float], None]
"""Told of every request to the backend: method, path, status (None without an answer), seconds."""


QUIET_FIELDS = frozenset({"deleted"}).union(
    *({each.name for each in fields(kind)} for kind in (ModelRecord, VersionRecord, EndpointRecord))
)
"""What `Adapter.full_scan_only` may name."""


class ContractError(TypeError):
    """An adapter class breaks the contract. The message names the class and the remedy; it is raised at definition."""


class Capability(Enum):
    """What an adapter can write. The value is the name of the method that does it."""

    SET_STAGE = "set_stage"
    """Write one of the native notions of a stage named in `stage_fields`."""
    SET_ALIAS = "set_alias"
    """Point an alias at a version, or take it away."""
    SET_TAGS = "set_tags"
    """Set and remove tags of a model or version."""
    REGISTER = "register"
    """Create a version (and its model, where that does not exist)."""
    DELETE = "delete"
    """Delete a version or a model."""
    CREATE_MODEL = "create_model"
    """Create a model that has no version yet."""
    RENAME = "rename"
    """Give a model another name."""
    DESCRIBE = "describe"
    """Write the description of a model or version."""
    SET_TRAFFIC = "set_traffic"
    """Share the traffic of an endpoint among the versions that are deployed there."""


def _plain_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address, for example https://models.example")
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials: they have settings of their own")
    if parts.query or parts.fragment:
        raise ValueError("must end with the path: no ? and no #")
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(_plain_address)]
"""A setting that is an address, without a slash at its end."""


class AdapterConfig(BaseModel):
    """What every kind of registry can be configured with. Kinds add their own fields.

    Secrets are `SecretStr` fields; in the file they are references (`env:NAME`, `file:PATH`), never values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    timeout: float = Field(
        default=30.0, gt=0, le=600, description="seconds one request to the backend may take"
    )
    max_response_mb: int = Field(
        default=16,
        gt=0,
        le=4096,
        description="largest answer that is read, in MiB; reading one takes up to six times as much memory",
    )
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="networks the backend may be in (CIDR); empty: wherever its host name points",
    )

    artifacts: tuple[str, ...] = Field(
        default=(),
        description="addresses (s3://, gs://, az://, file://) below which artifacts may be read for other registries; "
        "those of versions that come from other registries are put below the first",
    )

    @property
    def call_timeout(self) -> float:
        """Seconds one call of the contract, with all its requests, may take before it is given up."""
        return max(60.0, 4 * self.timeout)

    @property
    def is_notified(self) -> bool:
        """Whether it says by what a notification of the backend's is known: without that none is believed."""
        return False


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What `probe` found. `identity` stays the same for as long as it is the same backend: over its address, its
    release and whatever a credential may read. None: this credential cannot tell today, and what was known holds.

    `former_identities` are names that earlier releases of the adapter gave to the same backend, `anchors` further ones
    that it alone has: where what gives it its identity was deleted, it is known by any of these, as it was told last.
    `reaches` are the registries behind a backend that is itself a gateway.
    `missing` names in plain words what this credential or this version of the backend does not allow today,
    and what that costs;
    `unavailable` are the capabilities that follow from it.
    """

    version: str
    identity: str | None
    missing: tuple[str, ...] = ()
    unavailable: frozenset[Capability] = frozenset()
    former_identities: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    reaches: tuple[Reached, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan.

    `bad` are records that could not be understood. `listed` names what an incremental scan has listed whole once this
    page is through, so that what is absent from it can be noticed; a full scan lists everything. A `mark` is where a
    scan that is cut off may go on: behind this page. The last page, and no other, carries the `watermark`, which never
    passes the time at which the scan began; where the backend cannot tell what changed it is a fixed word, and every
    scan lists everything. `attached` is what lies beside versions of this page, or of an earlier one. `stale`: lines
    with what the backend itself says is old.
    """

    records: tuple[Record | Deleted, ...]
    bad: tuple[BadRecordError, ...] = ()
    listed: tuple[Listing, ...] = ()
    mark: Mark | None = None
    watermark: Watermark | None = None
    attached: tuple[Attached, ...] = ()
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A version to be created. `source` is the artifact URI; `token` makes a repeated call recognisable; `run_link` is
    an address for people, kept where the backend has a place for one.
    """

    model: str
    source: str
    run_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    run_link: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A file or folder among those of a version. `path` is relative to all of them; `size` in bytes, where known."""

    path: str
    size: int | None = None
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """A part of a file: from a byte, to one (inclusive) or (None) to the end."""

    first: int
    last: int | None = None

    @property
    def header(self) -> str:
        """As a value of `Range`."""
        return f"bytes={self.first}-{'' if self.last is None else self.last}"


@dataclass(frozen=True, slots=True)
class ArtifactStream:
    """Bytes on their way. `length` is how many `pieces` have together, None where nobody said; `total` is the file's
    size, None where only a whole file came. `is_part`: what was asked for is a part, and this is it.
    """

    pieces: Iterator[bytes]
    length: int | None
    total: int | None
    is_part: bool = False


class ArtifactRoom(ABC):
    """Where the files of a version are put before it is registered, with this `source` and `run_id` then."""

    source: str
    run_id: str | None = None

    @abstractmethod
    def put(self, path: str, content: BinaryIO, size: int) -> None:
        """Write a file of `size` bytes; what has that path already is replaced. Errors: any `AdapterError`."""

    @abstractmethod
    def read(self, path: str) -> AbstractContextManager[Iterator[bytes]]:
        """A file that was put, piece by piece. Errors: any `AdapterError`, also while the pieces come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """A model to be created; `token` makes a repeated call recognisable."""

    name: str
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


@dataclass(frozen=True, slots=True)
class Snippet:
    """How to load a version: `language` is `python`, `shell` or `curl`."""

    title: str
    language: str
    code: str


class Adapter(ABC):
    """The code that speaks to one kind of backend. Synchronous; untrusted by its callers.

    There is one for each registry, called from several threads: at most one scan at a time, and beside it whatever
    reads or writes one record.
    """

    kind: ClassVar[str]
    """The kind's name, the same as the entry point's."""
    contract: ClassVar[int] = 0
    """The contract's major version this adapter was written for: `contract = 1`."""
    config_type: ClassVar[type[AdapterConfig]] = AdapterConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    stage_fields: ClassVar[frozenset[StageField]] = frozenset()
    """Which native notions of a stage `set_stage` writes."""
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The kind's default stage rules: normalised stage to rules such as `stage:Production`, tried in order.
    """
    fresh: ClassVar[Mapping[StageField, str] | None] = None
    """The native notions of a stage that a version has when it was just registered; None: nobody can tell before."""
    first_aliases: ClassVar[frozenset[str]] = frozenset()
    """The aliases that the first version of a model gets by itself."""
    shared_tags: ClassVar[bool] = False
    """A model's tags are those that all of its versions show: one that is written to the model shows on each."""

    reading: ClassVar[int] = 0
    """How the adapter reads, as a number that a release raises which makes other records of the same answers. What
    differs then while the native payload says the same is no change of the backend: history does not tell it as one.
    """
    full_scan_only: frozenset[str] = frozenset()
    """Fields of a record whose changes only a full scan is sure to show: such a change alone may not bring the record
    into an incremental one; `deleted` where a delete may not. History then says that it happened
    since the last full scan. Where that follows from the configuration, an instance says so.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for capability in Capability:
            implemented = getattr(cls, capability.value) is not getattr(Adapter, capability.value)
            if implemented != (capability in cls.capabilities):
                problem = "implements" if implemented else "declares"
                remedy = (
                    f"add Capability.{capability.name} to"
                    if implemented
                    else f"implement {capability.value} or drop it from"
                )
                raise ContractError(
                    f"{cls.__qualname__} {problem} {capability.value} only: {remedy} `capabilities`"
                )
        if type(cls.reading) is not int or not 0 <= cls.reading < 1 << 31:
            raise ContractError(f"{cls.__qualname__}: `reading` is a number from 0 on, not {cls.reading!r}")
        unknown = cls.full_scan_only - QUIET_FIELDS
        if unknown:
            raise ContractError(
                f"{cls.__qualname__}: `full_scan_only` names {min(unknown)!r}, which is no field of a record"
            )
        if bool(cls.stage_fields) != (Capability.SET_STAGE in cls.capabilities):
            raise ContractError(
                f"{cls.__qualname__}: `stage_fields` names what set_stage writes; give both or neither"
            )

    @abstractmethod
    def __init__(self, config: Any) -> None:
        """Keep the configuration. No I/O, no vendor SDK: those wait for the first call."""

    @abstractmethod
    def probe(self) -> BackendInfo:
        """Ask the backend who it is and what this credential may do. Errors: any `AdapterError`."""

    @abstractmethod
    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        """Pages of at most `limit` records: everything (`since` None), or what may have changed since a watermark.

        A model comes before its versions, a version before the endpoints that serve it, unless an earlier scan gave
        it. A record that changes while the scan runs appears in this scan or in the next. Incremental scans may give
        more than changed. An adapter that cannot tell what changed ignores `since` and says so by listing everything in
        `listed`.

        Each page is waited for as long as one call may take, and may be empty. With `resume`, the mark of a page of an
        earlier scan from the same watermark, only what comes behind that page is given. A scan without marks that is
        cut off begins again. The caller closes the generator, also before its end. Errors: any `AdapterError`, which
        ends the scan; `RejectedError` for a watermark or mark that cannot be used.
        """

    @abstractmethod
    def get(self, key: Key) -> Record:
        """One record as it is now. `NotFoundError` is the proof of absence; another incarnation under the
        same name is absent.
        """

    def changed(self, notification: Notification) -> Sequence[Key]:
        """What the backend's own notification is about; the records are then read with `get`.

        A key may leave out the creation, which a notification seldom tells, in a form that `get` understands and no
        record has: `get` gives what lives under the name then, under its whole key. What says nothing about records
        names none. Errors: `AuthError` for what does not prove that it comes from the backend; any `AdapterError`.
        """
        raise UnsupportedError(f"adapter {self.kind} takes no notifications: its registries are synchronised")

    def subscribe(self, address: str) -> str:
        """Have the backend send its notifications to an address, and nothing that they do not need; a line that says
        what stands there now. Doing it again changes nothing. Errors: any `AdapterError`.
        """
        raise UnsupportedError(f"adapter {self.kind} cannot do that: subscribe it in the backend itself")

    def succeeds(self, new: Key, old: Key) -> bool:
        """Whether what has the key `new` can only be what had the key `old`, under another name.

        For backends that rename and whose keys hold names. Asked of a record that is new; `get` says then whether the
        old one is gone. No I/O.
        """
        return False

    def schema(self, version: VersionRecord) -> Schema | None:
        """What the version takes and gives, read for one version when the listing does not carry it. May be slow."""
        return version.schema

    def details(self, version: VersionRecord) -> Details:
        """What a listing does not carry, read once for one version. May be slow.

        An adapter that reads no more than the schema implements `schema` alone; one that implements neither is
        never asked. Errors: `TransientError` asks for another try; any other says why it cannot be known.
        """
        return Details(self.schema(version))

    @classmethod
    def reads_details(cls) -> bool:
        """Whether there is more to read than listings carry."""
        return cls.details is not Adapter.details or cls.schema is not Adapter.schema

    @classmethod
    def card(cls, record: VersionRecord) -> Mapping[str, str]:
        """What the backend's own model card says of a version, by the parts of `CARD_PARTS`: read off its native
        payload. No I/O.
        """
        return {}

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        """How a user loads this version. No I/O."""
        return ()

    def files_address(self, version: VersionRecord) -> str | None:
        """Where the files of a version are, for an `artifact_uri` that the backend alone can follow. Errors: any
        `AdapterError`.
        """
        return version.artifact_uri

    def list_files(self, version: VersionRecord, path: str) -> Sequence[ArtifactFile]:
        """What is in a folder of a version's files, the whole of them for an empty `path`. Errors: any `AdapterError`;
        `UnsupportedError` where this adapter cannot reach them.
        """
        raise UnsupportedError(f"adapter {self.kind} cannot read the files of a version where these are kept")

    def open_file(
        self, version: VersionRecord, path: str, span: ByteSpan | None
    ) -> AbstractContextManager[ArtifactStream]:
        """A file of a version, or a part of it, piece by piece: never all of it in memory. Errors: as of `list_files`,
        also while the pieces come; `NotFoundError` where there is no such file.
        """
        raise UnsupportedError(f"adapter {self.kind} cannot read the files of a version where these are kept")

    def room(self, model: str, token: str) -> ArtifactRoom:
        """Where the files of a version that is to be registered are put, where the backend itself takes them: for the
        same `token` the same place. Errors: any `AdapterError`.
        """
        raise UnsupportedError(f"adapter {self.kind} takes no artifacts")

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        """Write a native stage of a version and return the version as read back.

        `etag` is compare-and-set: `ConflictError` when the record is no longer the one that had it. Writing
        what is there already succeeds.
        """
        raise self._cannot(Capability.SET_STAGE)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        """Point a model's alias at a version, or (None) take it away; return the model as read back. `etag`
        is the model's.
        """
        raise self._cannot(Capability.SET_ALIAS)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        """Set tags of a model or version, None removes one; tags not named stay. Return the record as read back."""
        raise self._cannot(Capability.SET_TAGS)

    def register(self, registration: Registration) -> VersionRecord:
        """Create a version and return it. The same `token` again returns the same version."""
        raise self._cannot(Capability.REGISTER)

    def create_model(self, model: NewModel) -> ModelRecord:
        """Create a model without versions and return it. The same `token` again returns the same model; `ConflictError`
        where another one has the name.
        """
        raise self._cannot(Capability.CREATE_MODEL)

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        """Give a model another name; return it as read back, first, and where keys hold the name all of its versions.
        Renaming what has the name already succeeds; `ConflictError` where another model has it.
        """
        raise self._cannot(Capability.RENAME)

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        """Write the description of a model or version, or (None) take it away; return the record as read back."""
        raise self._cannot(Capability.DESCRIBE)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        """Delete a version or model. Deleting what is already gone succeeds."""
        raise self._cannot(Capability.DELETE)

    def set_traffic(self, key: Key, shares: Mapping[Key, float], *, etag: str | None = None) -> Record:
        """Give versions that an endpoint holds already these shares of its traffic (percent, 100 in all; others that it
        holds get none), and return the endpoint as read back. `UnderWayError` while the backend is still at it;
        `InvalidError` for an endpoint whose traffic cannot be shared so.
        """
        raise self._cannot(Capability.SET_TRAFFIC)

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every request from now on. An adapter without requests has none to tell of."""
        return

    def credentials(self) -> tuple[str, ...]:
        """Secrets that this adapter got while it was used, such as a token it exchanged its own for. No I/O.

        Like those of the configuration, they are kept out of what others see.
        """
        return ()

    def close(self) -> None:
        """Give connections back. May be called twice; calls after it may fail."""
        return

    def _cannot(self, capability: Capability) -> UnsupportedError:
        return UnsupportedError(
            f"adapter {self.kind} cannot {capability.value.replace('_', ' ')}: do it in the backend itself"
        )
