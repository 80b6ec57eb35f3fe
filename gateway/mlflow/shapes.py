"""Models and versions as MLflow's JSON has them: times in milliseconds as numbers, versions as texts, nothing for what
is absent.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from adapters import ModelRecord, VersionRecord
from federation.catalogue.catalogue import ListedModel, ListedVersion, Version
from gateway.mlflow.names import STAGES, files_of, shown_name

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
AS_TOLD = ("user_id", "description", "run_id", "run_link")
OWN_TAG = "waypost.token"
"""Marks what was made through Waypost; no client asked for it."""
PENDING = ("PENDING", "IN_PROGRESS", "INPROGRESS", "CREATING", "UPLOADING")
PROXIED = ("mlflow-artifacts", "http", "https")
"""Schemes of addresses at which a client would show its credentials for Waypost to another server."""


def listed(version: Version) -> ListedVersion:
    """A version that was read alone, as lists have it."""
    return ListedVersion(version.model, version.record, version.stage, version.aliases)


def model_shape(model: ListedModel, base: str) -> dict[str, Any]:
    """A registered model. `base` is the address of its registry's façade."""
    record = model.record
    shape: dict[str, Any] = {"name": shown_name(record.name), **_times(record)}
    if record.description:
        shape["description"] = record.description
    if model.latest:
        shape["latest_versions"] = [version_shape(one, base, in_list=True) for one in model.latest]
    if tags := _pairs(record.tags):
        shape["tags"] = tags
    if record.aliases:
        shape["aliases"] = [{"alias": name, "version": version} for name, version in record.aliases.items()]
    return shape


def version_shape(version: ListedVersion, base: str, *, in_list: bool = False) -> dict[str, Any]:
    """A model version. In lists MLflow leaves its aliases out."""
    record, native = version.record, version.record.native
    status, why = status_of(record.state)
    shape: dict[str, Any] = {
        "name": shown_name(version.model),
        "version": record.version,
        **_times(record),
        "current_stage": stage_of(version),
        "source": source_of(version, base),
        "status": status,
    }
    more = {
        "user_id": record.creator,
        "description": record.description,
        "run_id": record.lineage.run_id,
        "status_message": why,
    }
    if "current_stage" in native:  # a server of MLflow's tells an empty text from none
        more |= {name: native[name] for name in AS_TOLD if name in native}
    shape |= {name: value for name, value in more.items() if isinstance(value, str)}
    if tags := _pairs(record.tags):
        shape["tags"] = tags
    if version.aliases and not in_list:
        shape["aliases"] = list(version.aliases)
    return shape


def stage_of(version: ListedVersion) -> str:
    """The stage in MLflow's words: the normalised one, or where no rule gives any what the backend says in them."""
    native = version.record.stage
    told = native if version.stage == "none" and native in STAGES.values() else None
    return told or STAGES[version.stage]


def status_of(state: str | None) -> tuple[str, str | None]:
    """One of MLflow's three words for the backend's own one, and why."""
    if state is None:
        return "READY", None
    word, _, why = state.partition(":")
    plain = word.strip().upper().replace(" ", "_")
    status = "PENDING_REGISTRATION" if plain.startswith(PENDING) else "FAILED_REGISTRATION"
    return status, why.strip() or state


def source_of(version: ListedVersion, base: str) -> str:
    """What a version was registered from; not where a client would send its token to somebody else."""
    record = version.record
    said = record.native.get("source")
    source = said if isinstance(said, str) and said else record.artifact_uri or ""
    return proxied(version, base) if urlsplit(source).scheme in PROXIED else source


def proxied(version: ListedVersion, base: str) -> str:
    """The address at which this gateway hands out the files of a version."""
    return f"{base}{ARTIFACTS}/{files_of(version.model, version.record.version)}"


def newest_in(latest: Sequence[ListedVersion]) -> ListedVersion | None:
    """The newest of some versions, by number."""
    return max(latest, key=lambda one: (len(one.record.version), one.record.version), default=None)


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in tags.items() if name != OWN_TAG]


def _times(record: ModelRecord | VersionRecord) -> dict[str, int]:
    times = {
        "creation_timestamp": record.created_at,
        "last_updated_timestamp": record.updated_at or record.created_at,
    }
    return {name: milliseconds(at) for name, at in times.items() if at is not None}


def milliseconds(at: datetime) -> int:
    """A time as MLflow has it."""
    return round(at.timestamp() * 1000)
