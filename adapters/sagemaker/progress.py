"""Where a scan is, what it has seen, and what the next one may build on."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from adapters.contract import Page
from adapters.errors import BadRecordError, InvalidError
from adapters.records import Deleted, Key, Lineage, Mark, Record
from adapters.sagemaker.ahead import Ahead, Via
from adapters.sagemaker.keys import Raw, created_in, key_of, milliseconds, reference_of
from adapters.sagemaker.records import artifacts_of, lifecycle_of
from adapters.sagemaker.serving import Held

Phase = Literal["groups", "packages", "changed", "listing", "gone", "composed", "endpoints"]


@dataclass(frozen=True)
class Position:
    """What a page token holds. `since` is the given watermark; `whole`: everything is read all the same.

    `after` names the last record handed out of a page that gave more than was asked for; `empty` counts pages
    without rows in succession.
    """

    scan: str
    began: str
    phase: Phase
    via: Via
    since: str | None
    whole: bool
    token: str | None = None
    after: str | None = None
    pages: int = 0
    empty: int = 0

    @property
    def incremental(self) -> bool:
        """Whether only what changed is read."""
        return self.since is not None and not self.whole

    def text(self) -> str:
        """The page token."""
        return json.dumps(list(asdict(self).values()))

    @staticmethod
    def read(text: str) -> "Position":
        """A page token read back. Raises InvalidError for one that is not ours."""
        try:
            return Position(*json.loads(text))
        except (ValueError, TypeError):
            raise InvalidError("this page token is not of a SageMaker scan: begin a new scan") from None


@dataclass(frozen=True)
class Known:
    """What is remembered of a package: enough to see in the cheap listing that it changed, and to find it."""

    key: Key
    reference: str
    state: tuple[Any, ...]
    uris: tuple[str, ...]
    model: Key | None = None
    """The key of the model that goes with it, where it is unversioned."""

    @staticmethod
    def of(package: Raw) -> "Known":
        """From a whole package."""
        arn, created = package["ModelPackageArn"], package["CreationTime"]
        model = None if package.get("ModelPackageVersion") else key_of("model", arn, created)
        reference = reference_of(arn) or arn
        return Known(
            key_of("version", arn, created), reference, state_of(package), artifacts_of(package), model
        )

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that are gone when the package is."""
        return (self.key, self.model) if self.model else (self.key,)


def state_of(package: Raw) -> tuple[Any, ...]:
    """What the cheap listing shows of a package; a whole package gives the same."""
    return (
        package["CreationTime"],
        package.get("ModelApprovalStatus"),
        lifecycle_of(package),
        package.get("ModelPackageStatus"),
        package.get("ModelPackageDescription"),
    )


@dataclass(frozen=True)
class Memory:
    """What the scan that ended with `watermark` had seen: groups by name, packages by ARN, oldest first."""

    watermark: str
    groups: Mapping[str, Key]
    packages: Mapping[str, Known]


NOTHING = Memory("", {}, {})


@dataclass
class Step:
    """What one step of a scan gives, and where it goes on; None at the end."""

    records: list[Record | Deleted]
    following: Position | None
    bad: list[BadRecordError] = field(default_factory=list)

    def page(self, end: Page) -> Page:
        """As a page; `end` carries what the last one says."""
        records, bad = tuple(self.records), tuple(self.bad)
        if self.following is not None:
            return Page(records, mark=Mark(self.following.text()), bad=bad)
        return Page(records, watermark=end.watermark, listed=end.listed, bad=bad)


@dataclass
class Running:
    """The scan under way. `complete` is false where another process began it: not all of it was seen here. `split`
    stays true then.
    """

    scan: str
    ahead: Ahead
    before: Memory
    complete: bool = True
    split: bool = False
    groups: dict[str, Key] = field(default_factory=dict)
    packages: dict[str, Known] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    composed: dict[str, tuple[Raw, Lineage]] = field(default_factory=dict)
    moved_uris: set[str] = field(default_factory=set)
    """Model data that packages hold now and did not before, or no longer."""
    gone: list[Key] = field(default_factory=list)
    rest: tuple[Position, Step] | None = None
    keys: dict[str, Key | None] = field(default_factory=dict)
    """Packages that were asked for one by one, for endpoints, by ARN; None: it is gone."""

    def index(self) -> "Index":
        """The packages by their model data."""
        return Index(self.packages)


class Index:
    """Packages by where their model data lies."""

    def __init__(self, packages: Mapping[str, Known]) -> None:
        self._by_uri: dict[str, list[Known]] = {}
        for known in packages.values():
            for uri in dict.fromkeys(map(_address, known.uris)):
                self._by_uri.setdefault(uri, []).append(known)
        self._addresses = sorted(self._by_uri)

    def references(self, uri: str) -> str | None:
        """The reference of the first package that holds just that."""
        held = self._by_uri.get(_address(uri), ())
        return next((known.reference for known in held if len(known.uris) == 1), None)

    def loaded(self, held: Held) -> tuple[Key, ...]:
        """The packages whose model data this loads.

        Several packages of one group may name the same address, which was written over each time: the newest that
        was there when the model was made is meant.
        """
        wanted = set(map(_address, held.uris))
        found = [
            known
            for uri in wanted
            for known in self._by_uri.get(uri, ())
            if wanted.issuperset(map(_address, known.uris))
        ]
        for prefix in held.prefixes:
            found += self._beneath(_address(prefix) + "/")
        made = milliseconds(held.made) if held.made else None
        by_place: dict[tuple[str, tuple[str, ...]], list[Known]] = {}
        for known in found:
            group = known.reference.rpartition(":")[0]
            by_place.setdefault((group, known.uris), []).append(known)
        return tuple(dict.fromkeys(_meant(several, made).key for several in by_place.values()))

    def _beneath(self, prefix: str) -> Iterator[Known]:
        for place in range(bisect_left(self._addresses, prefix), len(self._addresses)):
            if not self._addresses[place].startswith(prefix):
                return
            yield from (known for known in self._by_uri[self._addresses[place]] if len(known.uris) == 1)


def _address(uri: str) -> str:
    return uri.rstrip("/")


def _meant(several: list[Known], made: int | None) -> Known:
    in_order = sorted(several, key=lambda known: created_in(known.key))
    before = [known for known in in_order if made is None or created_in(known.key) <= made]
    return before[-1] if before else in_order[0]


def dependencies(package: Raw, index: Index) -> tuple[str, ...]:
    """The packages that hold what the containers of this one load, as references."""
    own = reference_of(package["ModelPackageArn"])
    uris = artifacts_of(package)
    found = (index.references(uri) for uri in uris) if len(uris) > 1 else ()
    return tuple(dict.fromkeys(reference for reference in found if reference and reference != own))
