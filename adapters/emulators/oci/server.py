"""The registry and its answers. What it answers without switches was recorded from docker-registry 2.8.2."""

import argparse
import hashlib
import json
import re
import secrets
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from adapters.emulators.oci.pushing import Pusher
from adapters.emulators.services import FailingHandler, listen
from adapters.oci.client import MANIFESTS

LARGEST_PAGE = 1000
JSON = "application/json; charset=utf-8"
OCI_INDEX = MANIFESTS[1]
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_PATH = re.compile(
    rf"/v2/(?P<name>{_NAME})/(?P<what>tags/list|manifests|blobs/uploads|blobs|referrers)(?:/(?P<ref>[^/]*))?/?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")
MESSAGES = {
    "NAME_UNKNOWN": "repository name not known to registry",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UNKNOWN": "blob unknown to registry",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "UNSUPPORTED": "The operation is unsupported.",
    "UNAUTHORIZED": "authentication required",
    "DENIED": "requested access to the resource is denied",
    "PAGINATION_NUMBER_INVALID": "invalid number of results requested",
}


@dataclass
class Contents:
    """What is in a repository: manifests by digest, with their types, blobs by digest, digests by tag."""

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class RegistryAnswer(NamedTuple):
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


@dataclass
class OciRegistry:
    """A registry. `password` of the user `waypost`: who reads must sign in, `auth` says how (`basic`, `bearer`)."""

    password: str = ""
    auth: str = "bearer"
    key: str = ""
    """A token that may do everything, for who fills the registry."""
    is_strict: bool = False
    """Who comes with a token of another scope is refused, and not asked to sign in for this one."""
    grants: frozenset[str] = frozenset({"*", "pull", "push", "delete"})
    """What a token may be for: more is not refused, but left out, as the specification has it."""
    realm: str = ""
    """Where tokens are given; empty: here."""
    blobs_at: str = ""
    """Another registry, to which who asks for a blob is sent."""
    takes_tags_away: bool = False
    deletes: bool = True
    tells_referrers: bool = False
    largest_page: int = LARGEST_PAGE
    repositories: dict[str, Contents] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    """Repositories that nobody may read; `_catalog` for the catalogue."""
    fault: str = ""
    """How every request fails: see `adapters.conformance.Fault`."""
    delay: float = 0.0
    """Seconds before each answer."""
    listed: Callable[[], None] = lambda: None
    """Called when a page of a listing is put together, before it is sent."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""
    credentials: list[str] = field(default_factory=list)
    """The header `Authorization` of each request that has one."""
    tokens: dict[str, set[str]] = field(default_factory=dict)
    """The scopes of each token that was given."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> RegistryAnswer:
        """What a request is answered."""
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        with self.lock:
            if url.path == "/token":
                return self._token(parse_qs(url.query).get("scope", []), headers)
            found = _PATH.fullmatch(url.path)
            name = found["name"] if found else url.path.removeprefix("/v2/")
            if (refused := self._refused(method, name, headers)) is not None:
                return refused
            if url.path == "/v2/":
                return RegistryAnswer(200, b"{}", {"Content-Type": JSON})
            if url.path == "/v2/_catalog":
                return self._catalogue(query)
            if found is None:
                return _lost()
            return self._of(method, found, query, headers, body)

    def _of(
        self, method: str, found: re.Match[str], query: dict[str, str], headers: Any, body: bytes
    ) -> RegistryAnswer:
        name, what, ref = found["name"], found["what"], found["ref"] or ""
        contents = self.repositories.get(name)
        match method, what:
            case "POST", "blobs/uploads":
                self.repositories.setdefault(name, Contents())
                return RegistryAnswer(
                    202, headers={"Location": f"/v2/{name}/blobs/uploads/{secrets.token_hex(8)}"}
                )
            case "PUT", "blobs/uploads":
                return self._upload(name, query.get("digest", ""), body)
            case "PUT", "manifests":
                return self._put(name, ref, headers.get("Content-Type", ""), body)
            case "GET", "tags/list":
                return _tags(name, contents)
            case (("GET" | "HEAD"), "manifests"):
                return _manifest(contents, ref, headers.get("Accept", ""))
            case ("GET", "blobs") if self.blobs_at:
                return RegistryAnswer(307, headers={"Location": f"{self.blobs_at}/v2/{name}/blobs/{ref}"})
            case (("GET" | "HEAD"), "blobs"):
                held = contents.blobs.get(ref) if contents else None
                if held is None:
                    return _error(404, "BLOB_UNKNOWN")
                return RegistryAnswer(
                    200, held, {"Content-Type": "application/octet-stream", "Docker-Content-Digest": ref}
                )
            case "DELETE", "manifests":
                return self._delete(contents, ref)
            case "GET", "referrers" if self.tells_referrers:
                return _referrers(contents, ref)
        return _lost()

    def _catalogue(self, query: dict[str, str]) -> RegistryAnswer:
        size = int(query.get("n", 100))
        if not 0 <= size <= LARGEST_PAGE:
            return _error(400, "PAGINATION_NUMBER_INVALID")
        names = [name for name in sorted(self.repositories) if name > query.get("last", "")]
        page = names[: min(size, self.largest_page)]
        link = {}
        if page and len(page) < len(names):
            link = {"Link": f'</v2/_catalog?{urlencode({"last": page[-1], "n": size})}>; rel="next"'}
        return _json({"repositories": page}, link)

    def _upload(self, name: str, digest: str, body: bytes) -> RegistryAnswer:
        if _digest(body) != digest:
            return _error(400, "DIGEST_INVALID")
        self.repositories.setdefault(name, Contents()).blobs[digest] = body
        return RegistryAnswer(
            201, headers={"Docker-Content-Digest": digest, "Location": f"/v2/{name}/blobs/{digest}"}
        )

    def _put(self, name: str, ref: str, kind: str, body: bytes) -> RegistryAnswer:
        contents = self.repositories.setdefault(name, Contents())
        try:
            manifest = json.loads(body)
        except ValueError:
            return _error(400, "MANIFEST_INVALID")
        needed = [*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else ())]
        missing = [one for one in needed if one["digest"] not in contents.blobs]
        missing += [one for one in manifest.get("manifests", ()) if one["digest"] not in contents.manifests]
        if missing:
            code = "MANIFEST_BLOB_UNKNOWN" if needed else "MANIFEST_UNKNOWN"
            return _error(400 if needed else 404, code)
        digest = _digest(body)
        if ":" in ref and ref != digest:
            return _error(400, "DIGEST_INVALID")
        contents.manifests[digest] = (kind, body)
        if ":" not in ref:
            contents.tags[ref] = digest
        place = {"Docker-Content-Digest": digest, "Location": f"/v2/{name}/manifests/{digest}"}
        subject = manifest.get("subject", {}).get("digest")
        if subject and self.tells_referrers:
            place["OCI-Subject"] = subject
        return RegistryAnswer(201, headers=place)

    def _delete(self, contents: Contents | None, ref: str) -> RegistryAnswer:
        if not self.deletes:
            return _error(405, "UNSUPPORTED")
        if ":" not in ref and not self.takes_tags_away:
            return _error(400, "DIGEST_INVALID")
        if contents is None or ref not in {**contents.manifests, **contents.tags}:
            return _error(404, "MANIFEST_UNKNOWN")
        contents.tags = {tag: one for tag, one in contents.tags.items() if ref not in (tag, one)}
        contents.manifests.pop(ref, None)
        return RegistryAnswer(202)

    def _refused(self, method: str, name: str, headers: Any) -> RegistryAnswer | None:
        """The answer to who may not do this; None for who may."""
        if name in self.denied:
            return _error(403, "DENIED")
        if not self.password:
            return None
        given = headers.get("Authorization", "")
        if self.key and given == f"Bearer {self.key}":
            return None
        rights = {"PUT": "pull,push", "POST": "pull,push", "DELETE": "delete"}.get(method, "pull")
        scope = f"repository:{name}:{rights}" if name not in ("", "_catalog") else "registry:catalog:*"
        if given == self._basic() and self.auth == "basic":
            return None
        if self.auth == "bearer" and scope in self.tokens.get(given.removeprefix("Bearer "), ()):
            return None
        if self.is_strict and given.removeprefix("Bearer ") in self.tokens:
            return _error(403, "DENIED")
        realm = self.realm or f"http://{headers.get('Host')}/token"
        how = 'Basic realm="registry"'
        if self.auth == "bearer":
            how = f'Bearer realm="{realm}",service="registry",scope="{scope}"'
        return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": how})

    def _token(self, scopes: list[str], headers: Any) -> RegistryAnswer:
        if headers.get("Authorization") != self._basic():
            return _json({"details": "incorrect username or password"}, status=401)
        asked = [one.rpartition(":") for one in scopes]
        access = [
            {
                "type": what.partition(":")[0], "name": what.partition(":")[2],
                "actions": [one for one in actions.split(",") if one in self.grants],
            }
            for what, _, actions in asked
        ]  # fmt: skip
        told = urlsafe_b64encode(json.dumps({"access": access}).encode()).decode().rstrip("=")
        token = f"e30.{told}.{secrets.token_urlsafe(24)}"
        self.tokens[token] = {
            scope
            for scope, (*_, actions) in zip(scopes, asked, strict=True)
            if set(actions.split(",")) <= self.grants
        }
        return _json({"token": token, "expires_in": 300})

    def _basic(self) -> str:
        return "Basic " + b64encode(f"waypost:{self.password}".encode()).decode()


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _json(body: Any, headers: dict[str, str] | None = None, status: int = 200) -> RegistryAnswer:
    told = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return RegistryAnswer(status, told, {"Content-Type": JSON, **(headers or {})})


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> RegistryAnswer:
    return _json({"errors": [{"code": code, "message": MESSAGES[code]}]}, headers, status)


