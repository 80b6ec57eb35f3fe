"""What a metastore keeps, and what it answers below `/api/2.1/unity-catalog`; of MLflow's API, tags.

Each behaviour says where it is from: (doc) Databricks' API reference, (sdk) databricks-sdk 0.162.0, (oss) the source of
the open-source server, (client) unitycatalog-client 0.7.0, (mlflow) MLflow 3.17.2; (?) nobody has confirmed it.
"""

import base64
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from adapters.emulators.services import (
    EmulatedService,
    Row,
    ServiceAnswer,
    ServiceRefusalError,
    ServiceRequest,
)

API = "/api/2.1/unity-catalog"
MLFLOW = "/api/2.0/mlflow/unity-catalog/"
PAGES = {"catalogs": "catalogs", "schemas": "schemas", "models": "registered_models"}
HIDDEN_NAMES = frozenset({"aliases", "tags", "versions", "top"})
"""What a listed model or version does not show: aliases (doc), tags (sdk), and what is kept beside it here."""


@dataclass
class Metastore(EmulatedService):
    """One metastore. `token`: what who asks has to show; empty: nobody has to (oss)."""

    token: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    """EmulatedService principals with their secrets (doc, OAuth M2M)."""
    is_databricks: bool = True
    metastore_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    catalogs: dict[str, Row] = field(default_factory=dict)
    schemas: dict[str, Row] = field(default_factory=dict)
    models: dict[str, Row] = field(default_factory=dict)
    """By their full names."""
    hidden: set[str] = field(default_factory=set)
    """Catalogs that nobody is shown."""
    hollow: bool = False
    """An empty page comes before each other one (sdk: "a page may contain zero results")."""
    refused: dict[str, int] = field(default_factory=dict)
    """Paths that are answered by a status alone."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, name: str, **more: Any) -> Row:
        """A new version of a model, whose catalog, schema and row are made where they are new."""
        with self.lock:
            model = self.models.get(name) or self.create(name)
            return self.add(model, {"source": "s3://unity/model", "status": "READY", **more})

    def create(self, name: str, **more: Any) -> Row:
        """A new model (and what it is in). Errors: `ServiceRefusalError`."""
        with self.lock:
            if name in self.models:
                raise ServiceRefusalError(
                    409, f"Registered model {name} already exists", "RESOURCE_ALREADY_EXISTS"
                )
            catalog, schema, last = name.split(".")
            self.catalogs.setdefault(catalog, {"name": catalog})
            whole = f"{catalog}.{schema}"
            self.schemas.setdefault(whole, {"name": schema, "catalog_name": catalog, "full_name": whole})
            now, ident = self.epoch_ms(), str(uuid.uuid4())
            made = {
                "name": last, "catalog_name": catalog, "schema_name": schema, "full_name": name, "created_at": now,
                "updated_at": now, "created_by": "robot", "owner": "robot", "id": ident,
                "metastore_id": self.metastore_id, "storage_location": f"s3://metastore/{ident}", "comment": None,
            }  # fmt: skip
            made |= {**more, "aliases": {}, "tags": {}, "versions": {}, "top": 0}
            return self.models.setdefault(name, made)

    def add(self, model: Row, given: Row) -> Row:
        """A new version. The model's row stays as it is (oss); its numbers are never used again (oss)."""
        now, number = self.epoch_ms(), model["top"] + 1
        model["top"] = number
        parts = {name: model[name] for name in ("catalog_name", "schema_name")}
        made: Row = {
            "model_name": model["name"], **parts, "version": number, "id": str(uuid.uuid4()), "created_at": now,
            "updated_at": now, "created_by": "robot", "status": "PENDING_REGISTRATION", "tags": {},
            "storage_location": f"{model['storage_location']}/{number}", **given,
        }  # fmt: skip
        model["versions"][number] = made
        return made

    def point(self, name: str, alias: str, version: int | None) -> None:
        """Move an alias, which moves nothing else (?); None takes it away."""
        with self.lock:
            model = self.model(name)
            if version is None:
                model["aliases"].pop(alias, None)
            else:
                self.version(model, version)
                model["aliases"][alias] = version

    def drop(self, name: str, version: int | None = None) -> None:
        """Delete a version with the aliases that name it (?), or a model."""
        with self.lock:
            if version is None:
                self.models.pop(name, None)
            elif name in self.models:
                model = self.models[name]
                model["versions"].pop(version, None)
                model["aliases"] = {alias: at for alias, at in model["aliases"].items() if at != version}

    def model(self, name: str) -> Row:
        """The model of this full name. Errors: `ServiceRefusalError`, by the first part that is missing (doc, oss)."""
        catalog, _, rest = name.partition(".")
        schema = f"{catalog}.{rest.partition('.')[0]}"
        if catalog not in self.catalogs or catalog in self.hidden:
            raise self.gone(
                "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.", "Catalog not found"
            )
        if schema not in self.schemas:
            raise self.gone("SCHEMA_DOES_NOT_EXIST", f"Schema '{schema}' does not exist.", "Schema not found")
        if name not in self.models:
            raise self.gone(
                "RESOURCE_DOES_NOT_EXIST", f"{name} does not exist.", "Registered model not found"
            )
        return self.models[name]

    def version(self, model: Row, number: int) -> Row:
        """A version of a model. Errors: `ServiceRefusalError`."""
        if number not in model["versions"]:
            words = f"Model version {model['full_name']}/{number} does not exist."
            raise self.gone("RESOURCE_DOES_NOT_EXIST", words, "Model version not found")
        found: Row = model["versions"][number]
        return found

    def gone(self, code: str, words: str, open_words: str) -> ServiceRefusalError:
        """A 404; an open-source server has one code for all of them (oss)."""
        return (
            ServiceRefusalError(404, words, code)
            if self.is_databricks
            else ServiceRefusalError(404, open_words, "NOT_FOUND")
        )

    def error(self, refused: ServiceRefusalError) -> Row:
        return {"error_code": refused.code or "INVALID_STATE", "message": str(refused)}

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        if asked.path == "/oidc/v1/token":
            return self._signed_in(asked)
        if asked.path == "/.well-known/databricks-config":  # (sdk) asked first
            return ServiceAnswer({"oidc_endpoint": f"http://{asked.headers['host']}/oidc"})
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            raise ServiceRefusalError(
                401, "Credential was not sent or was of an unsupported type", "UNAUTHENTICATED"
            )
        if status := self.refused.get(asked.path.removeprefix(API)):
            raise ServiceRefusalError(status, "it is refused", "PERMISSION_DENIED")
        if self.is_databricks and asked.path.startswith(MLFLOW):
            return ServiceAnswer(self._by_mlflow(asked.method, asked.path.removeprefix(MLFLOW), asked))
        parts = [unquote(part) for part in asked.path.removeprefix(f"{API}/").split("/")]
        match asked.method, parts:
            case "GET", ["metastore_summary"]:
                return ServiceAnswer(self._summary())
            case "POST", ["models", "versions"]:
                return ServiceAnswer(self._create_version(asked.json()))
            case method, ["models", name, *rest] if rest or name:
                return ServiceAnswer(self._of_model(method, name, rest, asked))
            case method, ["catalogs" | "schemas" | "models" as kind, *rest]:
                return ServiceAnswer(self._of_place(method, kind, rest, asked))
            case "POST", ["temporary-model-version-credentials"]:  # (client, mlflow's uc:)
                return ServiceAnswer({"aws_temp_credentials": None})
        raise ServiceRefusalError(
            404, f"No API found for '{asked.method} {asked.path}'", "ENDPOINT_NOT_FOUND"
        )

    def _by_mlflow(self, method: str, path: str, asked: ServiceRequest) -> Row:
        """Tags of one record, which move no time (?)."""
        given = {"name": asked.one("name"), "version": asked.one("version"), **asked.json()}
        row, what = self.model(given["name"]), path.partition("/")[0]
        if what == "model-versions":
            row = self.version(row, int(given["version"]))
        match method, path.partition("/")[2]:
            case "GET", "get":
                tags = [{"key": key, "value": value} for key, value in row["tags"].items()]
                named = {name: str(given[name]) for name in ("name", "version") if given[name]}
                return {what.replace("-", "_").removesuffix("s"): {**named, "tags": tags}}
            case "POST", "set-tag":
                row["tags"][given["key"]] = given["value"]
                return {}
            case "DELETE", "delete-tag":
                row["tags"].pop(given["key"], None)
                return {}
        raise ServiceRefusalError(404, f"No API found for '{method} {asked.path}'", "ENDPOINT_NOT_FOUND")

    def _summary(self) -> Row:
        told = {"metastore_id": self.metastore_id, "name": "main"}
        more = {
            "cloud": "aws",
            "region": "eu-central-1",
            "global_metastore_id": f"aws:eu-central-1:{self.metastore_id}",
        }
        return told | more if self.is_databricks else told

    def _of_place(self, method: str, kind: str, rest: list[str], asked: ServiceRequest) -> Any:
        table: dict[str, Row] = getattr(self, kind)
        given = asked.json() if method == "POST" else {}
        if method == "POST" and not rest:
            if kind == "models":
                name = ".".join(given[part] for part in ("catalog_name", "schema_name", "name"))
                if f"{given['catalog_name']}.{given['schema_name']}" not in self.schemas:
                    self.model(f"{given['catalog_name']}.{given['schema_name']}.-")
                return self.shown(self.create(name, comment=given.get("comment")))
            name = ".".join(given[part] for part in ("catalog_name", "name") if part in given)
            table[name] = {**given, "full_name": name}
            return table[name]
        if rest:
            if rest[0] not in table:
                raise self.gone(
                    f"{kind[:-1].upper()}_DOES_NOT_EXIST", "gone", f"{kind[:-1].title()} not found"
                )
            return table.pop(rest[0]) if method == "DELETE" else table[rest[0]]
        catalog, schema = asked.one("catalog_name"), asked.one("schema_name")
        if kind == "models" and bool(catalog) != bool(schema):
            raise ServiceRefusalError(
                400, "Cannot specify catalog w/o schema", "INVALID_PARAMETER_VALUE"
            )  # (doc, oss)
        rows = [
            row
            for row in table.values()
            if row.get("catalog_name", row["name"]) not in self.hidden
            and (not catalog or row.get("catalog_name") == catalog)
            and (not schema or row.get("schema_name") == schema)
        ]
        return self._page(PAGES[kind], [self.shown(row) for row in rows], asked)

    def _of_model(self, method: str, name: str, rest: list[str], asked: ServiceRequest) -> Any:
        model = self.model(name)
        match method, rest:
            case "GET", []:
                with_aliases = self.is_databricks and asked.one("include_aliases") == "true"
                return self.shown(model) | ({"aliases": list(self._aliases(model))} if with_aliases else {})
            case "PATCH", []:
                return self._change(model, asked.json())
            case "DELETE", []:
                if model["versions"] and not self.is_databricks and asked.one("force") != "true":
                    raise ServiceRefusalError(409, "it has versions", "ABORTED")  # (oss)
                self.drop(name)
                return {}
            case "GET", ["versions"]:
                return self._page(
                    "model_versions", [self.told(row) for row in model["versions"].values()], asked
                )
            case method, ["versions", number, *more] if number.isdecimal():
                return self._of_version(method, model, int(number), more, asked)
            case method, ["aliases", alias] if self.is_databricks:
                return self._of_alias(method, model, alias, asked)
        raise ServiceRefusalError(
            404, f"No API found for '{asked.method} {asked.path}'", "ENDPOINT_NOT_FOUND"
        )

    def _of_version(
        self, method: str, model: Row, number: int, more: list[str], asked: ServiceRequest
    ) -> Any:
        row = self.version(model, number)
        match method, more:
            case "PATCH", ["finalize"]:  # (oss)
                return self.told(self.touch(row, status="READY"))
            case "PATCH", []:
                return self.told(self.touch(row, comment=asked.json().get("comment")))
            case "DELETE", []:
                self.drop(model["full_name"], number)
                return {}
        return self.told(row)

    def _of_alias(self, method: str, model: Row, alias: str, asked: ServiceRequest) -> Any:
        match method:
            case "PUT":  # moves at once, whoever has it (doc)
                self.point(model["full_name"], alias, int(asked.json()["version_num"]))
                return {"alias_name": alias, "version_num": model["aliases"][alias]}
            case "DELETE":
                self.point(model["full_name"], alias, None)
                return {}
        return self.told(self.version(model, model["aliases"].get(alias, 0)))

    def _change(self, model: Row, given: Row) -> Row:
        if (new := given.get("new_name")) is not None:
            name = f"{model['catalog_name']}.{model['schema_name']}.{new}"
            if self.models.get(name, model) is not model:
                raise ServiceRefusalError(
                    409, f"Registered model {name} already exists", "RESOURCE_ALREADY_EXISTS"
                )
            del self.models[model["full_name"]]
            self.models[name] = self.touch(model, name=new, full_name=name)
        if "comment" in given:
            self.touch(model, comment=given["comment"])
        return self.shown(model)

    def _create_version(self, given: Row) -> Row:
        name = ".".join(given[part] for part in ("catalog_name", "schema_name", "model_name"))
        fields = {field: given[field] for field in ("source", "run_id", "comment") if given.get(field)}
        return self.told(self.add(self.model(name), fields))

    def touch(self, row: Row, **changed: Any) -> Row:
        """Change a row; its time moves on."""
        row.update(changed, updated_at=max(self.epoch_ms(), row["updated_at"]))
        return row

    def shown(self, row: Row) -> Row:
        """A row as listings give it: Databricks tells no id of a model (sdk, RegisteredModelInfo)."""
        hidden = HIDDEN_NAMES | ({"id"} if self.is_databricks else set())
        return {name: value for name, value in row.items() if name not in hidden and value is not None}

    def told(self, row: Row) -> Row:
        """A version; its number is a text where Databricks tells it (sdk: parsed from either)."""
        return {name: value for name, value in row.items() if value is not None and name not in HIDDEN_NAMES}

    def _aliases(self, model: Row) -> Iterator[Row]:
        for alias, version in model["aliases"].items():
            yield {"alias_name": alias, "version_num": version}

    def _page(self, name: str, rows: list[Row], asked: ServiceRequest) -> Row:
        """The token is where the page begins; rows are in the order of their names (oss)."""
        token = asked.one("page_token")
        self.listed()
        if self.hollow and not token.startswith("~"):
            return {name: [], "next_page_token": f"~{token}"}
        after = token.removeprefix("~")
        left = [row for row in sorted(rows, key=_place) if not after or _place(row) > after]
        size = min(int(asked.one("max_results") or 0) or self.largest, self.largest)
        page = left[:size]
        return {name: page, **({"next_page_token": _place(page[-1])} if len(left) > size else {})}

    def _signed_in(self, asked: ServiceRequest) -> ServiceAnswer:
        kind, _, given = asked.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(given or b"").decode().partition(":")
        if kind != "Basic" or self.secrets.get(name) != secret or not secret:
            return ServiceAnswer({"error": "invalid_client"}, 401)
        return ServiceAnswer({"access_token": self.token, "token_type": "Bearer", "expires_in": 3600})


def _place(row: Row) -> str:
    number = row.get("version")
    return str(row.get("full_name", row.get("name"))) if number is None else f"{int(number):020}"
