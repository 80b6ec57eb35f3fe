"""Changing a registry of Weights & Biases: aliases, by two mutations that take no rights on the source's project."""

from typing import Any

from adapters.errors import InvalidError, NotFoundError
from adapters.payloads import Raw, parts, text
from adapters.records import ModelRecord
from adapters.wandb.client import ADD, DELETE, WandbClient
from adapters.wandb.keys import split
from adapters.wandb.reads import Reader
from adapters.wandb.records import LATEST

LONGEST = 128
"""Characters of an alias."""


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: WandbClient, reader: Reader) -> None:
        self._api, self._reader = api, reader

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Give an alias to a version, then take it from whoever still has it; or take it away."""
        if alias == LATEST or not alias or len(alias) > LONGEST or set(alias) & set("/:"):
            raise InvalidError(f"alias {alias[:40]!r} moves by itself, is too long, or has / or : in it")
        links = self._reader.links(split(now.key))
        if version is not None:
            target = next((one for one in links if f"v{one.get('versionIndex')}" == version), None)
            if target is None:
                raise NotFoundError(f"{now.name} has no version {version[:40]}")
            self._send(ADD, target, alias)
            links = self._reader.links(split(now.key))
        for one in links:
            if f"v{one.get('versionIndex')}" != version and alias in {
                text(each, "alias") for each in parts(one, "aliases")
            }:
                self._send(DELETE, one, alias)

    def _send(self, mutation: str, link: Raw, alias: str) -> None:
        where = {
            "alias": alias,
            "artifactCollectionName": text(link, "artifactCollection", "name"),
            "entityName": text(link, "artifactCollection", "project", "entity", "name"),
            "projectName": text(link, "artifactCollection", "project", "name"),
        }
        given: dict[str, Any] = {"artifactID": text(link, "artifact", "id"), "aliases": [where]}
        self._api.ask(mutation, {"input": given})
