"""Changing a metastore: aliases, where it has any, descriptions, and deleting. Nothing is compared there."""

from urllib.parse import quote

from adapters.errors import InvalidError, UnsupportedError
from adapters.records import ModelRecord, VersionRecord
from adapters.unity.client import UnityClient, of
from adapters.unity.keys import split


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: UnityClient) -> None:
        self._api = api

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Point an alias at a version, or take it away; it moves at once."""
        if not self._api.has_aliases:
            raise UnsupportedError("an open-source Unity Catalog has no aliases: only Databricks does")
        if not alias or "/" in alias or "." in alias:
            raise InvalidError(f"alias {alias[:40]!r}: Databricks takes no / and no . in one")
        path = of(now.name, f"/aliases/{quote(alias, safe='')}")
        if version is None:
            self._api.call("DELETE", path)
        elif not version.isdecimal():
            raise InvalidError(f"{now.name} has no version {version[:40]!r}: versions are numbers")
        else:
            self._api.call("PUT", path, body={"version_num": int(version)})

    def describe(self, now: ModelRecord | VersionRecord, words: str | None) -> None:
        """Write a comment."""
        self._api.call("PATCH", _path(now), body={"comment": words or ""})

    def remove(self, now: ModelRecord | VersionRecord) -> None:
        """Delete a version, or a model with all of its versions."""
        self._api.call("DELETE", _path(now), {"force": True} if isinstance(now, ModelRecord) else None)


def _path(now: ModelRecord | VersionRecord) -> str:
    at = split(now.key)
    return of(at.name, "" if at.version is None else f"/versions/{at.version}")
