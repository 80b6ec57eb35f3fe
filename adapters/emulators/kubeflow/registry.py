"""What the registry keeps, and what it answers.

Each behaviour says where it is from: (client) the code of model-registry 0.3.18, whose generated models read every
answer; (src) the server's source as of April 2026; (?) nobody has confirmed it.
"""

import base64
import binascii
import itertools
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.services import (
    EmulatedService,
    Row,
    ServiceAnswer,
    ServiceRefusalError,
    ServiceRequest,
)

PREFIX = "/api/model_registry/v1"
SINGULAR = {
    "registered_models": "registered_model",
    "model_versions": "model_version",
    "artifacts": "artifact",
    "model_artifacts": "model_artifact",
    "serving_environments": "serving_environment",
    "inference_services": "inference_service",
    "serves": "serve",
}
PARENT = {"model_versions": "registeredModelId", "inference_services": "servingEnvironmentId"}
"""By which field a row names what it is below of."""
BELOW = {
    ("registered_models", "versions"): "model_versions",
    ("model_versions", "artifacts"): "artifacts",
    ("serving_environments", "inference_services"): "inference_services",
    ("inference_services", "serves"): "serves",
}
OF = "_of"
"""The id of the version that an artifact belongs to: no answer tells it (src)."""
ORDERS = {"CREATE_TIME": "createTimeSinceEpoch", "LAST_UPDATE_TIME": "lastUpdateTimeSinceEpoch"}
FIXED = frozenset({"id", "name", "createTimeSinceEpoch", "lastUpdateTimeSinceEpoch", *PARENT.values()})
"""What an update leaves as it is (src)."""
COMPARE = {"=": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
_FILTER = re.compile(r"(\w+) *(=|>=|<=|>|<) *(?:'([^']*)'|\"([^\"]*)\"|([\d.]+))")
_ASCII = re.compile(r"[\x20-\x7e]+")


@dataclass
class KubeflowRegistry(EmulatedService):
    """One server, with its tables by listing and id."""

    token: str = ""
    prefix: str = PREFIX
    """`/api/model_registry/v1alpha3` until spring 2026 (src)."""
    tables: dict[str, dict[str, Row]] = field(default_factory=lambda: {name: {} for name in SINGULAR})
    ignores_filters: bool = False
    """As releases do that know no `filterQuery`."""
    hollow: bool = False
    """An empty page comes before each other one."""
    unreadable: set[str] = field(default_factory=set)
    """Ids of which a single read says that there is none: the database failed (src)."""
    refused: dict[str, int] = field(default_factory=dict)
    """Paths that are answered by a status alone."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, model: str, uri: str = "s3://kubeflow/model.tar.gz", **more: Any) -> Row:
        """A new version of a model, with one artifact."""
        with self.lock:
            found = self.named("registered_models", model) or self.make("registered_models", {"name": model})
            taken = {row["name"] for row in self.below("registered_models", found["id"], "versions")}
            number = next(n for n in itertools.count(len(taken) + 1) if str(n) not in taken)
            made = self.make(
                "model_versions", {"name": str(number), "registeredModelId": found["id"], **more}
            )
            file = {"artifactType": "model-artifact", "name": model, "uri": uri, "modelFormatName": "onnx"}
            self.make("artifacts", file, made["id"])
            return made

    def named(self, listing: str, name: str, parent: str | None = None) -> Row | None:
        """What is called so, below the same parent."""
        return next(
            (
                r
                for r in self.tables[listing].values()
                if r.get("name") == name and _parent(listing, r) == parent
            ),
            None,
        )

    def below(self, listing: str, ident: str, what: str) -> list[Row]:
        """What belongs to a row."""
        child = BELOW[listing, what]
        return [row for row in self.tables[child].values() if _parent(child, row) == ident]

    def make(self, listing: str, given: Row, of: str | None = None) -> Row:
        """A new row. Errors: `ServiceRefusalError`."""
        listing = "artifacts" if listing == "model_artifacts" else listing
        row = {name: value for name, value in given.items() if value is not None}
        if of is not None:
            row[PARENT.get(listing, OF)] = of
        if not row.get("name") and listing != "serves":
            raise ServiceRefusalError(422, "required field 'name' is missing")
        if PARENT.get(listing, "name") not in row:
            raise ServiceRefusalError(422, f"required field '{PARENT[listing]}' is missing")
        taken = self.named(listing, row.get("name", ""), _parent(listing, row)) is not None
        external = row.get("externalId")
        if taken or (
            external and any(r.get("externalId") == external for r in self.tables[listing].values())
        ):
            raise ServiceRefusalError(409, f"{SINGULAR[listing]} with name {row.get('name')} already exists")
        now = str(self.epoch_ms())
        row |= {"id": str(next(self.numbers)), "createTimeSinceEpoch": now, "lastUpdateTimeSinceEpoch": now}
        if listing in ("registered_models", "model_versions"):
            row.setdefault("state", "LIVE")
        if listing == "inference_services":
            row.setdefault("desiredState", "DEPLOYED")
        if listing == "artifacts":
            row.setdefault("artifactType", "model-artifact")
            row.setdefault("state", "LIVE")
        row.setdefault("customProperties", {})
        self.tables[listing][row["id"]] = row
        return row

    def touch(self, row: Row, **changed: Any) -> Row:
        """Change a row: any update moves its time (src), and that of no other row."""
        row |= {name: value for name, value in changed.items() if name not in FIXED and value is not None}
        row["lastUpdateTimeSinceEpoch"] = str(max(self.epoch_ms(), int(row["lastUpdateTimeSinceEpoch"])))
        return row

    def drop(self, listing: str, ident: str) -> None:
        """Take a row out of the database, with what is below it: the API deletes nothing (src)."""
        with self.lock:
            self.tables[listing].pop(ident, None)
            for (above, what), child in BELOW.items():
                if above == listing:
                    for row in self.below(listing, ident, what):
                        self.drop(child, row["id"])

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            raise ServiceRefusalError(401, "Unauthorized")
        if not asked.path.startswith(f"{self.prefix}/"):
            return ServiceAnswer(b"404 page not found\n", 404, {"Content-Type": "text/plain"})
        if status := self.refused.get(asked.path.removeprefix(self.prefix)):
            raise ServiceRefusalError(status, "it is refused")
        parts = asked.path.removeprefix(f"{self.prefix}/").split("/")
        match asked.method, parts:
            case "GET", [listing] if listing in SINGULAR:
                return self._list(asked, listing, [*self._table(listing).values()])
            case "POST", [listing] if listing in SINGULAR:
                return ServiceAnswer(_shown(self.make(listing, asked.json())), 201)
            case "GET", [what] if what in SINGULAR.values():
                return self._find(asked, next(name for name, one in SINGULAR.items() if one == what))
            case "GET", [listing, ident] if listing in SINGULAR:
                return ServiceAnswer(_shown(self._row(listing, ident)))
            case "PATCH", [listing, ident] if listing in SINGULAR:
                return ServiceAnswer(_shown(self.touch(self._row(listing, ident), **asked.json())))
            case "GET", ["inference_services", ident, "version"]:
                return ServiceAnswer(_shown(self._served(ident)))
            case "GET", [listing, ident, what] if (listing, what) in BELOW:
                self._row(listing, ident)
                return self._list(asked, BELOW[listing, what], self.below(listing, ident, what))
            case "POST", [listing, ident, what] if (listing, what) in BELOW:
                self._row(listing, ident)
                return ServiceAnswer(_shown(self.make(BELOW[listing, what], asked.json(), ident)), 201)
        return ServiceAnswer(b"404 page not found\n", 404, {"Content-Type": "text/plain"})

    def _table(self, listing: str) -> Mapping[str, Row]:
        if listing != "model_artifacts":
            return self.tables[listing]
        return {k: r for k, r in self.tables["artifacts"].items() if r["artifactType"] == "model-artifact"}

    def _row(self, listing: str, ident: str) -> Row:
        found = self._table(listing).get(ident)
        if found is None or ident in self.unreadable:
            raise ServiceRefusalError(404, f"no {SINGULAR[listing]} found for id {ident}: not found")
        return found

    def _served(self, ident: str) -> Row:
        """What it names, else the newest version of its model by creation (src)."""
        service = self._row("inference_services", ident)
        if service.get("modelVersionId"):
            return self._row("model_versions", service["modelVersionId"])
        versions = self.below("registered_models", service["registeredModelId"], "versions")
        if not versions:
            raise ServiceRefusalError(404, f"no model versions found for id {ident}: not found")
        return max(versions, key=lambda row: (int(row["createTimeSinceEpoch"]), int(row["id"])))

    def _find(self, asked: ServiceRequest, listing: str) -> ServiceAnswer:
        """The only row with a name (below its parent) or external id; more than one is none (src)."""
        by = {name: asked.one(name) for name in ("name", "externalId", "parentResourceId") if asked.one(name)}
        if any(not _ASCII.fullmatch(value) for value in by.values()):
            raise ServiceRefusalError(
                422, "a parameter does not match the pattern"
            )  # (src, of newer releases)
        if not by.keys() & {"name", "externalId"}:
            raise ServiceRefusalError(400, "invalid parameters call, supply either name or externalId")
        found = [
            row
            for row in self._table(listing).values()
            if by.get("name", row.get("name")) == row.get("name")
            and by.get("externalId", row.get("externalId")) == row.get("externalId")
            and by.get("parentResourceId", _parent(listing, row)) == _parent(listing, row)
        ]
        if len(found) != 1:
            raise ServiceRefusalError(404, f"no {SINGULAR[listing]} found: not found")
        return ServiceAnswer(_shown(found[0]))

    def _list(self, asked: ServiceRequest, listing: str, rows: list[Row]) -> ServiceAnswer:
        """A page behind the one whose last row the token names; without `pageSize` as much as there is (src)."""
        # Inference services are not filtered (src).
        if not self.ignores_filters and listing != "inference_services":
            rows = [row for row in rows if _is_met(asked.one("filterQuery"), row)]
        if kind := asked.one("artifactType"):
            rows = [row for row in rows if row["artifactType"] == kind]
        field_, down = ORDERS.get(asked.one("orderBy"), "id"), asked.one("sortOrder") == "DESC"

        def place(row: Row) -> tuple[int, int]:
            return int(row[field_]), int(row["id"])

        rows.sort(key=place, reverse=down)
        token = asked.one("nextPageToken")
        if self.hollow and not token.startswith("~"):
            return self._page([], f"~{token}", 0)
        if token.removeprefix("~"):
            at = _place(token.removeprefix("~"))
            rows = [row for row in rows if (place(row) < at if down else place(row) > at)]
        size = min(int(asked.one("pageSize") or self.largest), self.largest)
        more = size < len(rows)
        rows = rows[:size] if more else rows
        following = f"{rows[-1]['id']}:{rows[-1][field_]}".encode() if more else b""
        return self._page(rows, base64.b64encode(following).decode(), size)

    def _page(self, rows: list[Row], following: str, size: int) -> ServiceAnswer:
        page = {"items": [_shown(row) for row in rows], "nextPageToken": following, "pageSize": size}
        self.listed()
        return ServiceAnswer({**page, "size": len(rows)})


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != OF}


def _parent(listing: str, row: Row) -> str | None:
    found = row.get(PARENT.get(listing, OF))
    return None if found is None else str(found)


def _place(token: str) -> tuple[int, int]:
    try:
        ident, _, value = base64.b64decode(token, validate=True).decode().partition(":")
        return int(value), int(ident)
    except (binascii.Error, ValueError):
        raise ServiceRefusalError(400, "invalid nextPageToken") from None


def _is_met(query: str, row: Row) -> bool:
    """`NAME >= NUMBER`, `NAME = 'TEXT'` (src, of a larger language)."""
    if not query:
        return True
    found = _FILTER.fullmatch(query.strip())
    if found is None:
        raise ServiceRefusalError(400, f"invalid filterQuery {query}")
    value, number = row.get(found[1]), found[5]
    if number is None:
        return found[2] == "=" and value == (found[3] if found[3] is not None else found[4])
    if value is None:
        return False
    return bool(COMPARE[found[2]](float(value), float(number)))
