"""What an organisation has, and what it answers to a query of GraphQL.

Fields, arguments and filters are those that wandb 0.31.0 sends and parses (client); (?) nobody has confirmed it.
"""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.emulators.services import (
    EmulatedService,
    Row,
    ServiceAnswer,
    ServiceRefusalError,
    ServiceRequest,
)
from adapters.emulators.wandb.graphql import QueryDocument, QueryError

PREFIX = "wandb-registry-"
FEATURES = ("ARTIFACT_REGISTRY_SEARCH", "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE")
"""Without the first the client reads no registry, without the second it asks once more for what it linked."""
SOURCE = ("research", "training")
"""Entity and project in which artifacts are logged, where nothing else is said."""


@dataclass
class Organization(EmulatedService):
    """One organisation. Registries are projects of its own entity."""

    name: str = "acme"
    key: str = "wandb-key"
    entity: str = "acme-org"
    ident: str = "T3JnYW5pemF0aW9uOjE="
    is_hidden: bool = False
    """The key does not see it (client: the same as not being there)."""
    is_source_read_only: bool = False
    """Nobody may write where artifacts were logged."""
    registries: dict[str, Row] = field(default_factory=dict)
    collections: dict[str, Row] = field(default_factory=dict)
    links: dict[str, Row] = field(default_factory=dict)
    artifacts: dict[str, Row] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def ident_of(self, kind: str) -> str:
        """A new global id."""
        return base64.b64encode(f"{kind}:{next(self.numbers)}".encode()).decode()

    def registry(self, name: str) -> Row:
        """A registry, made where it is new."""
        made = {"id": self.ident_of("Project"), "name": PREFIX + name, "description": None}
        return self.registries.setdefault(name, made)

    def collection(self, name: str, kind: str = "model") -> Row:
        """A collection (REGISTRY/NAME), made where it is new."""
        registry, _, last = name.partition("/")
        found = self.named(name)
        if found is None:
            self.registry(registry)
            found = {
                "id": self.ident_of("ArtifactCollection"), "name": last, "registry": registry, "kind": kind, "top": 0,
                "description": None, "tags": [], "createdAt": self.time(), "updatedAt": self.time(),
            }  # fmt: skip
            self.collections[found["id"]] = found
        return found

    def named(self, name: str) -> Row | None:
        """The collection REGISTRY/NAME."""
        registry, _, last = name.partition("/")
        rows = self.collections.values()
        return next((row for row in rows if (row["registry"], row["name"]) == (registry, last)), None)

    def log(self, name: str, kind: str = "model", inputs: Iterable[str] = (), **more: Any) -> Row:
        """An artifact that a run of its own logged, which used others (by their ids)."""
        entity, project = SOURCE
        run: Row = {"name": f"run{next(self.numbers)}", "inputs": list(inputs)}
        self.runs[run["name"]] = run
        number = sum(row["name"] == name for row in self.artifacts.values())
        made = {
            "id": self.ident_of("Artifact"), "name": name, "index": number, "kind": kind, "run": run["name"],
            "entity": entity, "project": project, "description": None, "metadata": "{}", "state": "COMMITTED",
            "digest": f"{next(self.numbers):032x}", "tags": [], "createdAt": self.time(), "updatedAt": self.time(),
        }  # fmt: skip
        self.artifacts[made["id"]] = made | more
        return self.artifacts[made["id"]]

    def link(self, collection: Row, artifact: Row) -> Row:
        """Link an artifact to a collection; linked again it is another version."""
        made = {
            "id": self.ident_of("ArtifactCollectionMembership"), "of": collection["id"], "artifact": artifact["id"],
            "index": collection["top"], "aliases": [], "createdAt": self.time(),
        }  # fmt: skip
        collection["top"] += 1
        self.links[made["id"]] = made
        self.point(collection, "latest", made["index"])
        return made

    def put(self, name: str, **more: Any) -> Row:
        """A new version of a collection: an artifact that is logged and linked."""
        with self.lock:
            return self.link(self.collection(name), self.log(name.rpartition("/")[2], **more))

    def point(self, collection: Row, alias: str, index: int | None) -> None:
        """Move an alias, of which a collection has one (client), or take it away; it moves no time (?)."""
        with self.lock:
            for row in self.of(collection):
                row["aliases"] = [one for one in row["aliases"] if one != alias]
                row["aliases"] += [alias] if row["index"] == index else []

    def of(self, collection: Row) -> list[Row]:
        """What is linked to a collection."""
        return [row for row in self.links.values() if row["of"] == collection["id"]]

    def drop(self, name: str, index: int | None = None) -> None:
        """Unlink a version, or delete a collection."""
        with self.lock:
            found = self.named(name)
            for row in self.of(found) if found else ():
                if index is None or row["index"] == index:
                    del self.links[row["id"]]
            if found and index is None:
                del self.collections[found["id"]]

    def time(self) -> str:
        """Now, as the API writes it."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def error(self, refused: ServiceRefusalError) -> Row:
        return {"errors": [{"message": str(refused)}]}

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        signed = base64.b64encode(f"api:{self.key}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {signed}":
            raise ServiceRefusalError(401, "user is not logged in")
        if asked.path != "/graphql":
            return ServiceAnswer(b"404 page not found", 404, {"Content-Type": "text/plain"})
        body = asked.json()
        document = QueryDocument(body["query"])  # its operation's name comes empty (client: the Go core)
        root = self._mutations() if document.operation == "mutation" else self._queries()
        try:
            return ServiceAnswer({"data": document.answer(root, body.get("variables") or {})})
        except QueryError as error:
            return ServiceAnswer({"errors": [{"message": str(error)}], "data": None})

    def _queries(self) -> Row:
        def organization(name: str) -> Row | None:
            return None if self.is_hidden or name != self.name else self._organization()

        def project(name: str, entityName: str) -> Row | None:  # noqa: N803 - the API's name
            return self._project(entityName, name)

        none: Row = {"edges": []}
        viewer = {
            "__typename": "User", "id": "VXNlcjox", "name": "Robot", "username": "robot", "email": "robot@acme.test",
            "admin": False, "flags": "{}", "entity": "research", "deletedAt": None, "apiKeys": none, "teams": none,
        }  # fmt: skip
        return {
            "__typename": "Query",
            "viewer": viewer,
            "serverInfo": {"features": [{"name": one, "isEnabled": True} for one in FEATURES]},
            "organization": organization,
            "project": project,
            "entity": lambda name: {"organization": self._organization(), "user": None},
            "artifact": lambda **given: _shown(self.artifacts.get(given["id"]), self._artifact),
            "artifactCollection": lambda **given: _shown(self.collections.get(given["id"]), self._collection),
        }

    def _mutations(self) -> Row:
        def add(**given: Row) -> Row:
            asked = given["input"]
            for one in asked["aliases"]:
                found = self._named_by(one)
                index = next(
                    (r["index"] for r in self.of(found) if r["artifact"] == asked["artifactID"]), None
                )
                if index is None:
                    raise QueryError("artifact is not a member of the collection")
                self.point(found, one["alias"], index)
            return {"success": True}

        def delete(**given: Row) -> Row:
            asked = given["input"]
            for one in asked["aliases"]:
                self.point(self._named_by(one), one["alias"], None)
            return {"success": True}

        def update(**given: Row) -> Row:
            asked = given["input"]
            if self.is_source_read_only:
                raise QueryError("permission denied: project is read-only")
            row = self.artifacts[asked["artifactID"]]
            row |= {name: asked[name] for name in ("description", "metadata") if asked.get(name) is not None}
            row["updatedAt"] = self.time()
            return {"artifact": self._artifact(row)}

        def link(**given: Row) -> Row:
            asked = given["input"]
            registry = asked["projectName"].removeprefix(PREFIX)
            if asked["entityName"] != self.entity or registry not in self.registries:
                raise QueryError("permission denied: the registry is not there, or not yours")
            found = self.collection(f"{registry}/{asked['artifactPortfolioName']}")
            made = self.link(found, self.artifacts[asked["artifactID"]])
            for one in asked.get("aliases") or ():
                self.point(found, one["alias"], made["index"])
            return {"versionIndex": made["index"], "artifactMembership": self._membership(made)}

        return {
            "__typename": "Mutation", "addAliases": add, "deleteAliases": delete, "updateArtifact": update,
            "linkArtifact": link,
        }  # fmt: skip

    def _named_by(self, one: Row) -> Row:
        found = self.named(f"{one['projectName'].removeprefix(PREFIX)}/{one['artifactCollectionName']}")
        if found is None:
            raise QueryError(f"collection {one['artifactCollectionName']} not found")
        return found

    def _organization(self) -> Row:
        entity = {
            "__typename": "Entity", "id": "RW50aXR5OjE=", "name": self.entity, "entityType": "ORGANIZATION",
            "projects": self._listing(self.registries, self._registry),
            "artifactCollections": self._listing(self.collections, self._collection, "projectFilters", "filters"),
            "artifactMemberships": self._listing(
                self.links, self._membership, "projectFilters", "collectionFilters", "filters"
            ),
        }  # fmt: skip
        features = {"advancedSearch": False}
        return {"__typename": "Organization", "id": self.ident, "name": self.name, "orgEntity": entity} | {
            "advancedRegistryFeatures": features
        }

    def _listing(
        self, table: Mapping[str, Row], shown: Callable[[Row], Row], *filters: str
    ) -> Callable[..., Row]:
        """A connection: in the order in which rows were made, behind the row that the cursor names."""

        def connection(after: str | None = None, first: int | None = None, **given: Any) -> Row:
            rows = [row for row in table.values() if self._is_met(row, given)]
            begin = 0 if after is None else int(base64.b64decode(after))
            left = [row for row in rows if self._number(row) > begin]
            size = min(first or 50, self.largest)
            page = left[:size]
            self.listed()
            end = base64.b64encode(str(self._number(page[-1])).encode()).decode() if page else after
            info = {"__typename": "PageInfo", "endCursor": end, "hasNextPage": len(left) > size}
            return {
                "totalCount": len(rows),
                "pageInfo": info,
                "edges": [{"node": shown(row)} for row in page],
            }

        return connection

    def _number(self, row: Row) -> int:
        return int(base64.b64decode(row["id"]).decode().partition(":")[2])

    def _is_met(self, row: Row, given: Mapping[str, Any]) -> bool:
        collection = self.collections.get(row.get("of", ""), row)
        registry = self.registries[collection["registry"]] if "registry" in collection else row
        asked = [(given.get("projectFilters"), registry), (given.get("collectionFilters"), collection)]
        asked.append((given.get("filters"), row))
        return all(_matches(json.loads(text), found) for text, found in asked if text)

    def _registry(self, row: Row) -> Row:
        entity = {"name": self.entity, "organization": {"name": self.name}}
        return {
            **row, "__typename": "Project", "internalId": row["id"], "entity": entity, "createdAt": self.time(),
            "updatedAt": None, "access": "PRIVATE", "allowAllArtifactTypesInRegistry": True,
            "artifactTypes": lambda **_: {"edges": [{"node": {"name": "model"}}]},
        }  # fmt: skip

    def _project(self, entity: str, name: str) -> Row | None:
        def membership(name: str) -> Row | None:
            found = self.named(f"{registry}/{name.partition(':')[0]}")
            word = name.partition(":")[2]
            rows = self.of(found) if found else []
            return next(
                (self._membership(r) for r in rows if word in (f"v{r['index']}", *r["aliases"])), None
            )

        registry = name.removeprefix(PREFIX)
        if entity == SOURCE[0] and name == SOURCE[1]:
            return {
                "__typename": "Project",
                "readOnly": self.is_source_read_only,
                "artifactCollectionMembership": self._logged,
            }
        if entity != self.entity or registry not in self.registries:
            return None
        return self._registry(self.registries[registry]) | {
            "artifactCollectionMembership": membership,
            "readOnly": False,
        }

    def _logged(self, name: str) -> Row | None:
        """An artifact in the sequence that it was logged in (client: it asks for that as for what is linked)."""
        wanted, _, word = name.partition(":")
        rows = [row for row in self.artifacts.values() if row["name"] == wanted]
        words = {f"v{row['index']}": row for row in rows} | {"latest": rows[-1] if rows else None}
        found = words.get(word)
        if found is None:
            return None
        artifact = self._artifact(found)
        return {
            "__typename": "ArtifactCollectionMembership", "id": f"{found['id']}-logged", "versionIndex": found["index"],
            "createdAt": found["createdAt"], "aliases": [], "artifact": artifact,
            "artifactCollection": artifact["artifactSequence"],
        }  # fmt: skip

    def _collection(self, row: Row) -> Row:
        tags = [{"node": {"__typename": "Tag", "id": f"tag-{one}", "name": one}} for one in row["tags"]]
        aliases = [{"node": one} for link in self.of(row) for one in _aliases(link)]
        page = {"pageInfo": {"endCursor": None, "hasNextPage": False}, "edges": aliases}
        return {
            **row, "__typename": "ArtifactPortfolio", "project": self._registry(self.registries[row["registry"]]),
            "defaultArtifactType": {"name": row["kind"]}, "tags": {"edges": tags}, "aliases": lambda **_: page,
        }  # fmt: skip

    def _membership(self, row: Row) -> Row:
        artifact = self.artifacts.get(row["artifact"])
        return {
            "__typename": "ArtifactCollectionMembership", "id": row["id"], "versionIndex": row["index"],
            "createdAt": row["createdAt"], "aliases": _aliases(row),
            "artifactCollection": self._collection(self.collections[row["of"]]),
            "artifact": None if artifact is None else self._artifact(artifact),
        }  # fmt: skip

    def _artifact(self, row: Row) -> Row:
        project = {
            "__typename": "Project", "id": "UHJvamVjdDow", "internalId": "1", "name": row["project"],
            "entity": {"name": row["entity"]},
        }  # fmt: skip
        sequence = {"__typename": "ArtifactSequence", "name": row["name"], "project": project}
        users = [one for one in self.runs.values() if row["id"] in one["inputs"]]
        return {
            **row, "__typename": "Artifact", "versionIndex": row["index"], "artifactType": {"name": row["kind"]},
            "artifactSequence": None if row["name"] is None else sequence, "ttlDurationSeconds": -1,
            "ttlIsInherited": False, "historyStep": None, "size": 1, "digestAlgorithm": "MANIFEST_MD5",
            "commitHash": "c0ffee", "fileCount": 1,
            "tags": [{"__typename": "Tag", "id": f"tag-{one}", "name": one} for one in row["tags"]],
            "aliases": [],
            "usedBy": lambda **_: {"edges": [{"node": self._run(one, project)} for one in users]},
            "createdBy": lambda: self._run(self.runs[row["run"]], project),
            "artifactMemberships": lambda **_: {
                "edges": [{"node": self._membership(r)} for r in self.links.values() if r["artifact"] == row["id"]]
            },
        }  # fmt: skip

    def _run(self, run: Row, project: Row) -> Row:
        inputs = [self._artifact(self.artifacts[one]) for one in run["inputs"] if one in self.artifacts]
        return {
            "__typename": "Run", "id": f"run-{run['name']}", "name": run["name"], "project": project,
            "inputArtifacts": lambda **_: {"edges": [{"node": one} for one in inputs]},
        }  # fmt: skip


def _shown(row: Row | None, shown: Callable[[Row], Row]) -> Row | None:
    return None if row is None else shown(row)


def _aliases(row: Row) -> list[Row]:
    words = [f"v{row['index']}", *row["aliases"]]
    return [{"__typename": "ArtifactAlias", "id": f"{row['id']}-{one}", "alias": one} for one in words]


def _matches(asked: Mapping[str, Any], row: Row) -> bool:
    """Filters as the client writes them: names to values, `$or`, `$and`, `$regex`."""
    for name, wanted in asked.items():
        match name, wanted:
            case "$or", list():
                met = any(_matches(one, row) for one in wanted)
            case "id", int():  # the number in a global id (client)
                met = int(base64.b64decode(row["id"]).decode().partition(":")[2]) == wanted
            case "$and", list():
                met = all(_matches(one, row) for one in wanted)
            case _, {"$regex": pattern}:
                met = re.search(pattern, str(row.get(name))) is not None
            case _, {"$in": values}:
                met = row.get(name) in values
            case _, {"$eq": value}:
                met = row.get(name) == value
            case _:
                met = row.get(name) == wanted
        if not met:
            return False
    return True
