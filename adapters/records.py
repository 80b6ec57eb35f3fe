"""What an adapter returns: frozen values, in the field's words, with the native payload as it came.

`unread` of a record says what of it could not be read this time: that is unknown, which is not absent.
Times are timezone-aware UTC. Mappings are never changed after they were handed over. Fields typed `Person` name
people and are treated as personal data everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

Kind = Literal["model", "version", "endpoint"]
Person = Annotated[str, "personal"]
"""A value that names a person: never in a journal entry, erasable."""
MOST_BYTES = 4 * 1024 * 1024
"""Largest record that is taken, in bytes of JSON."""
MOST_NAMES = 10_000
"""Most tags, aliases, metrics or params of a record: each costs the index and the journal a field."""
HIDDEN = "(hidden)"
"""What stands in a native payload in the place of a value that may be a secret."""


class Mark(str):
    """From where a scan can go on, in this process or another. Opaque to everyone but its adapter."""

    __slots__ = ()


Watermark = str
"""Opaque to everyone but its adapter: where the next incremental scan begins."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The identity of a model, version or endpoint inside one backend.

    `native_id` is opaque to everyone but the adapter and includes the creation: something deleted and created again
    under the same name has another key.
    """

    kind: Kind
    native_id: str


@dataclass(frozen=True, slots=True)
class Column:
    """One input, output or parameter of a model.

    `type` is a word of the backend or an expression of them (`adapters.datatypes`). A tensor has a `shape`: -1 is a
    free dimension, `()` is a single value; None: no tensor, or its shape is not known. A `positional` column is told
    by its place, which is its `name`. `default` is that of a parameter, as JSON.
    """

    name: str
    type: str
    required: bool = True
    shape: tuple[int, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    positional: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """What a version takes and gives. `params` steer a single call; each has a default."""

    inputs: tuple[Column, ...] = ()
    outputs: tuple[Column, ...] = ()
    params: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data a version was made from or measured on. `digest` is the backend's own, `uri` where it lies.

    `role` is `training`, `validation` or `evaluation`, where the backend says it in a word that `dataset_role` knows.
    """

    name: str
    digest: str | None = None
    uri: str | None = None
    role: str | None = None

    @classmethod
    def at(cls, uri: str, role: str | None = None) -> "Dataset":
        """Data of which nothing but the address is known: the last step of it is the name."""
        return cls(uri.rstrip("/").rpartition("/")[2] or uri, uri=uri, role=role)


_ROLES = {
    "training": ("train", "training", "trainset", "fit"),
    "validation": ("val", "valid", "validation", "dev", "development", "tune", "tuning"),
    "evaluation": ("eval", "evaluate", "evaluation", "test", "testing", "holdout", "score", "scoring"),
}


def dataset_role(word: str | None) -> str | None:
    """The role that a backend's own word names (`train`, `Validation`, `test`), None for any other word."""
    plain = (word or "").strip().casefold()
    return next((role for role, words in _ROLES.items() if plain in words), None)


ParentKind = Literal["base", "parent", "copy", "fine_tuned", "distilled", "quantised"]


@dataclass(frozen=True, slots=True)
class Parent:
    """A model this version was derived from. `reference` is one reference: `naming.reference` makes one of the same
    registry, `REGISTRY/` in front means another one where the same has no model of that name; or it is an address, as
    in `VersionRecord.addresses`; or plain text, which is the name of a model. The source of a `copy` is never younger
    than the version.
    """

    reference: str
    kind: ParentKind = "parent"


@dataclass(frozen=True, slots=True)
class Lineage:
    """Who made a version from what, as far as the backend knows."""

    run_id: str | None = None
    run_url: str | None = None
    commit: str | None = None
    repository: str | None = None
    pipeline: str | None = None
    datasets: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()
    dependencies: tuple[str, ...] = ()
    """References the backend itself declares, each as in `Parent` (the tag `depends_on` is read by the federation)."""


NO_LINEAGE = Lineage()


@dataclass(frozen=True, slots=True)
class Image:
    """A container image. `digest` is the registry's own (`sha256:…`), where the address was resolved to one."""

    address: str
    digest: str | None = None

    @classmethod
    def at(cls, address: str, digest: str | None = None) -> "Image":
        """The image at an address, which may name the digest itself."""
        named = _IMAGE_DIGEST.search(address)
        digest = digest or (named[1] if named else None)
        return cls(address, digest.lower() if digest else None)


