"""Where a scan is, what it has seen, and what the next one may build on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from adapters.contract import Page
from adapters.errors import BadRecordError, InvalidError
from adapters.records import Deleted, Key, Lineage, Record
from adapters.sagemaker.ahead import Ahead, Via
from adapters.sagemaker.identity import Raw, key_of, reference_of
from adapters.sagemaker.mapping import artifacts_of, lifecycle_of

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
            return Page(records, next=self.following.text(), bad=bad)
        return Page(records, watermark=end.watermark, listed=end.listed, bad=bad)


@dataclass
class Running:
    """The scan under way. `complete` is false where another process began it: not all of it was seen here."""

    scan: str
    ahead: Ahead
    before: Memory
    complete: bool = True
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

    def index(self) -> dict[str, tuple[str, Key]]:
        """By the URI of its model data: the reference and key of the first package that holds just that."""
        return index(self.packages)


def index(packages: Mapping[str, Known]) -> dict[str, tuple[str, Key]]:
    """By the URI of its model data: the reference and key of the first package that holds just that."""
    found: dict[str, tuple[str, Key]] = {}
    for known in packages.values():
        if len(known.uris) == 1:
            found.setdefault(known.uris[0], (known.reference, known.key))
    return found


def dependencies(package: Raw, by_uri: Mapping[str, tuple[str, Key]]) -> tuple[str, ...]:
    """The packages that hold what the containers of this one load, as references."""
    own = reference_of(package["ModelPackageArn"])
    uris = artifacts_of(package)
    found = (by_uri[uri][0] for uri in uris if uri in by_uri) if len(uris) > 1 else ()
    return tuple(dict.fromkeys(reference for reference in found if reference != own))
