"""Changing a REST registry: the requests that its configuration describes."""

from collections.abc import Mapping
from typing import Any

from adapters.contract import Capability, Registration
from adapters.errors import UnsupportedError
from adapters.http import Reply
from adapters.records import ModelRecord, VersionRecord
from adapters.rest.client import RestClient, fill
from adapters.rest.config import Writes
from adapters.rest.records import address
from adapters.writing import with_changes

NEEDS: Mapping[Capability, tuple[str, ...]] = {
    Capability.SET_STAGE: ("set_stage",),
    Capability.SET_ALIAS: ("set_alias",),
    Capability.SET_TAGS: ("set_tags", "set_model_tags"),
    Capability.REGISTER: ("register",),
    Capability.DELETE: ("delete", "delete_model"),
}


def missing(described: Writes) -> tuple[list[str], frozenset[Capability]]:
    """What this configuration leaves out, in plain words, and the capabilities of which nothing is left."""
    absent = {
        capability: [name for name in names if described.of(name) is None]
        for capability, names in NEEDS.items()
    }
    told = sorted(
        f"writes.{name} is not configured: it cannot be done here"
        for names in absent.values()
        for name in names
    )
    return told, frozenset(each for each, names in absent.items() if len(names) == len(NEEDS[each]))


class Writer:
    """Sends the requests. `etag` goes along where a request is described with `if_match`.

    Errors: any `AdapterError`; `UnsupportedError` where no request is described.
    """

    def __init__(self, api: RestClient, described: Writes) -> None:
        self._api, self._described = api, described

    def stage(self, now: VersionRecord, value: str, etag: str | None) -> None:
        """Put a version into a stage."""
        self._send("set_stage", etag, {**_names(now), "value": value})

    def point(self, now: ModelRecord, alias: str, version: str | None, etag: str | None) -> None:
        """Point an alias at a version, or take it away."""
        gone = version is None and self._described.remove_alias is not None
        aliases = with_changes(now.aliases, {alias: version})
        values = {**_names(now), "alias": alias, "version": version, "aliases": aliases}
        self._send("remove_alias" if gone else "set_alias", etag, values)

    def tag(
        self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None], etag: str | None
    ) -> None:
        """Set and remove tags."""
        values = {**_names(now), "tags": with_changes(now.tags, changes), "changes": dict(changes)}
        self._send("set_model_tags" if now.key.kind == "model" else "set_tags", etag, values)

    def register(self, registration: Registration) -> Any:
        """Create a version, and answer what the backend says."""
        values = {
            "name": registration.model,
            "source": registration.source,
            "description": registration.description,
            "run_id": registration.run_id,
            "tags": dict(registration.tags),
            "token": registration.token,
        }
        return self._send("register", None, values).json()

    def remove(self, now: ModelRecord | VersionRecord, etag: str | None) -> None:
        """Delete a version, or a model."""
        self._send("delete_model" if now.key.kind == "model" else "delete", etag, _names(now))

    def _send(self, operation: str, etag: str | None, values: Mapping[str, Any]) -> Reply:
        write = self._described.of(operation)
        if write is None:
            raise UnsupportedError(
                f"writes.{operation} is not configured: do it in the backend itself, or describe the request"
            )
        path, body = fill(write.path, values), _body(write.body, values)
        return self._api.write(write.method, path, body, etag if write.if_match else None)


def _names(now: ModelRecord | VersionRecord) -> dict[str, Any]:
    """What `{id}`, `{model}` and `{version}` stand for."""
    return {**address(now.key), **({"version": now.version} if isinstance(now, VersionRecord) else {})}


def _body(template: Any, values: Mapping[str, Any]) -> Any:
    """A body with its names replaced; a string that is one name alone becomes the value itself."""
    if isinstance(template, dict):
        return {name: _body(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [_body(value, values) for value in template]
    if not isinstance(template, str):
        return template
    alone = template[1:-1] if template[:1] == "{" and template[-1:] == "}" else ""
    return values[alone] if alone in values else template.format_map(values)
