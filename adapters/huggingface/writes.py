"""Changing a Hub: branches as aliases, deleting tags and repositories; and what of that a token may not do today."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from adapters.contract import Capability
from adapters.errors import AdapterError, ConflictError, InvalidError, NotFoundError
from adapters.huggingface.client import HubClient
from adapters.huggingface.keys import MAIN, split
from adapters.payloads import Raw, at, part, parts, text
from adapters.records import ModelRecord, VersionRecord

WRITES = frozenset({Capability.SET_ALIAS, Capability.DELETE})
READ, WRITE = "repo.content.read", "repo.write"
GATED = "canReadGatedRepos"


class Writer:
    """Sends the requests. Errors of every method: any `AdapterError`."""

    def __init__(self, api: HubClient) -> None:
        self._api = api

    def point(self, now: ModelRecord, alias: str, version: str | None) -> None:
        """Make a branch at a version, or delete it.

        The Hub moves no branch: it is deleted and made again, and is missing for a moment. A branch with commits of its
        own, which no version names, is left alone.
        """
        tags, branches = part(now.native, "refs", "tags"), part(now.native, "refs", "branches")
        if alias == MAIN or alias in tags:
            raise InvalidError(f"{alias} is what a version of {now.name} is called: choose another alias")
        if alias in branches and alias not in now.aliases:
            raise ConflictError(
                f"branch {alias} of {now.name} has commits that no version names: tag its head on the Hub first"
            )
        target = now.native.get("sha") if version == MAIN else tags.get(version or "")
        if version is not None and not isinstance(target, str):
            raise NotFoundError(f"{now.name} has no version {version}")
        if alias in branches:
            self._branch("DELETE", now.name, alias)
        if target is None:
            return
        try:
            self._branch("POST", now.name, alias, {"startingPoint": target})
        except AdapterError:
            if alias in branches:
                with suppress(AdapterError):
                    self._branch("POST", now.name, alias, {"startingPoint": branches[alias]})
            raise

    def remove(self, now: ModelRecord | VersionRecord) -> None:
        """Delete a tag, or a repository with all that is in it."""
        at = split(now.key)
        if at.tag == MAIN:
            raise InvalidError(f"{MAIN} goes with its repository: delete {at.name} as a whole")
        if at.tag is not None:
            self._api.call("DELETE", f"/api/models/{at.name}/tag/{quote(at.tag, safe='')}")
            return
        owner, slash, name = at.name.rpartition("/")
        body = {"type": "model", "name": name, "organization": owner if slash else None}
        self._api.call("DELETE", "/api/repos/delete", body=body)

    def _branch(self, method: str, name: str, branch: str, body: Mapping[str, Any] | None = None) -> None:
        self._api.call(method, f"/api/models/{name}/branch/{quote(branch, safe='')}", body=body)


def missing(api: HubClient) -> tuple[tuple[str, ...], frozenset[Capability]]:
    """In plain words, and the capabilities that nothing is left of. Errors: any `AdapterError`."""
    config = api.config
    said = {} if config.token is None else api.whoami()
    empty = [author for author in config.authors if not api.page(author, None, 1)[0]]
    if not config.authors:
        api.page(None, None, 1)
    told = [f"{author} shows no model: check its name, and what the token may read" for author in empty]
    if config.token is None:
        told.append(
            "there is no token: private models are not seen, nothing is written, and no deletion can be proved"
        )
        return tuple(told), WRITES
    token = part(said, "auth", "accessToken")
    role = text(token, "role")
    if role == "read":
        return (*told, "the token may only read: aliases are not set, nothing is deleted"), WRITES
    if role != "fineGrained":
        return tuple(told), frozenset()
    told += _of_names(api, part(token, "fineGrained"))
    writes = any(WRITE in _permissions(one) for one in parts(token, "fineGrained", "scoped"))
    return tuple(told), frozenset() if writes else WRITES


def _of_names(api: HubClient, granted: Raw) -> Iterator[str]:
    """What a fine-grained token may not do with the configured names."""
    scoped = {text(one, "entity", "name"): _permissions(one) for one in parts(granted, "scoped")}
    for author in api.config.authors:
        allowed = scoped.get(author, set())
        if READ not in allowed and WRITE not in allowed:
            yield f"the token lacks {READ} for {author}: its private models are not seen"
        if WRITE not in allowed:
            yield f"the token lacks {WRITE} for {author}: aliases are not set there, nothing is deleted"
    if not granted.get(GATED):
        yield "the token may not read gated models: what they hold cannot be loaded with it"


def _permissions(scope: Raw) -> set[str]:
    listed = at(scope, "permissions")
    return {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
