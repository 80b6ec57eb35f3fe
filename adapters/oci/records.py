"""From manifests and configurations to records; no I/O."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from adapters.errors import NotFoundError
from adapters.naming import reference
from adapters.oci.config import OciConfig
from adapters.oci.reads import DIGEST, REPOSITORY, Artifact, TaggedRepository
from adapters.payloads import Raw, at, moment, part, parts, text
from adapters.records import Dataset, Key, Lineage, ModelRecord, Parent, Unread, VersionRecord, dataset_role
from adapters.writing import digest as etag_of

OCI = "org.opencontainers.image."
NUMBERED = re.compile(r"v?(\d{1,18}(?:\.\d{1,18}){0,3})([-+._][A-Za-z0-9._+-]+)?")
"""A tag that looks like a version: it names one. Others are aliases."""
SHORT = 12
"""Digits of the digest that name a version which no tag names."""
CONFIGURED = (
    "description",
    "framework",
    "params",
    "license",
    "creator",
    "lineage",
    "created_at",
    "native.config",
)
"""What a version has from its configuration."""
_RUN, _RUN_URL, _BASE = (
    re.compile(rf"(?:.*[./])?{words}", re.IGNORECASE)
    for words in ("run[._-]?id", "run[._-]?url", "base[._-]?model")
)


class ConfigFacts(NamedTuple):
    """What a configuration says, in any dialect."""

    description: str | None = None
    license: str | None = None
    framework: str | None = None
    creator: str | None = None
    created: str | None = None
    commit: str | None = None
    source: str | None = None
    params: Mapping[str, Any] = {}
    datasets: tuple[Dataset, ...] = ()
    base: str | None = None


def to_model(config: OciConfig, found: TaggedRepository) -> ModelRecord:
    """The model that a repository is. Errors: `NotFoundError` where it holds none."""
    models = found.models
    if not models:
        raise NotFoundError(f"repository {found.name} holds no model")
    tags = {tag: one.digest for tag, one in sorted(models.items())}
    names = names_of(tags)
    return ModelRecord(
        key=Key("model", found.name),
        name=found.name,
        aliases={tag: names[digest] for tag, digest in tags.items() if names[digest] != tag},
        etag=etag_of(tags),
        native={"name": found.name, "tags": tags},
    )


def to_versions(config: OciConfig, found: TaggedRepository) -> Iterator[VersionRecord]:
    """The versions in a repository: one for each digest that a tag stands for."""
    models = {one.digest: one for one in found.models.values()}
    names = names_of({tag: one.digest for tag, one in found.models.items()})
    for digest, artifact in sorted(models.items()):
        yield _version(config, found, names[digest], artifact)


def names_of(tags: Mapping[str, str]) -> dict[str, str]:
    """What each digest is called: by the first of its tags that look like a version, the most exact ones before
    others, so that no later tag renames it. Else by the first digits of the digest.
    """
    of: dict[str, list[str]] = defaultdict(list)
    for tag, digest in tags.items():
        of[digest] += [tag] if NUMBERED.fullmatch(tag) else []
    short = {digest: digest.replace(":", "-")[: len("sha256-") + SHORT] for digest in of}
    return {digest: min(numbered, key=_rank, default=short[digest]) for digest, numbered in of.items()}


def _rank(tag: str) -> tuple[int, list[int], bool, str]:
    shape = NUMBERED.fullmatch(tag)
    assert shape is not None
    numbers = [int(one) for one in shape[1].split(".")]
    return -len(numbers), numbers, not (shape[2] or "").startswith("-"), tag


def version_key(repository: str, digest: str) -> Key:
    """The key of a version."""
    return Key("version", f"{repository}@{digest}")


def split_key(key: Key) -> tuple[str, str]:
    """Repository and digest of a key (empty for a model). Errors: `NotFoundError` for a key nobody made."""
    repository, _, digest = key.native_id.partition("@")
    is_made = bool(digest) == (key.kind == "version") and (not digest or DIGEST.fullmatch(digest))
    if key.kind == "endpoint" or not is_made or not REPOSITORY.fullmatch(repository):
        raise NotFoundError(f"{key.kind} {ascii(key.native_id)[:100]} does not exist")
    return repository, digest


def _version(config: OciConfig, found: TaggedRepository, name: str, artifact: Artifact) -> VersionRecord:
    notes = {key: one for key, one in part(artifact.manifest, "annotations").items() if isinstance(one, str)}
    facts = _READERS[artifact.dialect or ""](artifact.config)
    place, digest = f"oci://{config.host}/{found.name}", artifact.digest
    by_name = (f"{place}:{name}",) if NUMBERED.fullmatch(name) else ()
    native = {"manifest": artifact.manifest, "config": artifact.config, "referrers": found.referrers(digest)}
    return VersionRecord(
        key=version_key(found.name, digest),
        model=Key("model", found.name),
        version=name,
        description=facts.description or notes.get(f"{OCI}description"),
        tags=notes,
        params={key: str(one) for key, one in facts.params.items() if isinstance(one, str | int | float)},
        framework=facts.framework,
        license=facts.license or notes.get(f"{OCI}licenses"),
        creator=facts.creator or notes.get(f"{OCI}authors"),
        artifact_uri=f"{place}@{digest}",
        artifact_digest=digest,
        addresses=(f"{place}@{digest}", *by_name),
        lineage=Lineage(
            run_id=_noted(notes, _RUN),
            run_url=_noted(notes, _RUN_URL),
            commit=facts.commit or notes.get(f"{OCI}revision"),
            repository=facts.source or notes.get(f"{OCI}source"),
            datasets=facts.datasets,
            parents=tuple(_parents(config, facts, notes)),
        ),
        created_at=moment(facts.created or notes.get(f"{OCI}created")),
        etag=digest,
        url=config.page_of(repository=found.name, digest=digest, version=name),
        native={key: one for key, one in native.items() if one},
        unread=Unread(CONFIGURED, artifact.unread) if artifact.unread else None,
    )


def _modelpack(config: Raw) -> ConfigFacts:
    told, made = part(config, "descriptor"), part(config, "config")
    named = at(told, "datasetsURL")
    urls = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    params = {**{key: told.get(key) for key in ("family", "vendor", "name", "version")}, **made}
    return ConfigFacts(
        description=text(told, "description") or text(told, "title"),
        license=_joined(at(told, "licenses"), " AND "),
        framework=text(made, "format"),
        creator=_joined(at(told, "authors"), ", "),
        created=text(told, "createdAt"),
        commit=text(told, "revision"),
        source=text(told, "sourceURL"),
        params=params,
        datasets=tuple(Dataset.at(url, "training") for url in urls if isinstance(url, str) and url),
    )


def _kitops(config: Raw) -> ConfigFacts:
    package, model = part(config, "package"), part(config, "model")
    named = [(text(one, "name") or text(one, "path"), one) for one in parts(config, "datasets")]
    sets = (
        Dataset(name, text(one, "layerInfo", "digest"), role=dataset_role(name))
        for name, one in named
        if name
    )
    own = {key: model.get(key) for key in ("name", "version", "format")}
    return ConfigFacts(
        description=text(model, "description") or text(package, "description"),
        license=text(model, "license") or text(package, "license"),
        framework=text(model, "framework"),
        creator=_joined(at(package, "authors"), ", "),
        params={**own, **part(model, "parameters")},
        datasets=tuple(sets),
        base=text(model, "path"),
    )


def _docker(config: Raw) -> ConfigFacts:
    told, made = part(config, "descriptor"), part(config, "config")
    kind = text(made, "format")
    sizes = {key: made.get(key) for key in ("size", "architecture", "parameters", "quantization")}
    params = {**sizes, **part(made, kind or "")}
    return ConfigFacts(
        framework=kind, created=text(told, "createdAt") or text(told, "created"), params=params
    )


def _ollama(config: Raw) -> ConfigFacts:
    params = {key: config.get(key) for key in ("model_family", "model_type", "file_type")}
    return ConfigFacts(framework=text(config, "model_format"), params=params)


_READERS = {"modelpack": _modelpack, "kitops": _kitops, "docker": _docker, "ollama": _ollama}


def _parents(config: OciConfig, facts: ConfigFacts, notes: Mapping[str, str]) -> Iterator[Parent]:
    """What a model was made from: the base of an image, a ModelKit in a Kitfile, a model that is named as its base."""
    name, digest = notes.get(f"{OCI}base.name"), notes.get(f"{OCI}base.digest")
    if name:
        yield Parent(_image(config, name, digest) or reference(name), "base")
    if facts.base and (kit := _image(config, facts.base)):
        yield Parent(kit, "base")
    if (base := _noted(notes, _BASE)) is not None:
        yield Parent(_image(config, base) or reference(base), "base")


def _image(config: OciConfig, name: str, digest: str | None = None) -> str | None:
    """How a record names what is at HOST/REPOSITORY:TAG@DIGEST; None for what is no such name."""
    host, _, rest = name.removeprefix("oci://").partition("/")
    rest, _, named = rest.partition("@")
    repository, _, tag = rest.partition(":")
    digest = named or digest
    if not (set(host) & {".", ":"} or host == "localhost") or not REPOSITORY.fullmatch(repository):
        return None
    place = f"oci://{host}/{repository}"
    if digest and DIGEST.fullmatch(digest):
        return f"{place}@{digest}"
    if host != config.host or not tag:
        return f"{place}:{tag or 'latest'}"
    return reference(repository, tag) if NUMBERED.fullmatch(tag) else f"{reference(repository)}@{tag}"


def _noted(notes: Mapping[str, str], shape: re.Pattern[str]) -> str | None:
    return next((one for key, one in sorted(notes.items()) if one and shape.fullmatch(key)), None)


def _joined(found: Any, by: str) -> str | None:
    return (
        by.join(one for one in found if isinstance(one, str) and one) or None
        if isinstance(found, list)
        else None
    )
