"""What a scan remembers of packages for the next one, and which package holds some model data."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.records import Key
from adapters.sagemaker.keys import Raw, created_in, key_of, milliseconds, reference_of
from adapters.sagemaker.records import artifacts_of, lifecycle_of
from adapters.sagemaker.serving import Held


@dataclass(frozen=True)
class KnownPackage:
    """What is remembered of a package: enough to see in the cheap listing that it changed, and to find it."""

    key: Key
    reference: str
    state: tuple[Any, ...]
    uris: tuple[str, ...]
    model: Key | None = None
    """The key of the model that goes with it, where it is unversioned."""

    @staticmethod
    def of(package: Raw) -> "KnownPackage":
        """From a whole package."""
        arn, created = package["ModelPackageArn"], package["CreationTime"]
        model = None if package.get("ModelPackageVersion") else key_of("model", arn, created)
        reference = reference_of(arn) or arn
        return KnownPackage(
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
class ScanMemory:
    """What the scan that ended with `watermark` had seen: groups by name, packages by ARN, oldest first."""

    watermark: str
    groups: Mapping[str, Key]
    packages: Mapping[str, KnownPackage]


NOTHING = ScanMemory("", {}, {})


class Index:
    """Packages by where their model data lies."""

    def __init__(self, packages: Mapping[str, KnownPackage]) -> None:
        self._by_uri: dict[str, list[KnownPackage]] = {}
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
        by_place: dict[tuple[str, tuple[str, ...]], list[KnownPackage]] = {}
        for known in found:
            group = known.reference.rpartition(":")[0]
            by_place.setdefault((group, known.uris), []).append(known)
        return tuple(dict.fromkeys(_meant(several, made).key for several in by_place.values()))

    def _beneath(self, prefix: str) -> Iterator[KnownPackage]:
        for place in range(bisect_left(self._addresses, prefix), len(self._addresses)):
            if not self._addresses[place].startswith(prefix):
                return
            yield from (known for known in self._by_uri[self._addresses[place]] if len(known.uris) == 1)


def _address(uri: str) -> str:
    return uri.rstrip("/")


def _meant(several: list[KnownPackage], made: int | None) -> KnownPackage:
    in_order = sorted(several, key=lambda known: created_in(known.key))
    before = [known for known in in_order if made is None or created_in(known.key) <= made]
    return before[-1] if before else in_order[0]


def dependencies(package: Raw, index: Index) -> tuple[str, ...]:
    """The packages that hold what the containers of this one load, as references."""
    own = reference_of(package["ModelPackageArn"])
    uris = artifacts_of(package)
    found = (index.references(uri) for uri in uris) if len(uris) > 1 else ()
    return tuple(dict.fromkeys(reference for reference in found if reference and reference != own))
