"""Changing a metastore: aliases and tags, where it has any, names, comments, deleting. Nothing is compared there."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from adapters.errors import InvalidError, UnsupportedError
from adapters.records import ModelRecord, VersionRecord
from adapters.unity.client import TAGS, UnityClient, at, of, tagged
from adapters.unity.keys import PART, split
from adapters.unity.records import WORKSPACE
from adapters.writing import difference


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: UnityClient) -> None:
        self._api = api

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Point an alias at a version, or take it away; it moves at once."""
        if not self._api.is_databricks:
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

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove tags, one request each."""
        if "" in changes or WORKSPACE in changes:
            raise InvalidError(f"a tag has a name, and {WORKSPACE} is said by the metastore itself")
        native = split(now.key)
        what, named = tagged(native.name, native.version)
        added, removed = difference(now.tags, changes)
        for name, value in added.items():
            body = {**named, "key": name, "value": value}
            self._api.call("POST", f"{TAGS}/{what}s/set-tag", body=body)
        for name in removed:
            self._api.call("DELETE", f"{TAGS}/{what}s/delete-tag", body={**named, "key": name})

    def rename(self, former: str, name: str) -> None:
        """Give the model of a full name another one in its schema."""
        schema, _, last = name.rpartition(".")
        if schema != former.rpartition(".")[0] or not re.fullmatch(PART, last):
            raise InvalidError(f"{name[:80]!r}: a model is renamed within its schema, to CATALOG.SCHEMA.NAME")
        self._api.call("PATCH", of(former), body={"new_name": last})

    def describe(self, now: ModelRecord | VersionRecord, words: str | None) -> None:
        """Write a comment."""
        self._api.call("PATCH", at(split(now.key)), body={"comment": words or ""})

    def remove(self, now: ModelRecord | VersionRecord) -> None:
        """Delete a version, or a model with all of its versions."""
        asked = {"force": True} if isinstance(now, ModelRecord) else None
        self._api.call("DELETE", at(split(now.key)), asked)
