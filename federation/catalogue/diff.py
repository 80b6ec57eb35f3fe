"""What differs between two versions, also of different registries; what is the same is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from federation.catalogue.codec import differences
from federation.catalogue.reader import Version

IDENTITY = frozenset({"key", "model", "version", "url"})
"""Fields that differ between any two versions and say nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field with what it is on either side; None where it is absent."""

    left: Any
    right: Any


def diff(left: Version, right: Version) -> Mapping[str, Difference]:
    """The fields that differ, by name (`metrics.auc`, `tags.env`, `stage`, `schema`), in alphabetical order."""
    found = {
        name: pair for name, pair in differences(left.record, right.record).items() if name not in IDENTITY
    }
    facts = {
        "stage": (left.stage, right.stage),
        "aliases": (list(left.aliases), list(right.aliases)),
        "team": (left.team, right.team),
        "deployed": (left.deployed, right.deployed),
        "schema": (msgspec.to_builtins(left.schema), msgspec.to_builtins(right.schema)),
        "native_stage": (left.record.stage, right.record.stage),
    }
    found.pop("stage", None)
    found.pop("schema", None)
    found.update({name: pair for name, pair in facts.items() if pair[0] != pair[1]})
    return {name: Difference(*found[name]) for name in sorted(found)}


def apart(versions: Sequence[Version]) -> Mapping[str, Sequence[Any]]:
    """The fields in which not all of these are alike, metrics aside, by name in alphabetical order: what each has, None
    where it is absent.
    """
    first, *others = versions
    pairs = [diff(first, other) for other in others]
    found: dict[str, Sequence[Any]] = {}
    for name in sorted({name for one in pairs for name in one if not name.startswith("metrics.")}):
        left = next(one[name].left for one in pairs if name in one)
        found[name] = [left, *(one[name].right if name in one else left for one in pairs)]
    return found