def _lost() -> RegistryAnswer:
    return RegistryAnswer(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


def _tags(name: str, contents: Contents | None) -> RegistryAnswer:
    if contents is None:
        return _error(404, "NAME_UNKNOWN")
    return _json({"name": name, "tags": list(contents.tags) or None})


def _manifest(contents: Contents | None, ref: str, accepted: str) -> RegistryAnswer:
    digest = ref if ":" in ref else contents.tags.get(ref, "") if contents else ""
    kind, body = contents.manifests.get(digest, ("", b"")) if contents else ("", b"")
    if not body or (kind.startswith("application/vnd.oci.") and kind not in accepted):
        return _error(404, "MANIFEST_UNKNOWN")
    told = {"Content-Type": kind, "Docker-Content-Digest": digest, "Etag": f'"{digest}"'}
    return RegistryAnswer(200, body, told)


def _referrers(contents: Contents | None, digest: str) -> RegistryAnswer:
    found = []
    for name, (kind, body) in contents.manifests.items() if contents else ():
        manifest = json.loads(body)
        if manifest.get("subject", {}).get("digest") == digest:
            type_ = manifest.get("artifactType") or manifest.get("config", {}).get("mediaType")
            found.append({"mediaType": kind, "digest": name, "size": len(body), "artifactType": type_})
    answer = _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found})
    return answer._replace(headers={"Content-Type": OCI_INDEX})


