"""A simulated MLflow that answers as the SQL store of 3.17.2 does, statement by statement, in this process.

Before each statement of an answer `point` is called: what happens then has happened for this statement and not for
those before it. So a listing is torn as a real one is: rows by one statement, tags and aliases by later ones with
the same order, limit and offset, each at its own moment. Only what the adapter asks is there.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.outgoing import HttpError

DELETED = "Deleted_Internal"


@dataclass(frozen=True)
class EmulatedAnswer:
    """What comes back over HTTP."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass
class EmulatedVersion:
    """A row of versions, with its tags. A deleted one stays, under its number."""

    name: str
    number: int
    created: int
    updated: int
    description: str = ""
    stage: str = "None"
    tags: dict[str, str] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        found = {
            "name": self.name,
            "version": str(self.number),
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.updated,
            "current_stage": self.stage,
            "source": "s3://bucket/model",
            "status": "READY",
        }
        return found | ({"description": self.description} if self.description else {})


@dataclass
class EmulatedModel:
    """A row of models, with what other tables have of it."""

    name: str
    created: int
    updated: int
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    versions: dict[int, EmulatedVersion] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        found = {
            "name": self.name,
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.updated,
        }
        return found | ({"description": self.description} if self.description else {})

    def living(self) -> list[EmulatedVersion]:
        return [version for version in self.versions.values() if version.stage != DELETED]


@dataclass
class EmulatedMlflow:
    """The server. Writes are its methods; each is one transaction and takes a millisecond of its clock."""

    point: Callable[[], None] = lambda: None
    wrote: Callable[[], None] = lambda: None
    """Called after each write."""
    models: dict[str, EmulatedModel] = field(default_factory=dict)
    clock: int = 1_700_000_000_000
    requests: list[str] = field(default_factory=list)
    is_down: bool = False
    refusals: int = 0
    """Requests that find nobody there yet."""

    def restart(self) -> None:
        """Whoever is waiting for an answer gets none, and the next who ask find nobody there."""
        self.is_down, self.refusals = True, 2

    # What clients do

    def create(self, name: str, tags: dict[str, str] | None = None) -> None:
        now = self._tick()
        if name not in self.models:
            self.models[name] = EmulatedModel(name, now, now, tags=dict(tags or {}))
        self.wrote()

    def register(self, name: str, tags: dict[str, str] | None = None) -> None:
        now, model = self._tick(), self.models.get(name)
        if model:
            number = max(model.versions, default=0) + 1
            model.versions[number] = EmulatedVersion(name, number, now, now, tags=dict(tags or {}))
            model.updated = now
        self.wrote()

    def delete_model(self, name: str) -> None:
        self._tick()
        self.models.pop(name, None)
        self.wrote()

    def delete_version(self, name: str, number: int) -> None:
        now, version = self._tick(), self._version(name, number)
        if version:
            model = self.models[name]
            model.aliases = {alias: of for alias, of in model.aliases.items() if of != number}
            version.stage, version.updated, version.description = DELETED, now, ""
            model.updated = now
        self.wrote()

    def rename(self, name: str, to: str) -> None:
        now = self._tick()
        if name in self.models and to not in self.models:
            model = self.models.pop(name)
            model.name, model.updated = to, now
            for version in model.versions.values():
                version.name, version.updated = to, now
            self.models[to] = model
        self.wrote()

    def tag(self, name: str, number: int | None, key: str, value: str | None) -> None:
        self._tick()
        row = self.models.get(name) if number is None else self._version(name, number)
        if row and value is not None:
            row.tags = {**row.tags, key: value}
        elif row:
            row.tags = {k: v for k, v in row.tags.items() if k != key}
        self.wrote()

    def alias(self, name: str, alias: str, number: int | None) -> None:
        self._tick()
        model = self.models.get(name)
        if model and number is None:
            model.aliases = {a: v for a, v in model.aliases.items() if a != alias}
        elif model and number is not None and self._version(name, number):
            model.aliases = {**model.aliases, alias: number}
        self.wrote()

    def stage(self, name: str, number: int, stage: str) -> None:
        now, version = self._tick(), self._version(name, number)
        if version:
            version.stage, version.updated, self.models[name].updated = stage, now, now
        self.wrote()

    def describe(self, name: str, number: int | None, text: str) -> None:
        now = self._tick()
        row = self.models.get(name) if number is None else self._version(name, number)
        if row:
            row.description, row.updated = text, now
        self.wrote()

    def _version(self, name: str, number: int) -> EmulatedVersion | None:
        model = self.models.get(name)
        version = model.versions.get(number) if model else None
        return version if version and version.stage != DELETED else None

    def _tick(self) -> int:
        self.clock += 1
        return self.clock

    # What it answers

    def request(self, method: str, url: str, **given: Any) -> EmulatedAnswer:
        """One request, as a pool of connections makes it. Each `point` is before a statement."""
        self.is_down = False
        if self.refusals:
            self.refusals -= 1
            raise HttpError("connect", "refused the connection")
        answer = self._answer(url)
        if self.is_down:
            raise HttpError("broken", "broke the connection off")
        return answer

    def _answer(self, url: str) -> EmulatedAnswer:
        path = urlsplit(url).path
        said = parse_qs(urlsplit(url).query)
        params = {name: ", ".join(values) for name, values in said.items()}
        self.requests.append(path)
        match path.rpartition("/mlflow/")[2] or path:
            case "registered-models/search":
                token: dict[str, str] = {}
                return _json({"registered_models": self._search_models(params, token), **token})
            case "model-versions/search":
                token = {}
                return _json({"model_versions": self._search_versions(params, token), **token})
            case "registered-models/get":
                return self._get_model(params["name"])
            case "model-versions/get":
                return self._get_version(params["name"], int(params["version"]))
            case "experiments/get":
                return _json({"experiment": {"experiment_id": "0", "creation_time": 1}})
            case "/version":
                return EmulatedAnswer(200, b"3.17.2")
            case _:
                return _json({})

    def close(self) -> None:
        """Nothing is held open."""

    def _search_models(self, params: dict[str, str], token: dict[str, str]) -> list[Any]:
        if "is_prompt" in params.get("filter", ""):
            return []

        def chosen() -> list[EmulatedModel]:
            self.point()
            return _page(params, sorted(self.models.values(), key=ORDERS[params["order_by"]]))

        rows = [model.row() for model in chosen()]
        tags = {model.name: _pairs("key", model.tags) for model in chosen()}
        aliases = {model.name: _aliases(model) for model in chosen()}
        for row in rows:
            if found := tags.get(row["name"]):
                row["tags"] = found
            if found := aliases.get(row["name"]):
                row["aliases"] = found
        return _cut(params, rows, token)

    def _search_versions(self, params: dict[str, str], token: dict[str, str]) -> list[Any]:
        where = params.get("filter", "")
        if "is_prompt" in where:
            return []
        names = set(re.findall(r"'([^']*)'", where)) if where else None

        def chosen() -> list[EmulatedVersion]:
            self.point()
            there = (v for m in self.models.values() if names is None or m.name in names for v in m.living())
            return _page(params, sorted(there, key=ORDERS[params["order_by"]]))

        rows = [version.row() for version in chosen()]
        tags = {(v.name, str(v.number)): _pairs("key", v.tags) for v in chosen()}
        for row in rows:
            if found := tags.get((row["name"], row["version"])):
                row["tags"] = found
        return _cut(params, rows, token)

    def _get_model(self, name: str) -> EmulatedAnswer:
        self.point()
        model = self.models.get(name)
        if model is None:
            return _absent(f"Registered Model with name={name} not found")
        row, created = model.row(), model.created
        for field_, read in (("tags", lambda m: _pairs("key", m.tags)), ("aliases", _aliases)):
            self.point()
            now = self.models.get(name)
            if now and now.created == created and (found := read(now)):
                row[field_] = found
        return _json({"registered_model": row})

    def _get_version(self, name: str, number: int) -> EmulatedAnswer:
        self.point()
        version = self._version(name, number)
        if version is None:
            return _absent(f"Model Version (name={name}, version={number}) not found")
        row = version.row()
        self.point()
        now = self._version(name, number)
        if now is version and now.tags:
            row["tags"] = _pairs("key", now.tags)
        return _json({"model_version": row})


ORDERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "name ASC": lambda row: (row.name,),
    "creation_timestamp ASC, name ASC": lambda row: (row.created, row.name, -row.number),
    "last_updated_timestamp DESC, name ASC": lambda row: (-row.updated, row.name, -getattr(row, "number", 0)),
}
"""What the adapter orders by. Behind it MLflow orders versions by their number, highest first."""


def _page(params: dict[str, str], rows: list[Any]) -> list[Any]:
    """One row more than asked for, as the store reads them to know whether there are more."""
    offset, size = _offset(params), int(params["max_results"])
    return rows[offset : offset + size + 1]


def _cut(params: dict[str, str], rows: list[Any], token: dict[str, str]) -> list[Any]:
    size = int(params["max_results"])
    if len(rows) > size:
        following = json.dumps({"offset": _offset(params) + size})
        token["next_page_token"] = base64.b64encode(following.encode()).decode()
    return rows[:size]


def _offset(params: dict[str, str]) -> int:
    token = params.get("page_token")
    if token is None:
        return 0
    offset = int(json.loads(base64.b64decode(token))["offset"])
    assert offset > 0, "MLflow refuses such a token"
    return offset


def _pairs(key: str, found: dict[str, str]) -> list[dict[str, str]]:
    return [{key: name, "value": value} for name, value in sorted(found.items())]


def _aliases(model: EmulatedModel) -> list[dict[str, str]]:
    return [{"alias": alias, "version": str(number)} for alias, number in sorted(model.aliases.items())]


def _json(body: dict[str, Any]) -> EmulatedAnswer:
    return EmulatedAnswer(200, json.dumps({k: v for k, v in body.items() if v not in ([], None)}).encode())


def _absent(message: str) -> EmulatedAnswer:
    return EmulatedAnswer(
        404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}).encode()
    )
