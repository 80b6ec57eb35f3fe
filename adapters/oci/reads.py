"""Reading single things: what scans and `get` share. What has a digest never changes, and is read once."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from adapters.errors import (
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from adapters.http import TooLargeError
from adapters.kept import Kept
from adapters.oci.client import ACCEPT, CATALOGUE, OciClient, UnprovedAbsenceError, pull
from adapters.parsing import Bounds, parse_json
from adapters.payloads import Raw, parts, text
from adapters.records import Attached, Key

MOST_MANIFEST = 4 << 20
"""Bytes of a manifest: what registries take at least, and most at most."""
MOST_CONFIG = 1 << 20
MOST_KEPT = 64 << 20
"""Bytes of manifests and configurations that are kept between scans."""
MOST_TAGS = 200_000
REPOSITORY = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
REFERRERS = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(\.[A-Za-z0-9._-]+)?")
"""A tag that stands for what refers to a digest: signatures, bills of materials."""
DIALECTS = (
    ("modelpack", re.compile(r"application/vnd\.(?:cncf|cnai)\.model\.config\.v1\+json")),
    ("kitops", re.compile(r"application/vnd\.kitops\.modelkit\.config\.v1\+json")),
    ("docker", re.compile(r"application/vnd\.docker\.ai\.model\.config\.v[0-9.]{1,9}\+json")),
)
StatedKind = Literal["signature", "scan"]
STATED: tuple[tuple[StatedKind, re.Pattern[str]], ...] = (
    ("signature", re.compile(r"application/vnd\.dev\.sigstore\.bundle")),
    ("scan", re.compile(r"application/sarif\+json")),
)
"""Layers that state something of what a manifest refers to, by their types."""
MOST_ATTACHED = 20
MOST_STATED = 1000
OLLAMA = "application/vnd.ollama.image.model"
"""The type of a layer; the configuration's is that of any image."""
_BOUNDS = Bounds(size=MOST_MANIFEST)


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a digest stands for. `dialect` is None for what is no model. `problem`: it cannot be understood. `children`
    are the digests in an index, whose first model's configuration it has. `unread`: why that could not be read.
    """

    digest: str
    dialect: str | None = None
    manifest: Raw = field(default_factory=dict)
    config: Raw = field(default_factory=dict)
    children: tuple[str, ...] = ()
    problem: BadRecordError | None = None
    unread: str | None = None
    size: int = 200


class Reader:
    """Reads a registry. Errors of every method: any `AdapterError`."""

    def __init__(self, client: OciClient) -> None:
        self.client = client
        self._artifacts: Kept[str, Artifact] = Kept(MOST_KEPT, lambda artifact: artifact.size)
        self._digests: Kept[tuple[str, str], str] = Kept(MOST_TAGS)
        """What a tag of a repository stood for when it was last seen."""
        self.tells_referrers = True
        """Whether the registry answers who refers to a manifest, as far as is known."""
        self._statements: Kept[str, tuple[tuple[StatedKind, bytes], ...]] = Kept(MOST_STATED)

    def repositories(self) -> list[str]:
        """The repositories to be read, in order."""
        config = self.client.config
        names = {one for one in config.repositories if "*" not in one}
        if config.needs_catalogue:
            for one in self.client.listed("/v2/_catalog", CATALOGUE, "repositories"):
                names |= {one} if config.wants(one) else set()
        return sorted(names)

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, in order."""
        if not REPOSITORY.fullmatch(repository):
            raise NotFoundError(f"repository {ascii(repository)[:100]} cannot exist")
        return sorted({*self.client.listed(f"/v2/{repository}/tags/list", pull(repository), "tags")})

    def begin(self, repository: str, submit: Callable[..., Future[Any]]) -> dict[str, Future[Any]]:
        """What the tags of a repository stand for, being read by others. Errors: `NotFoundError` where it has none."""
        tags = self.tags(repository)
        if not tags:
            raise NotFoundError(f"repository {repository} has no tags")
        return {tag: submit(self.tagged, repository, tag) for tag in tags}

    def repository(self, name: str) -> "TaggedRepository":
        """A repository as it stands now. Errors: `NotFoundError` where it has no tags."""
        with ThreadPoolExecutor(self.client.config.concurrency, thread_name_prefix="oci-get") as pool:
            found = {tag: future.result() for tag, future in self.begin(name, pool.submit).items()}
        return TaggedRepository(name, {tag: one for tag, one in found.items() if one is not None})

    def tagged(self, repository: str, tag: str) -> Artifact | None:
        """What a tag stands for now; None where it is gone."""
        if not TAG.fullmatch(tag):
            native = f"{repository}:{ascii(tag)[1:100]}"
            return Artifact("", problem=BadRecordError(f"{native}: this is no tag", native=native))
        place, digest = (repository, tag), None
        if REFERRERS.fullmatch(tag):
            return Artifact(self._digest(repository, tag) or "")
        try:
            digest = self._digest(repository, tag) if self._digests.get(place) else None
            artifact = self.artifact(repository, digest or tag)
        except NotFoundError:
            self._digests.forget(place)
            return None
        except (BadRecordError, TooLargeError) as error:
            native = f"{repository}:{tag}"
            return Artifact(digest or "", problem=BadRecordError(f"{native}: {error}", native=native))
        self._digests.keep(place, artifact.digest)
        return artifact

    def artifact(self, repository: str, name: str) -> Artifact:
        """What a digest, or a tag, stands for."""
        if (known := self._artifacts.get(name)) is not None:
            return known
        digest, body = self.manifest(repository, name)
        return self._artifacts.get(digest) or self._understood(repository, digest, body)

    def manifest(self, repository: str, name: str) -> tuple[str, bytes]:
        """The digest and the bytes of a manifest, which fit each other."""
        path = f"/v2/{repository}/manifests/{name}"
        reply = self.client.scoped("GET", path, pull(repository), headers=ACCEPT, max_bytes=MOST_MANIFEST)
        told = name if DIGEST.fullmatch(name) else reply.headers.get("docker-content-digest", "")
        if not told and not reply.is_json:
            raise TransientError(
                f"{self.client.config.host} answered with no manifest: check what stands before it"
            )
        algorithm = told.partition(":")[0] if DIGEST.fullmatch(told) else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, reply.body).hexdigest()}"
        if told and told != digest:
            raise BadRecordError(f"it has other bytes than {told[:80]} stands for")
        return digest, reply.body

    def attached(self, repository: str, digest: str, known: Iterable[str], asks: bool) -> list[Attached]:
        """What is stated of a digest by these others, and, with `asks`, by what the registry says refers to it. What
        cannot be read is left out this time.
        """
        names = dict.fromkeys(one for one in known if one)
        names |= dict.fromkeys(self._referring(repository, digest) if asks and self.tells_referrers else ())
        key = Key("version", f"{repository}@{digest}")
        stated = (self._stated(repository, name, is_deep=True) for name in islice(names, MOST_ATTACHED))
        return [Attached(key, kind, body) for found in stated for kind, body in found]

    def _referring(self, repository: str, digest: str) -> list[str]:
        path = f"/v2/{repository}/referrers/{digest}"
        try:
            body = self.client.scoped("GET", path, pull(repository), headers=ACCEPT).json()
        except RejectedError:
            self.tells_referrers = False
            return []
        return [
            one["digest"] for one in parts(body, "manifests") if DIGEST.fullmatch(text(one, "digest") or "")
        ]

    def _stated(self, repository: str, name: str, *, is_deep: bool) -> tuple[tuple[StatedKind, bytes], ...]:
        """The statements in a manifest, or in those of an index: read once, since a digest never changes."""
        if (known := self._statements.get(name)) is not None:
            return known
        found: list[tuple[StatedKind, bytes]] = []
        try:
            manifest = parse_json(self.manifest(repository, name)[1], f"manifest {name}", _BOUNDS)
            for child in islice(parts(manifest, "manifests") if is_deep else (), MOST_ATTACHED):
                if DIGEST.fullmatch(text(child, "digest") or ""):
                    found += self._stated(repository, child["digest"], is_deep=False)
            for layer in islice(parts(manifest, "layers"), MOST_ATTACHED):
                for kind, shape in STATED:
                    at = text(layer, "digest") or ""
                    if shape.match(text(layer, "mediaType") or "") and DIGEST.fullmatch(at):
                        found.append((kind, self.client.blob(repository, at, MOST_CONFIG)))
        except (BadRecordError, RejectedError):
            return ()
        return self._statements.keep(name, tuple(found))

    def _digest(self, repository: str, tag: str) -> str | None:
        """The digest of a tag; None where a registry does not say it. Errors: `NotFoundError`."""
        path = f"/v2/{repository}/manifests/{tag}"
        try:
            reply = self.client.scoped("HEAD", path, pull(repository), headers=ACCEPT)
        except UnprovedAbsenceError:
            return None  # an answer to HEAD has no body, so no proof: GET gives it
        told = reply.headers.get("docker-content-digest", "")
        return told if DIGEST.fullmatch(told) else None

    def _keep(self, artifact: Artifact) -> Artifact:
        return self._artifacts.keep(artifact.digest, artifact)

    def _understood(self, repository: str, digest: str, body: bytes) -> Artifact:
        """What a manifest says, kept where that can never be otherwise."""
        native = f"{repository}@{digest}"
        try:
            manifest = parse_json(body, f"the manifest of {native}", _BOUNDS)
            if not isinstance(manifest, dict):
                raise BadRecordError(f"the manifest of {native} is no object")
        except BadRecordError as error:
            return self._keep(Artifact(digest, problem=BadRecordError(str(error), native=native)))
        listed = [one for one in parts(manifest, "manifests") if DIGEST.fullmatch(text(one, "digest") or "")]
        if listed:
            return self._indexed(repository, digest, manifest, [one["digest"] for one in listed])
        dialect = dialect_of(manifest)
        if dialect is None:
            return self._keep(Artifact(digest))
        return self._configured(repository, Artifact(digest, dialect, manifest, size=len(body)))

    def _indexed(self, repository: str, digest: str, manifest: Raw, children: list[str]) -> Artifact:
        """An index stands for a model where the first of its manifests does."""
        found = Artifact(digest, manifest=manifest, children=tuple(children), size=len(children) * 200)
        try:
            first = self.artifact(repository, children[0])
        except NotFoundError:
            return found
        if first.dialect is None or first.children:
            return self._keep(replace(found, problem=first.problem))
        found = replace(found, dialect=first.dialect, config=first.config, unread=first.unread)
        return found if found.unread else self._keep(found)

    def _configured(self, repository: str, artifact: Artifact) -> Artifact:
        digest = text(artifact.manifest, "config", "digest") or ""
        native, size = f"{repository}@{artifact.digest}", artifact.size
        try:
            if not DIGEST.fullmatch(digest):
                raise BadRecordError(f"{native} names no configuration by its digest")
            body = self.client.blob(repository, digest, MOST_CONFIG)
            if hashlib.new(digest.partition(":")[0], body).hexdigest() != digest.partition(":")[2]:
                raise BadRecordError(
                    f"the configuration of {native} has other bytes than its digest stands for"
                )
            config = parse_json(body, f"the configuration of {native}")
            if not isinstance(config, dict):
                raise BadRecordError(f"the configuration of {native} is no object")
        except BadRecordError as error:
            return self._keep(replace(artifact, problem=BadRecordError(str(error), native=native)))
        except (NotFoundError, AuthError, InvalidError) as error:
            return replace(artifact, unread=f"the configuration of {native}: {error}")
        return self._keep(replace(artifact, config=config, size=size + len(body)))


