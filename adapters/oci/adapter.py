"""The adapter for a registry of OCI artifacts that holds models.

A repository is a model, a manifest that a tag stands for is a version, whose identity is its digest. Tags that look
like a version name one, others are aliases. What no tag stands for any more is gone: no registry lists it.

Signatures and reports of scans that are attached to a version come with it, as Sigstore bundles and SARIF: by tags such
as `sha256-DIGEST.sig` with every scan, by the registry's list of referrers with each full scan.

Every scan lists everything: the catalogue, the tags of each repository, and by one HEAD each what they stand for. What
has a digest never changes and is read once. So a change of any kind is seen by the next scan.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import ClassVar

from adapters.contract import BackendInfo, Capability, Page, Snippet, StageField
from adapters.errors import AuthError, InvalidError, NotFoundError, RejectedError, UnsupportedError
from adapters.oci import snippets
from adapters.oci.client import CATALOGUE, OciClient
from adapters.oci.config import OciConfig
from adapters.oci.reads import Reader, TaggedRepository
from adapters.oci.records import split_key, to_model, to_versions
from adapters.oci.scan import WATERMARK, Scan, begin
from adapters.oci.writes import Writer
from adapters.records import Key, Mark, ModelRecord, Record, VersionRecord, Watermark
from adapters.scanning import paged
from adapters.served import ServiceAdapter
from adapters.writing import compare, has_alias, remove

LOOKED_AT = 5
"""Repositories for which `probe` looks at what the token is for."""
NEEDS = {Capability.SET_ALIAS: "push", Capability.DELETE: "delete"}
"""The right that each write takes."""


class OciAdapter(ServiceAdapter):
    """Speaks to one registry."""

    kind = "oci"
    contract = 1
    reading = 1
    config_type = OciConfig
    capabilities = frozenset({Capability.SET_ALIAS, Capability.DELETE})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:production", "alias:prod", "alias:champion", "alias:stable"),
        "staging": ("alias:staging", "alias:challenger", "alias:candidate"),
        "archived": ("alias:archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {}
    _api: OciClient

    def __init__(self, config: OciConfig) -> None:
        self.config = config
        self._api = OciClient(config)
        self._reader = Reader(self._api)
        self._writes = Writer(self._reader)

    def __repr__(self) -> str:
        return f"OciAdapter({self.config.host})"

    def probe(self) -> BackendInfo:
        self._reader.tells_referrers = True
        reply = self._api.scoped("GET", "/v2/", "")
        if "json" not in reply.headers.get("content-type", "") and reply.body.strip():
            reply.json()  # a login page, say
        version = reply.headers.get("docker-distribution-api-version", "registry/2.0")
        missing, lacking = [*self._missing()], dict(self._lacking())
        missing += [
            f"repository {name}: the token is not for {' and '.join(sorted(rights))}"
            for name, rights in lacking.items()
            if rights
        ]
        nowhere = frozenset.intersection(*lacking.values()) if lacking else frozenset()
        unavailable = frozenset(capability for capability, right in NEEDS.items() if right in nowhere)
        return BackendInfo(version, f"oci:{self.config.host}", tuple(missing), unavailable)

    def _missing(self) -> Iterator[str]:
        """What this credential may not read. Errors: where nothing is left, that of the catalogue."""
        if self.config.needs_catalogue:
            try:
                next(self._api.listed("/v2/_catalog", CATALOGUE, "repositories"), None)
            except (AuthError, NotFoundError, InvalidError, UnsupportedError) as error:
                if not self.config.repositories:
                    raise type(error)(
                        f"the catalogue cannot be listed: {error}; or name `repositories`"
                    ) from None
                yield f"the catalogue cannot be listed, so patterns find nothing: {error}"
        for name in self.config.repositories:
            if "*" not in name:
                try:
                    self._reader.tags(name)
                except (AuthError, NotFoundError) as error:
                    yield f"repository {name} cannot be read: {error}"

    def _lacking(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The first repositories whose tokens say what they are for, each with the rights that are not among it."""
        with suppress(RejectedError):
            listed = self._api.listed("/v2/_catalog", CATALOGUE, "repositories")
            named = (one for one in self.config.repositories if "*" not in one)
            names = chain(named, filter(self.config.wants, listed if self.config.needs_catalogue else ()))
            for name in islice(names, LOOKED_AT):
                granted = self._api.granted(name)
                if granted is not None:
                    yield name, frozenset(NEEDS.values()) - granted

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        if since not in (None, WATERMARK):
            raise InvalidError("this watermark is not of the oci adapter: scan everything")
        return paged(Scan(self._reader, begin(resume), asks=since is None).found(), limit)

    def get(self, key: Key) -> Record:
        return self._model(key) if key.kind == "model" else self._version(key)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self.config, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        found = self._repository(key)
        now = to_model(self.config, found)
        if has_alias(alias, version).is_met(now):
            return now
        compare(now, etag)
        self._writes.point(found, alias, version)
        return self._model(key)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if key.kind == "model":
            raise UnsupportedError("a registry deletes no repository: delete its versions, or do it there")
        remove(self.get, key, lambda now: self._writes.remove(self._repository(key), split_key(key)[1]), etag)

    def _repository(self, key: Key) -> TaggedRepository:
        name = split_key(key)[0]
        if not self.config.wants(name):
            raise NotFoundError(f"repository {name} is none of this registry's `repositories`")
        return self._reader.repository(name)

    def _model(self, key: Key) -> ModelRecord:
        found = self._repository(key)
        for problem in () if found.models else found.problems():
            raise problem
        return to_model(self.config, found)

    def _version(self, key: Key) -> VersionRecord:
        _, digest = split_key(key)
        found = self._repository(key)
        for version in to_versions(self.config, found):
            if version.key == key:
                return version
        for one in found.tags.values():
            if one.problem is not None and one.digest in ("", digest):
                raise one.problem
        raise NotFoundError(f"no tag of {found.name} stands for {digest[:19]}")
