"""ModelService: upload, read, update, aliases, delete, evaluations. Rules are those of the service's
reference pages.
"""

import re
from collections.abc import Callable
from typing import Any

import grpc

from adapters.emulators.vertex import operations
from adapters.emulators.vertex.faults import RpcError
from adapters.emulators.vertex.listing import invalid, matching, page_of
from adapters.emulators.vertex.state import HeldModel, HeldVersion, ProjectState, not_found
from adapters.emulators.vertex.wire import (
    DeleteOperationMetadata,
    ListModelEvaluationsResponse,
    ListModelsResponse,
    ListModelVersionsResponse,
    ModelEvaluation,
    UploadModelOperationMetadata,
    UploadModelResponse,
)

ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_MODEL_ORDER = {name: name for name in ("display_name", "create_time", "update_time")}
_VERSION_ORDER = {"create_time": "version_create_time", "update_time": "version_update_time"}
_MODEL_NAMES: dict[str, Callable[[Any], str]] = {
    "model": lambda row: str(row.name).rpartition("/")[2].partition("@")[0],
    "display_name": lambda row: str(row.display_name),
    "base_model_name": lambda row: str(row.base_model_source.model_garden_source.public_model_name),
}
_COMPUTED = [
    "name",
    "version_id",
    "version_aliases",
    "version_create_time",
    "version_update_time",
    "create_time",
    "update_time",
    "deployed_models",
    "etag",
    "labels",
    "display_name",
    "description",
]


def precondition(message: str) -> RpcError:
    """The answer to a request that the state of the resource forbids."""
    return RpcError(grpc.StatusCode.FAILED_PRECONDITION, message)


def check_labels(labels: Any) -> None:
    """Raises INVALID_ARGUMENT unless keys and values are short, lower-case letters, digits, `_` or `-`."""
    if len(labels) > 64:
        raise invalid("A resource can have at most 64 labels.")
    for key, value in labels.items():
        for text in (key, value):
            if len(text) > 64 or text != text.lower() or not re.fullmatch(r"[\w-]*", text):
                raise invalid(f"Invalid label {key!r}={value!r}: use a-z, 0-9, _ and -.")
        if not key:
            raise invalid("A label key must not be empty.")


def upload_model(state: ProjectState, request: Any) -> Any:
    """Start an upload: a new model, or a new version of `parent_model`."""
    state.check_parent(request.parent)
    _check_upload(state, request)
    new_name = f"{request.parent}/models/{request.model_id or state.new_id()}"
    name = request.parent_model.partition("@")[0] or new_name
    body = type(request.model)()
    body.CopyFrom(request.model)

    def commit() -> Any:
        held, version = _store(state, name, body, new=not request.parent_model)
        return UploadModelResponse(model=held.name, model_version_id=version.id)

    return operations.start(state, name, UploadModelOperationMetadata(), commit)


def _check_upload(state: ProjectState, request: Any) -> None:
    model = request.model
    if request.parent_model:
        state.model(request.parent_model)
    elif not 0 < len(model.display_name) <= 128:
        raise invalid("model.display_name is required and has at most 128 characters.")
    if request.model_id and not _MODEL_ID.fullmatch(request.model_id):
        raise invalid(f"Invalid model_id {request.model_id!r}.")
    taken = f"{request.parent}/models/{request.model_id}" in state.models
    if request.model_id and not request.parent_model and taken:
        raise RpcError(grpc.StatusCode.ALREADY_EXISTS, f"Model {request.model_id!r} already exists.")
    if model.HasField("container_spec") and not model.container_spec.image_uri:
        raise invalid("model.container_spec.image_uri is required.")
    for alias in model.version_aliases:
        _check_alias(alias)
    check_labels(model.labels)


def _check_alias(alias: str) -> None:
    if not ALIAS.fullmatch(alias):
        raise invalid(f"Invalid version alias {alias!r}.")


def _store(state: ProjectState, name: str, body: Any, *, new: bool) -> tuple[HeldModel, HeldVersion]:
    now = state.now()
    if new:
        if name in state.models:
            raise RpcError(grpc.StatusCode.ALREADY_EXISTS, f"Model {name!r} already exists.")
        state.models[name] = HeldModel(name, body.display_name, body.description, now, now, dict(body.labels))
    elif name not in state.models:
        raise not_found(name)
    held = state.models[name]
    version = HeldVersion(str(held.next_version), body, now, now)
    version.labels = {} if new else dict(body.labels)
    aliases = set(body.version_aliases) | ({"default"} if new else set())
    for field in _COMPUTED:
        body.ClearField(field)
    held.next_version += 1
    held.versions[version.id] = version
    held.updated = now
    _move_aliases(state, held, version, aliases)
    return held, version


def _move_aliases(state: ProjectState, held: HeldModel, version: HeldVersion, aliases: set[str]) -> None:
    for other in held.versions.values():
        if other is not version and other.aliases & aliases:
            other.aliases -= aliases
            state.touch(held, other)
    version.aliases |= aliases


def get_model(state: ProjectState, request: Any) -> Any:
    """One version: the one named by number or alias, else the default one."""
    held, version = state.version(request.name)
    return state.view(held, version, named_version="@" in request.name)


def list_models(state: ProjectState, request: Any) -> Any:
    """Every model of the location, each shown by its default version."""
    state.check_parent(request.parent)
    rows = [state.version(name) for name in state.models]
    shown = [state.view(held, version, named_version=False) for held, version in rows]
    page, token = page_of(
        matching(shown, request.filter, _MODEL_NAMES), request, _MODEL_ORDER, state.largest_page
    )
    return ListModelsResponse(models=page, next_page_token=token)


