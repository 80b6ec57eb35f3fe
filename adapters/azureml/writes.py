"""Changing models of Azure ML. A resource is replaced as a whole: it is read, changed and put, so that nothing drops.

Nothing is compared there: between the look and the write another writer may come.
"""

from collections.abc import Mapping
from typing import Any

from adapters.azureml.client import AzuremlClient
from adapters.azureml.keys import split
from adapters.azureml.records import ACTIVE, ARCHIVED, tags_of
from adapters.contract import StageField
from adapters.errors import InvalidError
from adapters.payloads import part
from adapters.records import ModelRecord, VersionRecord
from adapters.writing import with_changes

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

    def remove(self, now: ModelRecord | VersionRecord) -> None:
        """Delete a version, or a model with all of its versions."""
        self._api.call("DELETE", split(now.key).path)

    def _put(self, now: ModelRecord | VersionRecord, changed: Mapping[str, Any]) -> None:
        known = part(dict(now.native), "properties")
        whole = {**{name: value for name, value in known.items() if name not in TOLD}, **changed}
        self._api.object("PUT", split(now.key).path, {"properties": whole})
