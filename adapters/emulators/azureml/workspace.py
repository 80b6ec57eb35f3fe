"""What a workspace or registry keeps, and what Azure's resource manager answers about it.

Each behaviour says where it is from: (client) what azure-ai-ml 1.35.2 sends and parses; (doc) the REST reference; (?)
nobody has confirmed it.
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from adapters.emulators.services import (
    EmulatedService,
    Row,
    ServiceAnswer,
    ServiceRefusalError,
    ServiceRequest,
)

PROVIDER = "/providers/Microsoft.MachineLearningServices/"


@dataclass
class AzureWorkspace(EmulatedService):
    """One workspace, or (`kind` is `registries`) one registry."""

    token: str = "azure-token"
    principals: dict[str, str] = field(default_factory=dict)
    """Service principals with their secrets."""
    subscription: str = "sub-1"
    group: str = "ml"
    kind: str = "workspaces"
    name: str = "risk"
    ident: str = "5f2c0b7e-0000-4000-8000-000000000001"
    is_hidden: bool = False
    models: dict[str, Row] = field(default_factory=dict)
    """By name; `versions` by theirs."""
    refused: dict[str, int] = field(default_factory=dict)
    """Paths below the workspace that are answered by a status alone."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def path(self) -> str:
        """The resource."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}{PROVIDER}{self.kind}/{self.name}"
        )

    def put(self, model: str, **properties: Any) -> Row:
        """A new version of a model, which is made where it is new."""
        with self.lock:
            found = self.models.get(model) or self.create(model)
            number = str(1 + max((int(one) for one in found["versions"]), default=0))
            known: Row = {
                "modelUri": f"azureml://datastores/store/paths/{model}/{number}", "modelType": "custom_model",
                "flavors": {}, "isArchived": False, "isAnonymous": False, "tags": {}, "properties": {},
                "description": None, "stage": None, "jobName": None, "provisioningState": "Succeeded",
            }  # fmt: skip
            return self.write(found, number, {**known, **properties})

    def create(self, model: str, **properties: Any) -> Row:
        """A model without versions."""
        known: Row = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
        made = {
            "name": model,
            "systemData": self.stamp(),
            "properties": {**known, **properties},
            "versions": {},
        }
        self.models[model] = made
        return made

    def write(self, model: Row, version: str, properties: Row) -> Row:
        """A version as a whole: what is not among the properties is gone (client). It moves no row of a model (?)."""
        former = model["versions"].get(version)
        data = self.stamp(former)
        model["versions"][version] = {"name": version, "systemData": data, "properties": properties}
        found: Row = model["versions"][version]
        return found

    def touch(self, row: Row, **properties: Any) -> None:
        """Change properties of a model or version."""
        with self.lock:
            row["properties"] |= properties
            row["systemData"] = self.stamp(row)

    def drop(self, model: str, version: str | None = None) -> None:
        """Delete a version, or a model."""
        with self.lock:
            if version is None:
                self.models.pop(model, None)
            elif model in self.models:
                self.models[model]["versions"].pop(version, None)

    def stamp(self, former: Row | None = None) -> Row:
        """`systemData`, of what is made or changed now."""
        second = (
            datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds").removesuffix("+00:00")
        )
        now = f"{second}.{next(self.numbers):07}Z"
        made = {"createdAt": now, "createdBy": "Robot", "createdByType": "Application"}
        known = made if former is None else former["systemData"]
        return {
            **known,
            "lastModifiedAt": now,
            "lastModifiedBy": "Robot",
            "lastModifiedByType": "Application",
        }

    def error(self, refused: ServiceRefusalError) -> Row:
        return {"error": {"code": refused.code or "UserError", "message": str(refused)}}

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        if asked.path.endswith("/oauth2/v2.0/token"):
            return self._signed_in(asked)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            raise ServiceRefusalError(401, "The access token is invalid.", "InvalidAuthenticationToken")
        if not asked.path.startswith(self.path) or self.is_hidden:
            raise ServiceRefusalError(404, f"The Resource {asked.path} was not found.", "ResourceNotFound")
        below = asked.path.removeprefix(self.path)
        if status := self.refused.get(below):
            raise ServiceRefusalError(status, "it is refused")
        match asked.method, [unquote(part) for part in below.strip("/").split("/")]:
            case "GET", [""]:
                told = {"workspaceId": self.ident} if self.kind == "workspaces" else {}
                place = {"id": self.path, "name": self.name, "location": "westeurope", "properties": told}
                return ServiceAnswer(place)
            case "GET", ["models"]:
                return self._list(asked, [self.told(row) for row in self.models.values()])
            case "GET", ["models", name]:
                return ServiceAnswer(self.told(self.model(name)))
            case "PUT", ["models", name]:
                return self._put(name, asked.json()["properties"])
            case "DELETE", ["models", name]:
                self.drop(name)
                return ServiceAnswer({})
            case "GET", ["models", name, "versions"]:
                rows = self.model(name)["versions"].values()
                return self._list(asked, [self.told(row, name) for row in rows])
            case method, ["models", name, "versions", version]:
                return self._version(method, name, version, asked)
        raise ServiceRefusalError(404, f"No route for {asked.method} {asked.path}", "InvalidResourceType")

    def model(self, name: str) -> Row:
        """A model. Errors: `ServiceRefusalError`."""
        if name not in self.models:
            raise ServiceRefusalError(404, f"Model container {name} not found")
        return self.models[name]

    def told(self, row: Row, model: str | None = None) -> Row:
        """A model, or a version of one, as it is answered."""
        below = "/models/" + (row["name"] if model is None else f"{model}/versions/{row['name']}")
        found = {name: row[name] for name in ("name", "systemData", "properties")}
        if model is None:
            versions = [int(one) for one in row["versions"]]
            latest = {
                "latestVersion": str(max(versions)) if versions else None,
                "nextVersion": str(1 + max(versions, default=0)),
            }
            found["properties"] = {**row["properties"], **latest}
        return {"id": self.path + below, "type": "models", **found}

    def _version(self, method: str, name: str, version: str, asked: ServiceRequest) -> ServiceAnswer:
        if method == "PUT":
            model = self.models.get(name) or self.create(name)
            given = asked.json()["properties"]
            former = model["versions"].get(version)
            if former is not None and _path(former["properties"]) != _path(given):
                raise ServiceRefusalError(400, "Asset paths cannot be updated.")  # (client)
            given = {
                "isArchived": False,
                **given,
                "flavors": given.get("flavors") or {},
            }  # (client: it needs them)
            return ServiceAnswer(
                self.told(self.write(model, version, {**given, "provisioningState": "Succeeded"}), name)
            )
        model = self.model(name)
        if version not in model["versions"]:
            raise ServiceRefusalError(404, f"Model {name}:{version} not found")
        if method == "DELETE":
            self.drop(name, version)
            return ServiceAnswer({})
        return ServiceAnswer(self.told(model["versions"][version], name))

    def _put(self, name: str, properties: Row) -> ServiceAnswer:
        row = self.models.get(name) or self.create(name)
        row |= {"properties": properties, "systemData": self.stamp(row)}
        return ServiceAnswer(self.told(row))

    def _list(self, asked: ServiceRequest, rows: list[Row]) -> ServiceAnswer:
        """Active ones alone, where nothing else is asked for (doc); the link names where the next page begins."""
        view = asked.one("listViewType", "ActiveOnly")
        shown = [
            row
            for row in rows
            if view == "All" or not row["properties"]["isArchived"] or view == "ArchivedOnly"
        ]
        begin = asked.one("$skipToken")
        left = [row for row in sorted(shown, key=_place) if not begin or _place(row) > begin]
        page = left[: self.largest]
        self.listed()
        if len(left) <= self.largest:
            return ServiceAnswer({"value": page})
        kept = "&".join(f"{name}={quote(asked.one(name))}" for name in asked.query if name != "$skipToken")
        origin = f"{'https' if self.is_secure else 'http'}://{asked.headers['host']}"
        link = f"{origin}{asked.path}?{kept}&$skipToken={quote(_place(page[-1]))}"
        return ServiceAnswer({"value": page, "nextLink": link})

    is_secure: bool = False
    """It is served over https."""

    def _signed_in(self, asked: ServiceRequest) -> ServiceAnswer:
        form = {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}
        if self.principals.get(form.get("client_id", "")) != form.get("client_secret") or not self.principals:
            return ServiceAnswer({"error": "invalid_client"}, 401)
        return ServiceAnswer({"access_token": self.token, "token_type": "Bearer", "expires_in": 3599})


def _path(properties: Row) -> str:
    """Where files are: the client names a datastore by its whole path, or by its name alone."""
    uri = str(properties.get("modelUri"))
    return uri.partition("/datastores/")[2] or uri


def _place(row: Row) -> str:
    name = str(row["name"])
    return f"{int(name):020}" if name.isdecimal() else name
