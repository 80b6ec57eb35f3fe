"""A small in-house model registry, of the kind a team writes in a day: list, versions, promote.

`python -m adapters.emulators.rest --port 8900 --token SECRET` serves it on 127.0.0.1. The `rest` adapter's guide and
tests use it; `waypost adapters new` gives every new adapter a copy, as the fake it is developed against. Standard
library only. Everything is JSON below `/api`; lists take `cursor`, `limit` and `updated_after` (epoch milliseconds),
and say in their body and in the header `Link` how they go on. With `order=updated`, newest change first, they are
counted: `offset` or `page`.

    GET /api/info                        GET /api/models               GET /api/models/ID
    GET /api/versions                    GET /api/versions/ID          POST /api/versions {name, uri, tags, token}
    POST /api/versions/ID/promote {stage}                              PUT /api/versions/ID/tags, /api/models/ID/tags
    PUT /api/models/ID/aliases {alias: number}                         DELETE /api/versions/ID, /api/models/ID
"""

import argparse
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

STAGES = ("none", "staging", "production", "archived")
LARGEST_PAGE = 500
Row = dict[str, Any]


class RefusedError(Exception):
    """An answer that is not 200: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Shelf:
    """What the service knows. Rows are JSON objects; `models` and `versions` are by id, in order of creation."""

    token: str = "shelf-token"
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    models: dict[str, Row] = field(default_factory=dict)
    versions: dict[str, Row] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    fault: str = ""
    """How every request fails: see `adapters.conformance.Fault`."""
    listed: Callable[[], None] = lambda: None
    """Called when a page of a listing is put together, before it is sent."""
    requests: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def now(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock() * 1000)

    def put_model(self, name: str) -> Row:
        """The model of this name, created where it is new."""
        with self.lock:
            found = self.named(name)
            if found is None:
                made = f"m{next(self.numbers)}"
                now = self.now()
                found = {"id": made, "name": name, "owner": "shelf-team", "created": now, "updated": now}
                found |= {"tags": {}, "aliases": {}}
                self.models[made] = found
            return found

    def put_version(self, name: str, uri: str = "s3://shelf/model.tar.gz") -> Row:
        """A new version of the model of this name."""
        with self.lock:
            model = self.put_model(name)
            number = 1 + max((v["number"] for v in self.of(model["id"])), default=0)
            made = f"v{next(self.numbers)}"
            now = self.now()
            row = {
                "id": made,
                "model": model["id"],
                "number": number,
                "uri": uri,
                "stage": "none",
                "tags": {},
            }
            row |= {"metrics": {"auc": 0.9}, "author": "shelf-team", "created": now, "updated": now}
            self.versions[made] = row
            return row

    def named(self, name: str) -> Row | None:
        """The model of this name."""
        return next((row for row in self.models.values() if row["name"] == name), None)

    def of(self, model: str) -> list[Row]:
        """The versions of a model, by its id."""
        return [row for row in self.versions.values() if row["model"] == model]

    def touch(self, row: Row, **fields: Any) -> Row:
        """Change a row; its `updated` moves on."""
        row.update(fields, updated=max(self.now(), row["updated"] + 1))
        return row

    def drop(self, ident: str) -> None:
        """Delete a version, or a model with its versions."""
        with self.lock:
            for version in [row["id"] for row in self.of(ident)]:
                del self.versions[version]
            model = self.models.get(self.versions.pop(ident, {}).get("model", ""))
            if model is not None:
                left = {str(row["number"]) for row in self.of(model["id"])}
                kept = {name: number for name, number in model["aliases"].items() if number in left}
                self.touch(model, aliases=kept)
            self.models.pop(ident, None)


def answer(shelf: Shelf, method: str, path: str, query: dict[str, str], body: Any) -> Any:
    """What the service answers, as JSON. Errors: `RefusedError`."""
    parts = [unquote(part) for part in path.removeprefix("/api/").split("/")]
    with shelf.lock:
        match method, parts:
            case "GET", ["info"]:
                return {"service": "shelf", "version": "1.0", "id": shelf.identity}
            case "GET", ["models" | "versions" as kind]:
                return _list(_rows(shelf, kind), query)
            case "GET", ["models" | "versions" as kind, ident]:
                return _row(shelf, kind, ident)
            case "POST", ["versions"]:
                return _register(shelf, body)
            case "POST", ["versions", ident, "promote"]:
                if body.get("stage") not in STAGES:
                    raise RefusedError(422, f"stage must be one of {', '.join(STAGES)}")
                return shelf.touch(_row(shelf, "versions", ident), stage=body["stage"])
            case "PUT", ["models" | "versions" as kind, ident, "tags"]:
                return shelf.touch(_row(shelf, kind, ident), tags=body)
            case "PUT", ["models", ident, "aliases"]:
                numbers = {str(row["number"]) for row in shelf.of(ident)}
                if not set(body.values()) <= numbers:
                    raise RefusedError(422, "an alias needs a version that exists")
                return shelf.touch(_row(shelf, "models", ident), aliases=body)
            case "DELETE", ["models" | "versions" as kind, ident]:
                _row(shelf, kind, ident)
                shelf.drop(ident)
                return {}
    raise RefusedError(404, "there is no such page")


def _rows(shelf: Shelf, kind: str) -> dict[str, Row]:
    return shelf.models if kind == "models" else shelf.versions


def _row(shelf: Shelf, kind: str, ident: str) -> Row:
    try:
        return _rows(shelf, kind)[ident]
    except KeyError:
        raise RefusedError(404, f"there is no {kind[:-1]} {ident}") from None


def _list(rows: dict[str, Row], query: dict[str, str]) -> Row:
    """A page: rows after the cursor, which is the last id of the page before."""
    try:
        after, limit = int(query.get("updated_after", -1)), int(query.get("limit", LARGEST_PAGE))
        begin = int(query["cursor"][1:]) if query.get("cursor") else 0
        limit = max(1, min(limit, LARGEST_PAGE))
        skipped = max(0, int(query.get("offset", (int(query.get("page", 1)) - 1) * limit)))
    except ValueError:
        raise RefusedError(400, "cursor, offset, page, limit or updated_after is not valid") from None
    found = [row for row in rows.values() if int(row["id"][1:]) > begin and row["updated"] > after]
    if query.get("order") == "updated":
        found.sort(key=lambda row: (-row["updated"], -int(row["id"][1:])))
        return {"items": found[skipped : skipped + limit]}
    more = len(found) > limit
    return {"items": found[:limit], "next": found[limit - 1]["id"] if more else None}


def _register(shelf: Shelf, body: Row) -> Row:
    made = shelf.tokens.get(body.get("token") or "")
    if made in shelf.versions:
        return shelf.versions[made]
    row = shelf.put_version(body["name"], body["uri"])
    row["tags"] = body.get("tags") or {}
    if body.get("token"):
        shelf.tokens[body["token"]] = row["id"]
    return row


def _link(path: str, query: dict[str, str], following: Any) -> dict[str, str]:
    """The header that says where a list goes on."""
    if following is None:
        return {}
    return {"Link": f'<{path}?{urlencode({**query, "cursor": following})}>; rel="next"'}


def serve(shelf: Shelf, port: int = 0) -> ThreadingHTTPServer:
    """A server for this shelf on 127.0.0.1, running in a thread; `server_port` is its port."""

    class Handler(_Handler):
        pass

    Handler.shelf = shelf
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        self.shelf.requests += 1
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        if self._fails():
            return
        if self.headers.get("Authorization") != f"Bearer {self.shelf.token}":
            self._send(401, {"message": "who are you?"})
            return
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            content = answer(self.shelf, self.command, url.path, query, body)
        except RefusedError as refused:
            self._send(refused.status, {"message": str(refused)})
            return
        if "items" in content:
            self.shelf.listed()
        self._send(200, content, headers=_link(url.path, query, content.get("next")))

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the names the standard library looks for

    def _fails(self) -> bool:
        """Fail as the shelf is told to. True: the answer was sent, or there is none."""
        match self.shelf.fault:
            case "":
                return False
            case "unreachable" | "silent" as fault:
                while fault == "silent" and self.shelf.fault == fault:
                    time.sleep(0.02)
                self.close_connection = True
            case "truncated":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"items": [')
                self.close_connection = True
            case "garbage":
                self._send(200, "<html><body>Please sign in</body></html>", "text/html")
            case "throttled_until":
                self._send(429, {"message": "slow down"}, headers={"Retry-After": "7"})
            case fault:
                status = {"broken": 500, "throttled": 429, "unauthorised": 401, "forbidden": 403}[fault]
                self._send(status, {"message": f"the shelf is {fault}"})
        return True

    def _send(
        self, status: int, content: Any, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the shelf's clock."""
        return formatdate(self.shelf.clock() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def main() -> None:
    """Serve a shelf with a few models until interrupted."""
    parser = argparse.ArgumentParser(description="a small in-house model registry")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--token", default="shelf-token")
    parser.add_argument("--models", type=int, default=2, help="how many it keeps")
    parser.add_argument("--versions", type=int, default=2, help="of each model; the last is in production")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each page of a list")
    options = parser.parse_args()
    shelf = Shelf(token=options.token)
    for name in [*("churn", "uplift"), *map("model-{}".format, range(2, options.models))][: options.models]:
        made = [shelf.put_version(name) for _ in range(options.versions)]
        shelf.touch(made[-1], stage="production")
    server = serve(shelf, options.port)
    if options.latency:
        shelf.listed = lambda: time.sleep(options.latency)
    print(f"shelf on http://127.0.0.1:{server.server_port}/api", flush=True)  # noqa: T201 - a program of its own
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()


if __name__ == "__main__":
    main()
