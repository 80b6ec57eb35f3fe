"""What clients ask for on the way that is no part of a registry: the server, runs and logged models behind versions."""

from collections.abc import Mapping
from typing import Any

from federation.catalogue.catalogue import ListedVersion, ListRequest, Order
from gateway.mlflow.asked import CallFields
from gateway.mlflow.errors import missing
from gateway.mlflow.facade import Facade
from gateway.mlflow.models import is_plain
from gateway.mlflow.shapes import proxied
from gateway.problems import ProblemError


def server_info(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """What this server can: files are streamed, never handed out by addresses of their own."""
    _ = facade.known
    return {
        "store_type": "RestStore",
        "workspaces_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
    }


def get_run(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """The run behind a version, as far as the registry knows it."""
    run_id = asked.optional("run_id") or asked.text("run_uuid")
    version = _found(facade, f'run:"{run_id}"', run_id, lambda one: one.record.lineage.run_id == run_id)
    if version is None:
        raise missing(
            f"Run with id={run_id} not found: no version of registry {facade.registry} was made by it"
        )
    record = version.record
    said = _mapping(record.native.get("run"))
    known = {"run_id": run_id, "run_uuid": run_id, "lifecycle_stage": "active"}
    info = {**_mapping(said.get("info")), **known, "artifact_uri": proxied(version, facade.base)}
    tags = {name: value for name, value in _mapping(said.get("tags")).items() if isinstance(value, str)}
    data = {
        "params": [{"key": name, "value": value} for name, value in record.params.items()],
        "metrics": [
            {"key": name, "value": value, "timestamp": 0, "step": 0} for name, value in record.metrics.items()
        ],
        "tags": [{"key": name, "value": value} for name, value in tags.items()],
    }
    return {"run": {"info": info, "data": data, "inputs": {}}}


def get_logged_model(facade: Facade, asked: CallFields, model_id: str) -> dict[str, Any]:
    """The logged model behind a version."""
    return {"model": _logged_model(facade, model_id)}


def search_logged_models(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """Logged models belong to experiments, of which a registry has none."""
    _ = facade.known
    return {}


def tag_logged_model(facade: Facade, asked: CallFields, model_id: str) -> dict[str, Any]:
    """A client notes at a logged model which version was made of it. The version itself says that already, and more is
    not kept here. Errors: 404 for one that is not known, 400 for any other tag.
    """
    _logged_model(facade, model_id)
    if set(asked.pairs("tags")) <= {"mlflow.modelVersions"}:
        return {}
    raise ProblemError(
        400, "unsupported", "logged models are tagged at their own tracking server, not through a registry"
    )


def not_here(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """Errors: 404, always."""
    _ = facade.known
    raise ProblemError(
        404,
        "no-endpoint",
        "webhooks are not here: Waypost tells of every registry's changes by its own (`waypost webhooks create`, "
        "POST /api/v1/webhooks)",
    )


def _logged_model(facade: Facade, model_id: str) -> dict[str, Any]:
    address = f"models:/{model_id}"
    version = _found(facade, None, address, lambda one: address in one.record.addresses)
    if version is None:
        raise missing(f"Logged model with ID '{model_id}' not found in registry {facade.registry}")
    said = _mapping(version.record.native.get("logged_model"))
    info = {name: value for name, value in said.items() if name not in ("tags", "artifact_uri", "model_id")}
    info |= {"model_id": model_id, "artifact_uri": proxied(version, facade.base)}
    tags = {name: value for name, value in _mapping(said.get("tags")).items() if isinstance(value, str)}
    info["tags"] = [{"key": name, "value": value} for name, value in tags.items()]
    params = [{"key": name, "value": value} for name, value in version.record.params.items()]
    return {"info": info, "data": {"params": params}}


def _found(facade: Facade, query: str | None, text: str, holds: Any) -> ListedVersion | None:
    """The newest version of the registry that mentions a text and holds what is asked."""
    if not is_plain(text.removeprefix("models:/")):
        return None
    request = ListRequest(
        registry_id=facade.known[0],
        order=(Order("updated", False), Order("name"), Order("version", False)),
        limit=1,
        mentioning=(text,),
        among=None if query is None else facade.among(query),
        holds=holds,
    )
    return next(iter(facade.all_versions(request)), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
