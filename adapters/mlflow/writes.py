"""Changing an MLflow registry. MLflow has no compare-and-set, so a write reads and compares first."""

import hashlib
import re
from collections.abc import Mapping

from adapters.contract import Registration
from adapters.errors import ConflictError, InvalidError, NotFoundError
from adapters.mlflow.client import PROMPT_TAG, MlflowApi, Raw
from adapters.mlflow.hidden import is_prompt
from adapters.mlflow.keys import ModelId, VersionId
from adapters.mlflow.lineage import logged_model_id
from adapters.mlflow.raw import text
from adapters.records import ModelRecord, VersionRecord

TOKEN_TAG = "waypost.token"
"""The tag of a version that keeps the token it was registered with."""
PLAIN_TOKEN = re.compile(r"^[A-Za-z0-9._:-]{1,200}$")


def compare(record: ModelRecord | VersionRecord, etag: str | None) -> None:
    """Errors: `ConflictError` when the record is no longer the one that had this etag."""
    if etag is not None and record.etag != etag:
        raise ConflictError(
            f"{record.key.kind} {record.key.native_id} has changed since it was read: read it again"
        )


def transition(api: MlflowApi, version: VersionId, stage: str) -> None:
    """Put a version into a stage; versions that hold it already stay in it."""
    body = {"name": version.model.name, "version": version.version, "stage": stage}
    api.write("POST", "/model-versions/transition-stage", {**body, "archive_existing_versions": False})


def point(api: MlflowApi, model: ModelId, alias: str, version: str | None) -> None:
    """Point an alias at a version, or take it away."""
    if version is None:
        api.write("DELETE", "/registered-models/alias", {"name": model.name, "alias": alias})
    else:
        body = {"name": model.name, "alias": alias, "version": version}
        api.write("POST", "/registered-models/alias", body)


def tag(
    api: MlflowApi, target: ModelId | VersionId, now: Mapping[str, str], wanted: Mapping[str, str | None]
) -> None:
    """Set and remove the tags that are not yet as wanted, one call each."""
    if isinstance(target, ModelId):
        path, where = "/registered-models", {"name": target.name}
    else:
        path, where = "/model-versions", {"name": target.model.name, "version": target.version}
    for key, value in wanted.items():
        if value is None and key in now:
            api.write("DELETE", f"{path}/delete-tag", {**where, "key": key})
        elif value is not None and now.get(key) != value:
            api.write("POST", f"{path}/set-tag", {**where, "key": key, "value": value})


def register(api: MlflowApi, registration: Registration) -> Raw:
    """Create a version, and its model where there is none, unless one has this token already."""
    token = token_value(registration.token) if registration.token else None
    made = find_token(api, registration.model, token) if token else None
    if made is not None:
        return made
    ensure_model(api, registration.model, prompt=registration.tags.get(PROMPT_TAG) == "true")
    tags = {**registration.tags, **({TOKEN_TAG: token} if token else {})}
    body: Raw = {
        "name": registration.model,
        "source": registration.source,
        "run_id": registration.run_id,
        "model_id": logged_model_id({"source": registration.source}),
        "description": registration.description,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    created = api.write("POST", "/model-versions/create", {k: v for k, v in body.items() if v is not None})
    return api.version(registration.model, text(created.get("model_version"), "version") or "")


def find_token(api: MlflowApi, model: str, token: str) -> Raw | None:
    """The version of a model that was registered with this token."""
    page: str | None = None
    while True:
        found = api.versions(where=f"tags.`{TOKEN_TAG}` = '{token}'", token=page, size=100)
        for row in found.rows:
            if text(row, "name") == model:
                return dict(row)
        if found.next is None or found.next == page:
            return None
        page = found.next


def ensure_model(api: MlflowApi, name: str, *, prompt: bool = False) -> None:
    """Create a model unless it exists; somebody else doing so at the same time is as good. Errors: `InvalidError` for a
    model under the name of a prompt, which no search of MLflow's would show.
    """
    try:
        if is_prompt(api.model(name)) and not prompt:
            raise InvalidError(
                f"{name} is a prompt, MLflow would list no model under its name: choose another name"
            )
    except NotFoundError:
        try:
            api.write("POST", "/registered-models/create", {"name": name})
        except ConflictError:
            return


def remove(api: MlflowApi, target: ModelId | VersionId) -> None:
    """Delete a version, or a model with all of its versions."""
    if isinstance(target, ModelId):
        api.write("DELETE", "/registered-models/delete", {"name": target.name})
    else:
        api.write("DELETE", "/model-versions/delete", {"name": target.model.name, "version": target.version})


def token_value(token: str) -> str:
    """The token as it stands in the tag: itself, or its hash where it could not stand in a filter."""
    return token if PLAIN_TOKEN.match(token) else hashlib.sha256(token.encode()).hexdigest()