@dataclass(frozen=True, slots=True)
class TaggedRepository:
    """A repository as it stood: what each tag stands for."""

    name: str
    tags: Mapping[str, Artifact]

    @property
    def models(self) -> dict[str, Artifact]:
        """The tags that stand for a model which can be understood."""
        return {tag: one for tag, one in self.tags.items() if one.dialect is not None and one.problem is None}

    def referrers(self, digest: str) -> dict[str, str]:
        """The tags that stand for what refers to a digest (`sha256-DIGEST.sig`), and what they stand for now."""
        at = digest.replace(":", "-")
        shapes = {tag: one.digest for tag, one in sorted(self.tags.items()) if REFERRERS.fullmatch(tag)}
        return {tag: other for tag, other in shapes.items() if tag.partition(".")[0] == at}

    def problems(self) -> Iterator[BadRecordError]:
        """What cannot be understood, each once."""
        found = {one.digest or tag: one.problem for tag, one in self.tags.items() if one.problem is not None}
        yield from found.values()


def dialect_of(manifest: Raw) -> str | None:
    """What kind of a model a manifest is of; None where it is of something else."""
    kind = text(manifest, "config", "mediaType") or ""
    if any(text(layer, "mediaType") == OLLAMA for layer in parts(manifest, "layers")):
        return "ollama"
    return next((name for name, shape in DIALECTS if shape.fullmatch(kind)), None)
