"""Changing a REST registry: the requests that its configuration describes."""

from collections.abc import Collection, Mapping
from typing import Any

from adapters.contract import Capability, Registration
from adapters.errors import InvalidError, UnsupportedError
from adapters.http import Reply
from adapters.records import ModelRecord, VersionRecord
from adapters.rest.client import RestClient, fill
from adapters.rest.config import Writes
from adapters.rest.expressions import labels
from adapters.rest.records import address
from adapters.writing import difference, with_changes

NEEDS: Mapping[Capability, tuple[str, ...]] = {
    Capability.SET_STAGE: ("set_stage",),
    Capability.SET_ALIAS: ("set_alias",),
    Capability.SET_TAGS: ("set_tags", "set_model_tags"),
    Capability.REGISTER: ("register",),
    Capability.DELETE: ("delete", "delete_model"),
}


def missing(described: Writes, rights: Collection[str] | None) -> tuple[list[str], frozenset[Capability]]:
    """What cannot be written here, in plain words, and the capabilities of which nothing is left. `rights` are what
    the backend says this credential may do; None: it does not say.
    """
    reasons = {name: _reason(name, described, rights) for names in NEEDS.values() for name in names}
    closed = {each for each, names in NEEDS.items() if all(reasons[name] for name in names)}
    return sorted(filter(None, reasons.values())), frozenset(closed)


def _reason(name: str, described: Writes, rights: Collection[str] | None) -> str | None:
    write = described.of(name)
    if write is None:
        return f"writes.{name} is not configured: it cannot be done here"
    if rights is None or not write.right or write.right in rights:
        return None
    return f"the credential lacks the right {write.right}: {name} is refused"


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
        operation = "set_model_tags" if now.key.kind == "model" else "set_tags"
        write = self._described.of(operation)
        if write is not None and write.sends_labels:
            values |= _labels(now.tags, changes)
        self._send(operation, etag, values)

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
        if write.values and values.get("value") not in write.values:
            raise InvalidError(
                f"{operation} takes {', '.join(write.values)}, not {str(values.get('value'))[:40]!r}"
            )
        path, body = fill(write.path, values), _body(write.body, values)
        return self._api.write(write.method, path, body, etag if write.if_match else None)


def _labels(now: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, list[str]]:
    """The texts to be added and removed. Errors: `InvalidError`."""
    added, removed = difference(now, changes)
    former = {name: now[name] for name in (*added, *removed) if name in now}
    try:
        return {"added_labels": labels(added), "removed_labels": labels(former)}
    except ValueError as error:
        raise InvalidError(str(error)) from None


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