_IMAGE_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Environment:
    """The software that a version needs or is served with.

    `libraries` maps a package to its version, or to the constraint as written (`>=1.2,<2`) where none is pinned, or
    to an empty text. `ecosystem` is the package URL type they are all of (`pypi`, `conda`), where that is known;
    `python` the interpreter's version; `file` what the backend keeps them in, relative to the artifact.
    """

    images: tuple[Image, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)
    ecosystem: str | None = None
    python: str | None = None
    file: str | None = None


NO_ENVIRONMENT = Environment()


@dataclass(frozen=True, slots=True)
class Unread:
    """What of a record could not be read this time, and why: unknown, which is not absent.

    `fields` are fields of the record, or one inside of a field as `lineage.commit`, `native.run`. What the catalogue
    knows of them stays. `reason` is one line that is the same for the same failure, fit to be shown.
    """

    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Details:
    """What a listing does not carry of a version and its files say; None where they do not say it either.

    What the record itself has comes first.
    """

    schema: Schema | None = None
    framework: str | None = None
    environment: Environment | None = None
    artifact_uri: str | None = None
    """Where the files really are, of a version whose own address only names another version."""
    unread: Unread | None = None
    """What of the files could not be read although something of them could: it is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model. `aliases` maps an alias to the version it names; a model may have no versions.

    `type` is `model`, `prompt`, `agent` …; `title` is the display name where the name in references is an opaque id.
    """

    key: Key
    name: str
    title: str | None = None
    type: str = "model"
    description: str | None = None
    owner: Person | None = None
    license: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = None
    url: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)
    unread: Unread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version of a model. `model` is the key of the model it belongs to.

    - `stage`, `approval` and `lifecycle` are the backend's own words, each where the backend has that notion
      (`lifecycle` is `Stage/Status`).
    - `etag` changes whenever something that can be written changes; it is what compare-and-set compares.
    - `schema` is None where the backend does not give it in a listing: then `Adapter.details` reads it.
    - `state` is the backend's own word for a version that cannot be used (yet): `Failed`, `PENDING_REGISTRATION`, with
      its reason behind a colon where it gives one; None for one that is ready.
    - `addresses` are what the backend's users call the version without a registry (an ARN, `models:/m-…`): who names
      one of them means this version. An address begins with `//`, or with one word and `:/`, or two words and `:` each.
    """

    key: Key
    model: Key
    version: str
    state: str | None = None
    description: str | None = None
    stage: str | None = None
    approval: str | None = None
    lifecycle: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    framework: str | None = None
    license: str | None = None
    owner: Person | None = None
    creator: Person | None = None
    schema: Schema | None = None
    artifact_uri: str | None = None
    artifact_digest: str | None = None
    addresses: tuple[str, ...] = ()
    lineage: Lineage = NO_LINEAGE
    environment: Environment = NO_ENVIRONMENT
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = None
    url: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)
    unread: Unread | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The share of an endpoint's traffic (0 to 100 %) for one version. `version` is the version's key."""

    version: Key
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """What serves. `state` in the backend's own word; `live` says whether it takes requests now.

    `traffic` names every version that is deployed there: with 0 % where no answer of it reaches anybody. Versions that
    are called by name take all that name them, so shares may add up to more than 100.
    """

    key: Key
    name: str
    state: str | None = None
    live: bool = True
    traffic: tuple[Traffic, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    etag: str | None = None
    url: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)
    unread: Unread | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The backend itself says that this is gone (an event, a delete marker). It needs no further proof."""

    key: Key


@dataclass(frozen=True, slots=True)
class Attached:
    """What somebody stated of a version's artifact, kept beside it in the backend: a `signature` (a bundle of
    Sigstore's) or the report of a `scan`. `content` is as it came; the same again is the same statement.
    """

    key: Key
    kind: Literal["signature", "scan"]
    content: bytes


Record = ModelRecord | VersionRecord | EndpointRecord


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the backend that a scan has listed whole: all of one kind or, with `of`, all versions of one model."""

    kind: Kind
    of: Key | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """The backend itself says that this is not as it is now: a line with what, and since when."""

    line: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A registry behind a backend that is a gateway: what it is called there, and by what its backend is known.

    `is_read` says whether what it holds is read through that gateway. `chains` are the gateways further behind it,
    where its backend is one: each by its identity, with those on the way to it in front.
    """

    name: str
    identities: tuple[str, ...] = ()
    is_read: bool = True
    chains: tuple[tuple[str, ...], ...] = ()
