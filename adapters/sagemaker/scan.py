"""A scan: groups, then packages, then endpoints.

A full scan reads every package. An incremental one reads those that `Search` says have changed, then the
cheap listing of all, which shows what is new, gone, or has another approval or lifecycle stage, and describes
only those. It builds on the memory of the scan that gave its watermark; without that (the process is new, the
scan before was cut off) it reads everything, and says so. Packages of several containers wait until all others
were read, since that is where their containers are found.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from adapters.errors import AuthError, BadRecordError, InvalidError, NotFoundError, UnsupportedError
from adapters.records import (
    NO_LINEAGE,
    Deleted,
    EndpointRecord,
    Key,
    Lineage,
    Listing,
    ModelRecord,
    VersionRecord,
    Watermark,
)
from adapters.sagemaker import reads
from adapters.sagemaker.client import SageMakerClient
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.keys import Raw, arn_of, key_of, same_incarnation
from adapters.sagemaker.memory import NOTHING, Index, KnownPackage, ScanMemory, dependencies, state_of
from adapters.sagemaker.pages import PAGE_LIMIT, FetchedPage, Listings, Source, Via
from adapters.sagemaker.records import (
    endpoint_record,
    group_record,
    understood,
    unversioned_record,
    version_record,
)
from adapters.sagemaker.serving import LIVE, ServedEndpoint
from adapters.scanning import Ahead, Found, attempt

R = TypeVar("R", ModelRecord, VersionRecord, EndpointRecord)
T = TypeVar("T")

_MOST_GONE = 50
"""When more than this is missing at once, everything is listed and the caller decides what to believe."""


class _TooManyGoneError(Exception):
    """So much is missing that the scan begins again and lists everything."""


class Scanner:
    """The scans of one registry, and what the last one that ended has seen."""

    def __init__(self, client: SageMakerClient, config: SageMakerConfig) -> None:
        self._client, self._config = client, config
        self._memory: ScanMemory | None = None
        self._served: dict[str, tuple[str, ServedEndpoint]] = {}
        self.via: Via = "search"

    def found(self, since: Watermark | None, limit: int) -> Generator[Found, None, Watermark]:
        """What a scan finds, one thing after another. Errors: any `AdapterError`."""
        after = _moment(since)
        memory = self._memory if self._memory and self._memory.watermark == since else NOTHING
        scan = first = self._begin(memory, after, limit)
        try:
            try:
                yield from scan.found()
            except _TooManyGoneError:
                scan.close()
                scan = self._begin(NOTHING, None, limit)
                yield from scan.found()
        finally:
            scan.close()
        if since is not None:
            yield from scan.listed()
        watermark = first.began.isoformat()
        # What was there a moment ago, and then no more, is looked for by the next scan.
        groups, packages = {**first.groups, **scan.groups}, {**first.read, **scan.packages}
        self._memory = ScanMemory(watermark, groups, packages)
        return watermark

    def index(self) -> Index:
        """Packages by their model data; where no scan has seen them yet, they are read."""
        if self._memory is None:
            for _ in self.found(None, PAGE_LIMIT):
                pass
        return Index(self._memory.packages if self._memory else {})

    def endpoint(self, row: ServedEndpoint) -> EndpointRecord:
        """An endpoint with the versions it serves."""
        return _Served(self._client, {}, self.index() if row.by_address else Index({})).record(row)

    def _begin(self, memory: ScanMemory, after: datetime | None, limit: int) -> "_Scan":
        filtered = None
        if after is not None and memory is not NOTHING:
            filtered = after - timedelta(seconds=self._config.overlap)
        try:
            self.via, scan = "search", self._scan("search", memory, filtered, limit)
        except (ForbiddenError, UnsupportedError):
            self.via, scan = "describe", self._scan("describe", memory, filtered, limit)
        return scan

    def _scan(self, via: Via, memory: ScanMemory, filtered: datetime | None, limit: int) -> "_Scan":
        with_lineage = self._config.lineage
        listings = Listings(self._client, via, filtered, self._served, with_lineage=with_lineage)
        return _Scan(self._client, listings, memory, limit)


class _Scan:
    """One scan under way."""

    def __init__(self, client: SageMakerClient, listings: Listings, before: ScanMemory, limit: int) -> None:
        """Begins to read all that will be asked for. Errors: those of listing the groups."""
        self._client, self._listings, self._before = client, listings, before
        self._is_incremental = before is not NOTHING
        incremental: tuple[Source, ...] = ("changed", "listing") if listings.via == "search" else ("listing",)
        sources: tuple[Source, ...] = incremental if self._is_incremental else ("packages",)
        self._pages = {each: Ahead(listings.pages(each, limit)) for each in ("groups", *sources, "endpoints")}
        try:
            self._first = next(self._pages["groups"])
        except BaseException:
            self.close()
            raise
        self.began = self._first.asked
        """When the groups were asked for, by the backend's clock."""
        self.groups: dict[str, Key] = {}
        self.packages: dict[str, KnownPackage] = dict(before.packages)
        self.read: dict[str, KnownPackage] = {}
        """The packages that this scan has read itself."""
        self._listed: set[str] = set()
        self._waiting: dict[str, tuple[Raw, Lineage]] = {}
        """Packages of several containers, by ARN."""
        self._moved_uris: set[str] = set()
        """Model data that packages hold now and did not before, or no longer."""
        self._gone: list[Key] = []

    def close(self) -> None:
        """Read nothing more."""
        for pages in self._pages.values():
            pages.close()

    def found(self) -> Iterator[Found]:
        """What is there, one thing after another. Errors: `_TooManyGoneError`, any `AdapterError`."""
        yield from self._groups()
        if self._is_incremental:
            if self._listings.via == "search":
                yield from self._packages("changed")
            yield from self._listing()
            yield from self._deleted()
        else:
            yield from self._packages("packages")
        yield from self._composed()
        yield from self._endpoints()

    def listed(self) -> Iterator[Listing]:
        """What has been listed whole."""
        if not self._is_incremental:
            yield from (Listing("model"), Listing("version"))
        if self._listings.sees_endpoints:
            yield Listing("endpoint")

    def _groups(self) -> Iterator[Found]:
        for fetched in chain([self._first], self._pages["groups"]):
            for row in fetched.rows:
                yield (record := _mapped(group_record, row, row.get("ModelPackageGroupArn")))
                if isinstance(record, ModelRecord):
                    self.groups[record.name] = record.key
                    before = self._before.groups.get(record.name)
                    if before and before != record.key:
                        self._gone.append(before)

    def _packages(self, source: Source) -> Iterator[Found]:
        for fetched in self._pages[source]:
            yield from self._records(fetched)

    def _listing(self) -> Iterator[Found]:
        for fetched in self._pages["listing"]:
            wanted = []
            for row in fetched.rows:
                arn, before = row["ModelPackageArn"], self._before.packages.get(row["ModelPackageArn"])
                self._listed.add(arn)
                if before and not same_incarnation(before.key, row["CreationTime"]):
                    self._gone += before.keys
                known = self.packages.get(arn)
                if known is None or known.state != state_of(row):
                    wanted.append(arn)
            rows = self._listings.describe(wanted)
            yield from self._records(FetchedPage(rows, fetched.asked, self._listings.walk(rows)))

    def _deleted(self) -> Iterator[Found]:
        before = self._before
        lacking = [known.keys for arn, known in before.packages.items() if arn not in self._listed]
        lacking += [(key,) for name, key in before.groups.items() if name not in self.groups]
        if len(lacking) > _MOST_GONE:
            raise _TooManyGoneError
        found = self._client.each(self._proven, lacking)
        self._gone += [key for keys in reads.present(found) for key in keys]
        gone = set(self._gone)
        for known in before.packages.values():
            self._moved_uris.update(known.uris if known.key in gone else ())
        self.packages = {arn: known for arn, known in self.packages.items() if known.key not in gone}
        yield from map(Deleted, self._gone)

    def _proven(self, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Those of a package's or group's keys, if the backend says that it does not exist."""
        arn = arn_of(keys[0])
        try:
            if keys[0].kind == "model":
                self._client.call("DescribeModelPackageGroup", ModelPackageGroupName=arn.rpartition("/")[2])
            else:
                self._client.call("DescribeModelPackage", ModelPackageName=arn)
        except NotFoundError:
            return keys
        return ()

    def _composed(self) -> Iterator[Found]:
        """The packages of several containers, now that all others are known."""
        self._read_affected()
        index = Index(self.packages if self._waiting else {})
        for arn, (row, walked) in self._waiting.items():
            if model := self._model_key(row):
                found = dependencies(row, index)
                make = partial(version_record, model=model, dependencies=found, walked=walked)
                yield _mapped(make, row, arn)

    def _read_affected(self) -> None:
        """Read again the packages of several containers whose containers are new or gone as packages."""
        arns = [
            arn
            for arn, known in self._before.packages.items()
            if len(known.uris) > 1 and self._moved_uris.intersection(known.uris) and arn not in self._waiting
        ]
        rows = self._listings.describe(arns)
        walked = self._listings.walk(rows)
        for row in rows:
            arn = row["ModelPackageArn"]
            self._waiting[arn] = (row, walked.get(arn, NO_LINEAGE))

    def _endpoints(self) -> Iterator[Found]:
        served = _Served(self._client, self.packages)
        for fetched in self._pages["endpoints"]:
            for row in fetched.rows:
                yield _mapped(served.record, row, row.endpoint.get("EndpointArn"))

    def _records(self, fetched: FetchedPage) -> Iterator[Found]:
        """The versions of these packages, after the models that were not known yet."""
        yield from self._new_groups(fetched.rows)
        for row in fetched.rows:
            arn = row.get("ModelPackageArn", "")
            try:
                known = understood(KnownPackage.of, row, arn)
                model = understood(self._model_key, row, arn)
            except BadRecordError as error:
                yield error
                continue
            before = self._before.packages.get(arn)
            self._moved_uris.update(set(known.uris) ^ set(before.uris if before else ()))
            self.packages[arn] = self.read[arn] = known
            if known.model:
                yield _mapped(unversioned_record, row, arn)
            if model is None:
                continue
            walked = fetched.walked.get(arn, NO_LINEAGE)
            if len(known.uris) > 1:
                self._waiting[arn] = (row, walked)
            else:
                yield _mapped(partial(version_record, model=model, dependencies=(), walked=walked), row, arn)

    def _new_groups(self, rows: Iterable[Raw]) -> Iterator[ModelRecord]:
        """Groups made after groups were listed; without those that are gone."""
        names = {row["ModelPackageGroupName"] for row in rows if "ModelPackageGroupName" in row}
        found = self._client.each(partial(reads.group, self._client), sorted(names - self.groups.keys()))
        for row in reads.present(found):
            record = group_record(row)
            self.groups[record.name] = record.key
            yield record

    def _model_key(self, row: Raw) -> Key | None:
        if row.get("ModelPackageVersion"):
            return self.groups.get(row["ModelPackageGroupName"])
        return key_of("model", row["ModelPackageArn"], row["CreationTime"])


class _Served:
    """Which packages endpoints serve: those in `packages`, and others that are asked for one by one."""

    def __init__(
        self, client: SageMakerClient, packages: Mapping[str, KnownPackage], index: Index | None = None
    ) -> None:
        self._client, self._packages, self._index = client, packages, index
        self._asked: dict[str, Key | None] = {}
        """By ARN; None: it is gone."""

    def record(self, row: ServedEndpoint) -> EndpointRecord:
        """An endpoint with the versions it serves."""
        shares: dict[Key, float] = {}
        unknown = list(row.unknown)
        for held, share in row.targets:
            keys = [self._key(name, row.endpoint["EndpointArn"], unknown) for name in held.packages]
            loaded = self._by_address().loaded(held) if row.by_address else ()
            for key in dict.fromkeys((*filter(None, keys), *loaded)):
                shares[key] = shares.get(key, 0.0) + share
        live = row.endpoint["EndpointStatus"] in LIVE
        shares = {key: min(share, 100.0) for key, share in shares.items()}
        return endpoint_record(row.endpoint, shares, live, unknown if live else ())

    def _by_address(self) -> Index:
        if self._index is None:
            self._index = Index(self._packages)
        return self._index

    def _key(self, name: str, beside: str, unknown: list[str]) -> Key | None:
        """The key of a package of this account and region; one of another is not this registry's."""
        home = beside.partition(":endpoint/")[0]
        arn = name if name.startswith("arn:") else f"{home}:model-package/{name}"
        if not arn.startswith(f"{home}:"):
            return None
        if arn in self._packages:
            return self._packages[arn].key
        if arn not in self._asked:
            try:
                row = self._client.call("DescribeModelPackage", ModelPackageName=arn)
            except NotFoundError:
                self._asked[arn] = None
            except AuthError as error:
                unknown.append(str(error))
                return None
            else:
                self._asked[arn] = key_of("version", arn, row["CreationTime"])
        return self._asked[arn]


def _moment(since: str | None) -> datetime | None:
    """The watermark as a time. Errors: InvalidError for one that is not ours."""
    try:
        return datetime.fromisoformat(since).astimezone(UTC) if since is not None else None
    except ValueError:
        raise InvalidError("this watermark is not of a SageMaker scan: begin a full scan") from None


def _mapped(make: Callable[[T], R], row: T, arn: Any) -> R | BadRecordError:
    """What `make` gives, or why the row cannot be understood."""
    return attempt(partial(understood, make), row, str(arn))
