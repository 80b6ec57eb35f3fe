"""Changing an MLflow registry. MLflow has no compare-and-set, so a write reads and compares first."""

import re
from collections.abc import Mapping
from contextlib import suppress

from adapters.contract import NewModel, Registration
from adapters.errors import ConflictError, InvalidError, NotFoundError
from adapters.mlflow.client import PROMPT_TAG, MlflowClient
from adapters.mlflow.hidden import is_prompt
from adapters.mlflow.keys import ModelId, VersionId, identity_of, model_id, version_id
from adapters.mlflow.lineage import logged_model_id
from adapters.payloads import Raw, pairs, text
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.writing import difference, kept_token

TOKEN_TAG = "waypost.token"
"""The tag of a version that keeps the token it was registered with."""
PLAIN_TOKEN = re.compile(r"[A-Za-z0-9._:-]{1,200}")


class Writer:
    """The calls that change something. Errors: any `AdapterError`."""

    def __init__(self, api: MlflowClient) -> None:
        self._api = api

    def stage(self, key: Key, stage: str) -> None:
        """Put a version into a stage; versions that hold it already stay in it."""
        body = {**_names(version_id(key)), "stage": stage, "archive_existing_versions": False}
        self._api.write("POST", "/model-versions/transition-stage", body)

    def point(self, key: Key, alias: str, version: str | None) -> None:
        """Point an alias at a version, or take it away."""
        names = {**_names(model_id(key)), "alias": alias}
        if version is None:
            self._api.write("DELETE", "/registered-models/alias", names)
            return
        try:
            self._api.write("POST", "/registered-models/alias", {**names, "version": version})
        except NotFoundError:
            raise InvalidError(
                f"{names['name']} has no version {version}: an alias needs one that exists"
            ) from None

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove the tags that are not yet as wanted, one call each."""
        path, names = _path(now.key), _names(identity_of(now.key))
        added, removed = difference(now.tags, changes)
        for name, value in added.items():
            self._api.write("POST", f"{path}/set-tag", {**names, "key": name, "value": value})
        for name in removed:
            self._api.write("DELETE", f"{path}/delete-tag", {**names, "key": name})

    def register(self, registration: Registration) -> Raw:
        """Create a version, and its model where there is none, unless one has this token already."""
        token = kept_token(registration.token, 64, PLAIN_TOKEN) if registration.token else None
        made = self._registered(registration.model, token) if token else None
        if made is not None:
            return made
        self._check_source(registration.source)
        self._ensure_model(registration.model, prompt=registration.tags.get(PROMPT_TAG) == "true")
        tags = {**registration.tags, **({TOKEN_TAG: token} if token else {})}
        body: Raw = {
            "name": registration.model,
            "source": registration.source,
            "run_id": registration.run_id,
            "run_link": registration.run_link,
            "model_id": logged_model_id({"source": registration.source}),
            "description": registration.description,
            "tags": [{"key": name, "value": value} for name, value in tags.items()],
        }
        given = {name: value for name, value in body.items() if value is not None}
        created = self._api.write("POST", "/model-versions/create", given)
        return self._api.version(registration.model, text(created.get("model_version"), "version") or "")

    def create(self, model: NewModel) -> None:
        """Create a model, unless it was with this token already. Errors: `ConflictError` for another of its name."""
        token = kept_token(model.token, 64, PLAIN_TOKEN) if model.token else ""
        tags = {**model.tags, **({TOKEN_TAG: token} if token else {})}
        body: Raw = {"name": model.name, "tags": [{"key": name, "value": tags[name]} for name in tags]}
        if model.description:
            body["description"] = model.description
        try:
            self._api.write("POST", "/registered-models/create", body)
        except ConflictError:
            known = pairs(self._api.model(model.name).get("tags"), "key", "value")
            if not token or known.get(TOKEN_TAG) != token:
                raise

    def rename(self, former: str, name: str) -> None:
        """Give a model another name."""
        self._api.write("POST", "/registered-models/rename", {"name": former, "new_name": name})

    def describe(self, key: Key, text: str | None) -> None:
        """Write a description; MLflow keeps an empty one for none."""
        body = {**_names(identity_of(key)), "description": text or ""}
        self._api.write("PATCH", f"{_path(key)}/update", body)

    def remove(self, key: Key) -> None:
        """Delete a version, or a model with all of its versions."""
        self._api.write("DELETE", f"{_path(key)}/delete", _names(identity_of(key)))

    def _check_source(self, source: str) -> None:
        """Errors: `InvalidError` for a logged model that this server does not know, of which it would say that itself
        had failed.
        """
        if (logged := logged_model_id({"source": source})) is None:
            return
        try:
            self._api.logged_model(logged)
        except NotFoundError:
            raise InvalidError(
                f"logged model {logged} is not known to this server: log the model to the server's own tracking, or "
                "register it by the address of its files"
            ) from None

    def _registered(self, model: str, token: str) -> Raw | None:
        """The version of a model that was registered with this token."""
        page: str | None = None
        while True:
            found = self._api.versions(where=f"tags.`{TOKEN_TAG}` = '{token}'", token=page, size=100)
            for row in found.rows:
                if text(row, "name") == model:
                    return dict(row)
            if found.next is None or found.next == page:
                return None
            page = found.next

    def _ensure_model(self, name: str, *, prompt: bool) -> None:
        """Create a model unless it exists; somebody else doing so at the same time is as good. Errors: `InvalidError`
        for a model under the name of a prompt, which no search of MLflow's would show.
        """
        try:
            if is_prompt(self._api.model(name)) and not prompt:
                raise InvalidError(
                    f"{name} is a prompt, MLflow would list no model under its name: choose another name"
                )
        except NotFoundError:
            with suppress(ConflictError):
                self._api.write("POST", "/registered-models/create", {"name": name})


def _path(key: Key) -> str:
    return "/registered-models" if key.kind == "model" else "/model-versions"


def _names(target: ModelId | VersionId) -> dict[str, str]:
    """How MLflow's requests name a model or version."""
    if isinstance(target, ModelId):
        return {"name": target.name}
    return {"name": target.model.name, "version": target.version}
