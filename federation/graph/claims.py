"""What a record says about its origin and needs, before anybody knows whether the other end exists. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from adapters import VersionRecord
from federation.graph.words import EdgeKind, NodeKind
from federation.references import Reference, ReferenceSyntaxError, parse_depends_on

TAG = "depends_on"
EMPTY_DIGESTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "d41d8cd98f00b204e9800998ecf8427e",
)
"""SHA-256 and MD5 of nothing: sharing an empty file ties nobody together."""
NAME_LIMIT = 1000
"""Longest name of a thing, in characters."""
BYTES_LIMIT = 2000
"""And in bytes: PostgreSQL indexes no row of more than 2,704."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A node that exists by being named: a dataset, commit, run or artifact digest."""

    kind: NodeKind
    scope: int
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One edge as its source states it."""

    kind: EdgeKind
    target: Reference | Thing
    origin: str
    relation: str = ""

    @property
    def wanted(self) -> str:
        """The target as text: the reference in canonical form, or the thing's name."""
        return self.target.name if isinstance(self.target, Thing) else str(self.target)


def claims(record: VersionRecord, registry: str, registry_id: int) -> list[Claim]:
    """Everything a version's record says, each edge once. `registry` is what unqualified references mean."""
    return list(dict.fromkeys([*_references(record, registry), *_things(record, registry_id)]))


def _references(record: VersionRecord, registry: str) -> Iterator[Claim]:
    lineage = record.lineage
    for reference in parse_depends_on(record.tags.get(TAG, ""), registry).references:
        yield Claim(EdgeKind.DEPENDS_ON, reference, "tag")
    for text in lineage.dependencies:
        for reference in _stated(text, registry):
            yield Claim(EdgeKind.DEPENDS_ON, reference, "backend")
    for parent in lineage.parents:
        for reference in _stated(parent.reference, registry):
            yield Claim(EdgeKind.DERIVED_FROM, reference, "backend", parent.kind)


def _stated(text: str, registry: str) -> tuple[Reference, ...]:
    """A backend's own reference; text that is none is taken as the name of a model of the same registry."""
    found = parse_depends_on(text, registry)
    if not found.errors:
        return found.references
    try:
        return (Reference(registry, text),)
    except ReferenceSyntaxError:
        return ()


def _things(record: VersionRecord, registry_id: int) -> Iterator[Claim]:
    lineage = record.lineage
    for dataset in lineage.datasets:
        name = f"{dataset.name}#{dataset.digest}" if dataset.digest else dataset.name
        yield Claim(EdgeKind.TRAINED_ON, Thing(NodeKind.DATASET, 0, _cut(name)), "backend")
    if lineage.run_id:
        yield Claim(EdgeKind.PRODUCED_BY, Thing(NodeKind.RUN, registry_id, _cut(lineage.run_id)), "backend")
    if lineage.commit:
        yield Claim(EdgeKind.PRODUCED_BY, Thing(NodeKind.COMMIT, 0, _cut(lineage.commit.lower())), "backend")
    digest = _cut((record.artifact_digest or "").lower())
    if digest and not digest.endswith(EMPTY_DIGESTS):
        yield Claim(EdgeKind.SAME_ARTIFACT, Thing(NodeKind.DIGEST, 0, digest), "inferred")


def _cut(name: str) -> str:
    cut = name[:NAME_LIMIT]
    return cut.encode()[:BYTES_LIMIT].decode(errors="ignore") if len(cut) * 4 > BYTES_LIMIT else cut
