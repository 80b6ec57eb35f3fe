"""What the index holds of one version, or of a model that has none."""

from collections.abc import Mapping
from datetime import datetime

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One version (`version_id` and `version` set) or a model without versions (both None).

    Ids are the catalogue's surrogates. `stage` is one of none, staging, production and archived, `state` the backend's
    word for a version that cannot be used (yet). `depends_on`
    holds references as text, `libraries` versions by name, `images` addresses and digests of container images,
    `flags` values of `has:`, `creator` whoever made it. Times are UTC.
    """

    registry_id: int
    model_id: int
    version_id: int | None = None
    registry: str
    team: str
    model: str
    version: str | None = None
    title: str = ""
    type: str = "model"
    stage: str = "none"
    state: str = ""
    framework: str = ""
    owner: str = ""
    license: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    metrics: Mapping[str, float] = {}
    params: Mapping[str, str] = {}
    depends_on: tuple[str, ...] = ()
    libraries: Mapping[str, str] = {}
    images: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    created: datetime | None = None
    first_seen: datetime | None = None
    updated: datetime | None = None
