"""Changing a registry of Weights & Biases: links and aliases, by mutations that leave the source's project alone."""

from typing import Any
from uuid import uuid4

from adapters.contract import Registration
from adapters.errors import InvalidError, NotFoundError, TransientError
from adapters.payloads import Raw, text
from adapters.records import ModelRecord, VersionRecord
from adapters.wandb.client import ADD, ARTIFACT, DELETE, LINK, WandbClient
from adapters.wandb.keys import ADDRESS, PREFIX, split
from adapters.wandb.reads import Reader
from adapters.wandb.records import LATEST, TOKEN, words_of
from adapters.writing import kept_token

LONGEST = 128
"""Characters of an alias."""


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: WandbClient, reader: Reader) -> None:
        self._api, self._reader = api, reader

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Give an alias to a version, then take it from whoever still has it; or take it away."""
        if (
            alias == LATEST
            or TOKEN.fullmatch(alias)
            or not alias
            or len(alias) > LONGEST
            or set(alias) & set("/:")
        ):
            raise InvalidError(f"alias {alias[:40]!r} moves by itself, is too long, or has / or : in it")
        links = self._reader.links(split(now.key))
        if version is not None:
            target = next((one for one in links if f"v{one.get('versionIndex')}" == version), None)
            if target is None:
                raise NotFoundError(f"{now.name} has no version {version[:40]}")
            self._send(ADD, target, alias)
            links = self._reader.links(split(now.key))
        for one in links:
            if f"v{one.get('versionIndex')}" != version and alias in words_of(one):
                self._send(DELETE, one, alias)

    def register(self, registration: Registration) -> VersionRecord:
        """Link an artifact to a collection, which is made where it is new, unless this token has linked one already.
        An alias of the link, which nobody else is shown as one, remembers the token.
        """
        source = ADDRESS.fullmatch(registration.source)
        registry, _, collection = registration.model.partition("/")
        if source is None or not registry or not collection or "/" in collection:
            raise InvalidError(
                "a version of W&B is an artifact, wandb-artifact://ENTITY/PROJECT/NAME:vN, linked to a collection, "
                "REGISTRY/COLLECTION: log it there first"
            )
        if self._api.config.registries and registry not in self._api.config.registries:
            raise InvalidError(f"{registry} is none of the `registries` that are read: configure it first")
        if registration.tags or registration.description or registration.run_id:
            raise InvalidError(
                "a link of W&B keeps no tags, description or run: state them of the artifact, where it was logged"
            )
        self._reader.look_for(registry)
        alias = f"waypost-{kept_token(registration.token or uuid4().hex, 32)}"
        if made := self._reader.made(registration.model, alias):
            return made
        entity, project, name = source.groups()
        found = self._api.ask(ARTIFACT, {"entity": entity, "project": project, "name": name})
        artifact = text(found, "project", "artifactCollectionMembership", "artifact", "id")
        if artifact is None:
            raise NotFoundError(f"{registration.source[:200]} does not exist, or this key may not see it")
        given = {
            "artifactID": artifact,
            "artifactPortfolioName": collection,
            "entityName": text(self._api.organization(), "orgEntity", "name"),
            "projectName": f"{PREFIX}{registry}",
            "aliases": [{"artifactCollectionName": collection, "alias": alias}],
        }
        self._api.ask(LINK, {"input": given})
        made = self._reader.made(registration.model, alias)
        if made is None:
            raise TransientError(
                f"{registration.model} was linked and is not listed yet: it is asked for again"
            )
        return made

    def _send(self, mutation: str, link: Raw, alias: str) -> None:
        where = {
            "alias": alias,
            "artifactCollectionName": text(link, "artifactCollection", "name"),
            "entityName": text(link, "artifactCollection", "project", "entity", "name"),
            "projectName": text(link, "artifactCollection", "project", "name"),
        }
        given: dict[str, Any] = {"artifactID": text(link, "artifact", "id"), "aliases": [where]}
        self._api.ask(mutation, {"input": given})
