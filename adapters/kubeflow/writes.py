"""Changing a registry of Kubeflow's. Nothing can be deleted or renamed there, and nothing is compared.

What is sent of custom properties takes the place of all of them, so all are sent, each as it came: between the look and
the write another writer may come.
"""

from collections.abc import Mapping
from typing import Any

from adapters.contract import NewModel, Registration
from adapters.errors import ConflictError, InvalidError
from adapters.kubeflow.client import MODELS, VERSIONS, KubeflowClient
from adapters.kubeflow.reads import LISTINGS, Reader
from adapters.kubeflow.records import STATES, tags_of, typed
from adapters.payloads import Raw, integer, part, text
from adapters.records import ModelRecord, VersionRecord
from adapters.writing import difference, kept_token


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: KubeflowClient, reader: Reader) -> None:
        self._api, self._reader = api, reader

    def move(self, now: VersionRecord, state: str) -> None:
        """Archive a version, or bring it back."""
        if state not in STATES:
            raise InvalidError(f"lifecycle {state[:40]!r}: Kubeflow has {' and '.join(STATES)}")
        self._patch(now, {"state": state})

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove custom properties; one keeps its type where the new value is of it."""
        if "" in changes:
            raise InvalidError("a custom property has a name: an empty one is none")
        known, tags = part(now.native, "customProperties"), tags_of(dict(now.native))
        if fields := [
            name for name, value in changes.items() if value is None and name in now.tags.keys() - tags
        ]:
            raise InvalidError(
                f"{fields[0]} is a field of the model and no custom property: change it in Kubeflow"
            )
        added, removed = difference(tags, changes)
        kept = {name: value for name, value in known.items() if name not in removed}
        changed = {name: typed(value, known.get(name)) for name, value in added.items()}
        self._patch(now, {"customProperties": kept | changed})

    def describe(self, now: ModelRecord | VersionRecord, words: str | None) -> None:
        """Write a description."""
        self._patch(now, {"description": words or ""})

    def create(self, model: NewModel) -> Raw:
        """A model, made once for a token."""
        named = _external(model.token)
        made = self._api.find("registered_model", externalId=named) if named else None
        if made is not None and text(made, "name") == model.name:
            return made
        if self._named(model.name) is not None:
            raise ConflictError(f"there is a model {model.name} already: choose another name")
        return self._create(model.name, model.description, model.tags, named)

    def register(self, registration: Registration) -> Raw:
        """A version and its artifact, made once for a token; the model where there is none."""
        named = _external(registration.token)
        version = self._api.find("model_version", externalId=named) if named else None
        if version is None:
            model = self._named(registration.model) or self._create(registration.model)
            version = self._version(str(model["id"]), registration, named)
        listing = f"{VERSIONS}/{version['id']}/artifacts"
        if not any(text(row, "uri") == registration.source for row in self._api.rows(listing)):
            run = (
                {"modelSourceKind": "run", "modelSourceId": registration.run_id}
                if registration.run_id
                else {}
            )
            file = {"artifactType": "model-artifact", "name": registration.model, "uri": registration.source}
            self._api.object("POST", f"/{listing}", body=file | run)
        return version

    def _version(self, model: str, given: Registration, named: str | None) -> Raw:
        rows = self._api.rows(f"{MODELS}/{model}/versions")
        number = 1 + max((integer(row.get("name")) or 0 for row in rows), default=0)
        about = {
            "name": str(number),
            "registeredModelId": model,
            **_about(given.description, given.tags, named),
        }
        return self._api.object("POST", f"/{VERSIONS}", body=about)

    def _create(
        self,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        named: str | None = None,
    ) -> Raw:
        about = {"name": name, **_about(description, tags or {}, named)}
        return self._api.object("POST", f"/{MODELS}", body=about)

    def _named(self, name: str) -> Raw | None:
        if name.isascii() and name.isprintable():  # a search takes no other
            return self._api.find("registered_model", name=name)
        return next((row for row in self._api.rows(MODELS) if row.get("name") == name), None)

    def _patch(self, now: ModelRecord | VersionRecord, changed: Mapping[str, Any]) -> None:
        self._api.object("PATCH", f"/{LISTINGS[now.key.kind]}/{now.key.native_id}", body=dict(changed))


def _external(token: str) -> str | None:
    """What an `externalId`, of which there is one in a server, remembers a token by."""
    return f"waypost-{kept_token(token, 32)}" if token else None


def _about(description: str | None, tags: Mapping[str, str], named: str | None) -> Raw:
    properties = {name: typed(value) for name, value in tags.items()}
    said = {"description": description, "externalId": named, "customProperties": properties}
    return {name: value for name, value in said.items() if value}