def list_model_versions(state: ProjectState, request: Any) -> Any:
    """Every version of one model."""
    held, _ = state.model(request.name)
    shown = [state.view(held, version, named_version=True) for version in held.versions.values()]
    page, token = page_of(matching(shown, request.filter, {}), request, _VERSION_ORDER, state.largest_page)
    return ListModelVersionsResponse(models=page, next_page_token=token)


def update_model(state: ProjectState, request: Any) -> Any:
    """Change fields of one level: the model's (`…/m`, `…/m@-`) or one version's (`…/m@3`), never both."""
    asked = request.model
    path, _, version_part = asked.name.partition("@")
    of_version = version_part not in ("", "-")
    held, version = state.version(asked.name if of_version else path)
    fields = set(request.update_mask.paths)
    allowed = {"version_description"} if of_version else {"display_name", "description"}
    if not fields or fields - {"labels", "display_name", "description", "version_description"}:
        raise invalid(f"Unsupported update_mask: {sorted(fields)}")
    if fields - allowed - {"labels"}:
        raise precondition(f"{sorted(fields - allowed)} belong to the other level than {asked.name!r}.")
    if asked.etag and asked.etag != state.view(held, version, named_version=False).etag:
        raise RpcError(grpc.StatusCode.ABORTED, f"The etag of {asked.name!r} does not match the current one.")
    check_labels(asked.labels if "labels" in fields else {})
    _apply(held, version, asked, fields, of_version=of_version)
    state.touch(held, version if of_version else None)
    return state.view(held, version, named_version=of_version)


def _apply(held: HeldModel, version: HeldVersion, asked: Any, fields: set[str], *, of_version: bool) -> None:
    if "labels" in fields:
        (version if of_version else held).labels = dict(asked.labels)
    if "display_name" in fields:
        if not 0 < len(asked.display_name) <= 128:
            raise invalid("display_name is required and has at most 128 characters.")
        held.display_name = asked.display_name
    if "description" in fields:
        held.description = asked.description
    if "version_description" in fields:
        version.body.version_description = asked.version_description


def merge_version_aliases(state: ProjectState, request: Any) -> Any:
    """Give aliases to a version, which takes them from whichever had them; `-alias` takes one away from it."""
    held, version_id = state.model(request.name)
    version = held.versions.get(version_id)
    if not version_id.isdigit():
        raise invalid("The name must hold an explicit version id, such as models/123@1.")
    if version is None:
        raise not_found(request.name)
    added = {alias for alias in request.version_aliases if not alias.startswith("-")}
    removed = {alias[1:] for alias in request.version_aliases if alias.startswith("-")}
    for alias in (*added, *removed):
        _check_alias(alias)
    if "default" in removed - added and "default" in version.aliases:
        raise invalid("A model has exactly one default version: assign the alias to another version instead.")
    _move_aliases(state, held, version, added - removed)
    version.aliases -= removed - added
    state.touch(held, version)
    return state.view(held, version, named_version=True)


def delete_model(state: ProjectState, request: Any) -> Any:
    """Delete a model with all its versions, unless one of them is deployed."""
    held, _ = state.model(request.name)
    if any(state.deployments(held, version) for version in held.versions.values()):
        raise precondition(f"Model {held.name!r} is deployed: undeploy it first.")

    def commit() -> Any:
        return operations.empty(state.models.pop(held.name, None))

    return operations.start(state, held.name, DeleteOperationMetadata(), commit)


def delete_model_version(state: ProjectState, request: Any) -> Any:
    """Delete one version; not the only one, not the default one, not a deployed one."""
    held, version_id = state.model(request.name)
    version = held.versions.get(version_id)
    if version is None:
        raise not_found(request.name)
    if len(held.versions) == 1:
        raise precondition("Deleting the only version of a model is not allowed: delete the model.")
    if "default" in version.aliases:
        raise precondition("The default version cannot be deleted: make another version the default first.")
    if state.deployments(held, version):
        raise precondition(f"Version {request.name!r} is deployed: undeploy it first.")

    def commit() -> Any:
        held.versions.pop(version_id, None)
        state.touch(held)
        return operations.empty()

    return operations.start(state, held.name, DeleteOperationMetadata(), commit)


def import_model_evaluation(state: ProjectState, request: Any) -> Any:
    """Keep an evaluation of one version; of the default version where the parent names none."""
    held, version = state.version(request.parent)
    if not request.model_evaluation.metrics_schema_uri:
        raise invalid("model_evaluation.metrics_schema_uri is required.")
    evaluation = ModelEvaluation()
    evaluation.CopyFrom(request.model_evaluation)
    evaluation.name = f"{held.name}@{version.id}/evaluations/{state.new_id()}"
    evaluation.create_time.CopyFrom(state.now())
    version.evaluations[evaluation.name] = evaluation
    return evaluation


def list_model_evaluations(state: ProjectState, request: Any) -> Any:
    """The evaluations of one version; of the default version where the parent names none."""
    _, version = state.version(request.parent)
    page, token = page_of(list(version.evaluations.values()), request, {}, state.largest_page)
    return ListModelEvaluationsResponse(model_evaluations=page, next_page_token=token)


def get_model_evaluation(state: ProjectState, request: Any) -> Any:
    """One evaluation, by the name the import returned."""
    _, version = state.version(request.name.partition("/evaluations/")[0])
    if request.name not in version.evaluations:
        raise not_found(request.name)
    return version.evaluations[request.name]
