"""What a record says about its origin and needs, before anybody knows whether the other end exists. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adapters import Dataset, VersionRecord
from federation.graph.words import EdgeKind, NodeKind
from federation.references import (
    DEPENDS_ON,
    Address,
    Reference,
    ReferenceSyntaxError,
    Target,
    encode_part,
    parse_depends_on,
    parse_stated,
)

EMPTY_DIGESTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "d41d8cd98f00b204e9800998ecf8427e",
)
"""SHA-256 and MD5 of nothing: sharing an empty file ties nobody together."""
NAME_LIMIT = 1000
"""Longest name of a thing, in characters."""
BYTES_LIMIT = 2000
"""And in bytes: PostgreSQL indexes no row of more than 2,704."""
COPY = "copy"
"""The relation whose source is never younger than what was made from it."""
UNREADABLE = "?"
"""Stands for the model that is wanted where nobody can read which one is. As it has no registry it is no name."""
SHOWN = 300
"""So many characters of what cannot be read are kept."""
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*(?=:)")
_ONE_SCHEME = {"s3a": "s3", "s3n": "s3"}


@dataclass(frozen=True, slots=True)
class Thing:
    """A node that exists by being named: a dataset, commit, run or artifact digest. `title` is a shorter name for
    people, which several may have.
    """

    kind: NodeKind
    scope: int
    name: str
    title: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A statement that something is needed, of which nobody can read what."""

    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One edge as its source states it. A reference or address is given by its readings: the first that is there is
    meant.
    """

    kind: EdgeKind
    target: tuple[Target, ...] | Unreadable | Thing
    origin: str
    relation: str = ""

    @property
    def wanted(self) -> tuple[str, str, str]:
        """The target as text, and the registry and model by which its first reading is found once it is there: a
        reference as it was said, an address, what cannot be read, or a thing's name.
        """
        match self.target:
            case (Reference() as first, *_) as readings:
                return str(readings[-1]), first.registry, encode_part(first.model)
            case (Address(text),):
                return text, "", text
            case Unreadable(text):
                return text, "", UNREADABLE
            case Thing(name=name):
                return name, "", ""
            case _:
                raise AssertionError("nothing is stated")


def claims(
    record: VersionRecord,
    model_tags: Mapping[str, str],
    registry: str,
    registry_id: int,
) -> list[Claim]:
    """Everything a version's record says, and its model's tags for it, each edge once; `registry` is what unqualified
    references mean.
    """
    said = [*_tagged(record, model_tags, registry), *_stated(record, registry)]
    return list(dict.fromkeys([*said, *_things(record, registry_id)]))


def _tagged(record: VersionRecord, model_tags: Mapping[str, str], registry: str) -> Iterator[Claim]:
    for text in (record.tags.get(DEPENDS_ON, ""), model_tags.get(DEPENDS_ON, "")):
        found = parse_depends_on(text, registry)
        for target in found.references:
            yield Claim(EdgeKind.DEPENDS_ON, (target,), "tag")
        for error in found.errors:
            yield Claim(EdgeKind.DEPENDS_ON, _unreadable(error.text), "tag")


def _stated(record: VersionRecord, registry: str) -> Iterator[Claim]:
    lineage = record.lineage
    for text in filter(str.strip, lineage.dependencies):
        yield Claim(EdgeKind.DEPENDS_ON, _one(text, registry), "backend")
    for parent in lineage.parents:
        if parent.reference.strip():
            yield Claim(EdgeKind.DERIVED_FROM, _one(parent.reference, registry), "backend", parent.kind)


def _one(text: str, registry: str) -> tuple[Target, ...] | Unreadable:
    try:
        return parse_stated(text, registry)
    except ReferenceSyntaxError:
        return _unreadable(text)


def _unreadable(text: str) -> Unreadable:
    return Unreadable(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text[:SHOWN]))


def _things(record: VersionRecord, registry_id: int) -> Iterator[Claim]:
    lineage = record.lineage
    for dataset in lineage.datasets:
        thing = Thing(NodeKind.DATASET, 0, _cut(dataset_name(dataset)), _cut(dataset.name))
        yield Claim(EdgeKind.TRAINED_ON, thing, "backend")
    if lineage.run_id:
        yield Claim(EdgeKind.PRODUCED_BY, Thing(NodeKind.RUN, registry_id, _cut(lineage.run_id)), "backend")
    if lineage.commit:
        yield Claim(EdgeKind.PRODUCED_BY, Thing(NodeKind.COMMIT, 0, _cut(lineage.commit.lower())), "backend")
    digest = _cut((record.artifact_digest or "").lower())
    if digest and not digest.endswith(EMPTY_DIGESTS):
        yield Claim(EdgeKind.SAME_ARTIFACT, Thing(NodeKind.DIGEST, 0, digest), "inferred")


def dataset_name(dataset: Dataset) -> str:
    """What a data set is: its address, or its name where it has none, with its digest."""
    name = place_of(dataset.uri) if dataset.uri else dataset.name
    return f"{name}#{dataset.digest}" if dataset.digest else name


def place_of(uri: str) -> str:
    """The one spelling of where data lies: without a `/` at the end, and S3 under one scheme."""
    uri = uri.strip().rstrip("/") or uri
    return _SCHEME.sub(lambda found: _ONE_SCHEME.get(found[0].lower(), found[0].lower()), uri)


def _cut(name: str) -> str:
    cut = name[:NAME_LIMIT]
    return cut.encode()[:BYTES_LIMIT].decode(errors="ignore") if len(cut) * 4 > BYTES_LIMIT else cut
