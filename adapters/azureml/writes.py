"""Changing models of Azure ML. A resource is replaced as a whole: it is read, changed and put, so that nothing drops.

Nothing is compared there: between the look and the write another writer may come.
"""

import re
from collections.abc import Mapping
from typing import Any

from adapters.azureml.client import AzuremlClient
from adapters.azureml.keys import path, split
from adapters.azureml.records import ACTIVE, ARCHIVED, tags_of
from adapters.contract import Registration, StageField
from adapters.errors import ConflictError, InvalidError, NotFoundError, UnsupportedError
from adapters.payloads import Raw, integer, part, text
from adapters.records import ModelRecord, VersionRecord
from adapters.writing import kept_token, with_changes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
TOKEN = "waypost.token"
"""A property of a version that was registered here."""
TOLD = ("provisioningState", "latestVersion", "nextVersion")
"""Properties that Azure itself writes."""


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: AzuremlClient) -> None:
        self._api = api

    def move(self, now: VersionRecord, field: StageField, value: str) -> None:
        """Write a stage, or archive a version and bring it back; each leaves the other as it is."""
        if field == "stage":
            self._put(now, {"stage": value})
        elif value in (ACTIVE, ARCHIVED):
            self._put(now, {"isArchived": value == ARCHIVED})
        else:
            raise InvalidError(f"lifecycle {value[:40]!r}: Azure ML has {ACTIVE} and {ARCHIVED}")

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove tags."""
        if "" in changes:
            raise InvalidError("a tag has a name: an empty one is none")
        self._put(now, {"tags": with_changes(tags_of(now.native), changes)})

    def describe(self, now: ModelRecord | VersionRecord, words: str | None) -> None:
        """Write a description."""
        self._put(now, {"description": words})

    def register(self, registration: Registration) -> Raw:
        """Put the next version of a model, which Azure makes where it is new, unless one has this token; as it is told.

        Somebody else may put the same: Azure lets no address of a version be changed, and the token is read back.
        """
        if self._api.config.registry is not None:
            raise UnsupportedError(
                "a version comes into a registry of Azure ML by being shared from a workspace: az ml model share"
            )
        if _NAME.fullmatch(registration.model) is None:
            raise InvalidError(
                f"model {registration.model[:80]!r}: Azure ML takes letters, digits and - _ . in a name"
            )
        known = {text(raw, "name") or "": raw for raw in self._versions(registration.model)}
        token = kept_token(registration.token, 32) if registration.token else None
        for raw in known.values() if token else ():
            if _token(raw) == token:
                return raw
        number = 1 + max((integer(name) or 0 for name in known), default=0)
        said = {
            "modelUri": registration.source,
            "modelType": "custom_model",
            "description": registration.description,
            "jobName": registration.run_id,
            "tags": dict(registration.tags),
            "properties": {TOKEN: token} if token else None,
        }
        where = f"/models/{registration.model}/versions/{number}"
        given = {name: value for name, value in said.items() if value}
        self._api.object("PUT", where, body={"properties": given})
        made = self._api.one(where)
        if _token(made) != token:
            raise ConflictError(
                f"{registration.model} {number} was put by somebody else meanwhile: try again"
            )
        return made

    def remove(self, now: ModelRecord | VersionRecord) -> None:
        """Delete a version, or a model with all of its versions."""
        self._api.call("DELETE", path(split(now.key)))

    def _put(self, now: ModelRecord | VersionRecord, changed: Mapping[str, Any]) -> None:
        known = part(dict(now.native), "properties")
        whole = {**{name: value for name, value in known.items() if name not in TOLD}, **changed}
        self._api.object("PUT", path(split(now.key)), body={"properties": whole})

    def _versions(self, model: str) -> list[Raw]:
        try:
            return list(self._api.versions(f"/models/{model}"))
        except NotFoundError:
            self._api.place()  # which is there
            return []


def _token(raw: Raw) -> str | None:
    return text(raw, "properties", "properties", TOKEN)