def serve(registry: OciRegistry, port: int = 0) -> ThreadingHTTPServer:
    """A server for this registry on 127.0.0.1, running in a thread; `server_port` is its port."""
    return listen(type("OciHandler", (_Handler,), {"registry": registry}), port)


class _Handler(FailingHandler):
    registry: OciRegistry

    def _handle(self) -> None:
        body = self.body()
        self.registry.asked.append(f"{self.command} {self.path}")
        self.registry.credentials += (
            [self.headers["Authorization"]] if "Authorization" in self.headers else []
        )
        time.sleep(self.registry.delay)
        if self.fails():
            return
        answer = self.registry.answer(self.command, self.path, self.headers, body)
        if answer.status == 200 and ("/tags/list" in self.path or "/_catalog" in self.path):
            self.registry.listed()
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the names the standard library looks for

    def fault(self) -> str:
        return self.registry.fault

    def refuse(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        code = {403: "DENIED", 429: "TOOMANYREQUESTS"}.get(status, "UNKNOWN")
        self._send(_json({"errors": [{"code": code, "message": message}]}, {**headers}, status))

    def _send(self, answer: RegistryAnswer) -> None:
        headers = {"Docker-Distribution-Api-Version": "registry/2.0", **answer.headers}
        self.respond(answer.status, answer.body, headers)


def main() -> None:
    """Serve a registry with a few models until interrupted."""
    parser = argparse.ArgumentParser(description="a registry of OCI artifacts")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--password", default="", help="of the user waypost; without it nobody signs in")
    options = parser.parse_args()
    registry = OciRegistry()
    server = serve(registry, options.port)
    url = f"http://127.0.0.1:{server.server_port}"
    pusher = Pusher(url)
    pusher.modelpack("models/churn", "1.0.1", seed="1")
    pusher.tag("models/churn", "production", pusher.modelpack("models/churn", "1.0.2", seed="2"))
    pusher.close()
    registry.password = options.password
    print(f"registry on {url}", flush=True)  # noqa: T201 - a program of its own
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()
