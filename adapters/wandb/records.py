"""From Weights & Biases' JSON to records: collections are models, what is linked to them are versions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.errors import BadRecordError
from adapters.parsing import parse_json
from adapters.payloads import Raw, integer, is_number, part, parts, text, time_of
from adapters.records import Dataset, Lineage, ModelRecord, Parent, Unread, VersionRecord
from adapters.wandb.config import WandbConfig
from adapters.wandb.keys import of_collection, of_link
from adapters.writing import digest

USABLE = "COMMITTED"
LATEST = "latest"
"""An alias that moves by itself."""
_NUMBERED = re.compile(r"v\d+")
TOKEN = re.compile(r"waypost-[0-9a-f]{32}")
"""An alias that says which registration made a link, and is none for anybody else."""


def to_model(raw: Raw, aliases: Mapping[str, str]) -> ModelRecord:
    """A collection, with the aliases of what is linked to it. Errors: `BadRecordError`."""
    at = of_collection(raw)
    native = {**raw, "aliases": dict(aliases)}
    return ModelRecord(
        key=at.model,
        name=at.name,
        type=text(raw, "type", "name") or "model",
        description=text(raw, "description"),
        tags={name: "" for edge in parts(raw, "tags", "edges") if (name := text(edge, "node", "name"))},
        aliases=aliases,
        created_at=time_of(raw, "createdAt"),
        updated_at=time_of(raw, "updatedAt"),
        etag=digest(native),
        native=native,
    )


def aliases_of(links: Iterable[Raw]) -> dict[str, dict[str, str]]:
    """The aliases of each collection, by its id. What a version is called (`vN`) is none."""
    found: dict[str, dict[str, str]] = {}
    for raw in links:
        number = integer(raw.get("versionIndex"))
        for one in parts(raw, "aliases"):
            alias = text(one, "alias")
            if alias and number is not None and not _NUMBERED.fullmatch(alias) and not TOKEN.fullmatch(alias):
                found.setdefault(text(raw, "artifactCollection", "id") or "", {})[alias] = f"v{number}"
    return found


def to_version(config: WandbConfig, raw: Raw) -> VersionRecord:
    """An artifact as it is linked to a collection. Errors: `BadRecordError`."""
    at, artifact = of_link(raw), part(raw, "artifact")
    source = address(artifact)
    if source is None:
        raise BadRecordError(f"{at.name}:{at.version} has no artifact, or one of no source", native=at.name)
    state = text(artifact, "state")
    said, problem = _metadata(artifact)
    numbers = {name: float(value) for name, value in said.items() if is_number(value)}
    return VersionRecord(
        key=at.key,
        model=at.model,
        version=at.version or "",
        state=None if state == USABLE else state or "UNKNOWN",
        description=text(artifact, "description"),
        tags={name: "" for one in parts(artifact, "tags") if (name := text(one, "name"))},
        metrics=numbers,
        params={
            name: value if isinstance(value, str) else str(value).lower()
            for name, value in said.items()
            if name and isinstance(value, str | bool)
        },
        artifact_uri=source,
        artifact_digest=text(artifact, "digest"),
        addresses=(source,),
        lineage=_lineage(config, artifact),
        created_at=time_of(raw, "createdAt"),
        updated_at=time_of(artifact, "updatedAt"),
        etag=digest(raw),
        native=raw,
        unread=Unread(("metrics", "params"), problem) if problem else None,
    )


def words_of(link: Raw) -> set[str]:
    """Every alias of a link, as it is told."""
    return {alias for one in parts(link, "aliases") if (alias := text(one, "alias"))}


def address(artifact: Raw) -> str | None:
    """What users call an artifact where it was logged: `wandb-artifact://ENTITY/PROJECT/NAME:vN`."""
    entity = text(artifact, "artifactSequence", "project", "entity", "name")
    project, name = (
        text(artifact, "artifactSequence", "project", "name"),
        text(artifact, "artifactSequence", "name"),
    )
    number = integer(artifact.get("versionIndex"))
    if not (entity and project and name) or number is None:
        return None
    return f"wandb-artifact://{entity}/{project}/{name}:v{number}"


def _lineage(config: WandbConfig, artifact: Raw) -> Lineage:
    """The run that logged it, and what that run used: data, and models it was made from."""
    run = part(artifact, "createdBy")
    name, project = text(run, "name"), text(run, "project", "name")
    entity = text(run, "project", "entity", "name")
    inputs = [part(edge, "node") for edge in parts(run, "inputArtifacts", "edges")]
    used = [(one, at) for one in inputs if (at := address(one)) and at != address(artifact)]
    return Lineage(
        run_id=name,
        run_url=f"{config.site}/{entity}/{project}/runs/{name}" if name and project and entity else None,
        datasets=tuple(
            Dataset(text(one, "artifactSequence", "name") or "", text(one, "digest"), at)
            for one, at in used
            if text(one, "artifactType", "name") != "model"
        ),
        parents=tuple(Parent(at) for one, at in used if text(one, "artifactType", "name") == "model"),
    )


def _metadata(artifact: Raw) -> tuple[Mapping[str, Any], str | None]:
    """What is stated of an artifact, and why it is not known."""
    written = text(artifact, "metadata")
    try:
        said = parse_json(written, "its metadata") if written else {}
    except BadRecordError as error:
        return {}, str(error)
    return (said, None) if isinstance(said, dict) else ({}, None)
