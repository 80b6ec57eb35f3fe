"""A model registry of the kind that a team writes in a day with FastAPI: what the preset `fastapi` describes."""

import threading
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel

from tests.patience import until

Row = dict[str, Any]
RIGHTS = ("write", "promote", "delete")


class RestRegistry:
    """What the service keeps: rows by id, in order of creation."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.identity = str(uuid.uuid4())
        self.rights: tuple[str, ...] = RIGHTS
        self.rows: dict[str, dict[str, Row]] = {"models": {}, "versions": {}, "endpoints": {}}
        self.closed: set[str] = set()
        """Listings that this token may not read."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.listed: Callable[[], None] = lambda: None
        self.fault: Callable[[], Awaitable[Response]] | None = None
        """What is answered instead."""
        self.requests: list[str] = []
        self.lock = threading.RLock()

    def add(self, kind: str, **fields: Any) -> Row:
        made, now = uuid.uuid4().hex, self.clock().isoformat()
        self.rows[kind][made] = row = {"id": made, "created_at": now, "updated_at": now, **fields}
        return row

    def touch(self, row: Row, **fields: Any) -> Row:
        row.update(fields, updated_at=self.clock().isoformat())
        return row

    def named(self, model: str) -> Row | None:
        return next((row for row in self.rows["models"].values() if row["name"] == model), None)

    def model(self, name: str) -> Row:
        return self.named(name) or self.add("models", name=name, owner="team-a", tags={}, aliases={})

    def of(self, model: Row) -> list[Row]:
        return [row for row in self.rows["versions"].values() if row["model_id"] == model["id"]]

    def version(self, model: str, **fields: Any) -> Row:
        parent = self.model(model)
        number = 1 + max((row["version"] for row in self.of(parent)), default=0)
        known: Row = {
            "model_id": parent["id"],
            "version": number,
            "stage": "none",
            "tags": {},
            "metrics": {"auc": 0.9},
        }
        return self.add("versions", **known | fields)

    def drop(self, kind: str, ident: str) -> None:
        row = self.rows[kind].pop(ident, None)
        if row is None:
            return
        if kind == "models":
            for version in self.of(row):
                self.drop("versions", version["id"])
        if kind == "versions":
            for endpoint in list(self.rows["endpoints"].values()):
                if any(one["version_id"] == ident for one in endpoint["traffic"]):
                    del self.rows["endpoints"][endpoint["id"]]
            model = self.rows["models"].get(row["model_id"])
            if model is not None:
                left = {str(one["version"]) for one in self.of(model)}
                self.touch(model, aliases={k: v for k, v in model["aliases"].items() if v in left})


class Change(BaseModel):
    """What a PATCH takes."""

    stage: str | None = None
    tags: dict[str, str] | None = None
    aliases: dict[str, str] | None = None


class New(BaseModel):
    """What a registration takes."""

    model: str
    uri: str
    description: str | None = None
    run_id: str | None = None
    tags: dict[str, str] = {}
    token: str


class Service:
    """What is answered."""

    def __init__(self, registry: RestRegistry) -> None:
        self.registry = registry

    async def authorised(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.registry.token}":
            raise HTTPException(401, "who are you?")

    async def info(self) -> Row:
        return {"id": self.registry.identity, "version": "0.1", "rights": self.registry.rights}

    async def listing(
        self,
        kind: str,
        page: Annotated[int, Query(ge=1)] = 1,
        size: Annotated[int, Query(ge=1, le=100)] = 50,
        updated_after: datetime | None = None,
    ) -> Row:
        if kind not in self.registry.rows:
            raise HTTPException(404, "no such page")
        if kind in self.registry.closed:
            raise HTTPException(403, f"you may not read {kind}")
        with self.registry.lock:
            since = "" if updated_after is None else updated_after.isoformat()
            rows = [one for one in self.registry.rows[kind].values() if one["updated_at"] > since]
            found = {"items": rows[(page - 1) * size :][:size], "total": len(rows), "page": page}
        self.registry.listed()
        return found

    async def one(self, kind: str, ident: str) -> Row:
        return self._row(kind, ident)

    async def register(self, new: New) -> Row:
        self._need("write")
        with self.registry.lock:
            made: Iterable[Row] = self.registry.rows["versions"].values()
            known = next((one for one in made if one.get("token") == new.token), None)
            return known or self.registry.version(new.model, **new.model_dump(exclude={"model"}))

    async def change(self, kind: str, ident: str, body: Change) -> Row:
        wanted = body.model_dump(exclude_none=True)
        for name in wanted:
            self._need("write" if name == "tags" else "promote")
        with self.registry.lock:
            found = self._row(kind, ident)
            numbers = {str(one["version"]) for one in self.registry.of(found)}
            if not set(wanted.get("aliases", {}).values()) <= numbers:
                raise HTTPException(422, "an alias needs a version that exists")
            return self.registry.touch(found, **wanted)

    async def delete(self, kind: str, ident: str) -> None:
        self._need("delete")
        with self.registry.lock:
            self._row(kind, ident)
            self.registry.drop(kind, ident)

    def _row(self, kind: str, ident: str) -> Row:
        try:
            return self.registry.rows[kind][ident]
        except KeyError:
            raise HTTPException(404, f"there is no such thing among {kind}") from None

    def _need(self, right: str) -> None:
        if right not in self.registry.rights:
            raise HTTPException(403, f"you may not {right}")


def create(registry: RestRegistry) -> FastAPI:
    """The application."""
    service = Service(registry)
    app = FastAPI(openapi_url=None, dependencies=[Depends(service.authorised)])
    app.get("/info")(service.info)
    app.get("/{kind}")(service.listing)
    app.get("/{kind}/{ident}")(service.one)
    app.post("/versions")(service.register)
    app.patch("/{kind}/{ident}")(service.change)
    app.delete("/{kind}/{ident}", status_code=204)(service.delete)

    return app


class Watched:
    """The application, of which every request is noted and may be answered otherwise."""

    def __init__(self, registry: RestRegistry) -> None:
        self.registry, self.app = registry, create(registry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        self.registry.requests.append(f"{request.method} {request.url.path}")
        if self.registry.fault is not None:
            await (await self.registry.fault())(scope, receive, send)
            return

        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.registry.clock(), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        await self.app(scope, receive, dated)


@contextmanager
def served(registry: RestRegistry) -> Iterator[str]:
    """The service on a socket of its own; its address."""
    config = uvicorn.Config(
        Watched(registry), port=0, log_level="critical", lifespan="off", ws="none", date_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
