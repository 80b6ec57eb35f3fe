"""Requests to a registry: signing in when it asks for it, and an error of the contract for every refusal."""

from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from adapters.errors import (
    AdapterError,
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    RejectedError,
    TransientError,
    UnsupportedError,
)
from adapters.http import HttpClient, Reply, basic, next_page
from adapters.oci.config import OciConfig, is_among
from adapters.parsing import parse_json
from adapters.payloads import at, integer, parts, text
from adapters.scanning import Steps
from adapters.served import ServiceClient
from adapters.tokens import bearer_challenge

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)  # fmt: skip
ACCEPT = {"Accept": ", ".join(MANIFESTS)}
"""Sent with every request for a manifest: without it a registry says that one is unknown that it has."""
UNKNOWN = ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")
"""The codes that prove an absence. A 404 without one proves nothing."""
CATALOGUE = "registry:catalog:*"
PAGE = 1000
MOST_NAMES = 100_000
"""Repositories of a catalogue, or tags of a repository."""
SHORTEST_LIFE = 60
"""Seconds for which a token holds that does not say it."""


class ChallengeError(AuthError):
    """The registry wants credentials. `how` is its header `WWW-Authenticate`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.host} answered 401: give the registry's credentials, or renew them")
        self.how = reply.headers.get("www-authenticate", "")


class ElsewhereError(InvalidError):
    """What was asked for lies elsewhere, at the address `at`."""

    def __init__(self, reply: Reply) -> None:
        self.at = reply.headers.get("location", "")
        host = urlsplit(self.at).hostname or "nowhere"
        super().__init__(f"{reply.host} keeps it at {host}: add that to `blob_hosts` if it is right")


class UnprovedAbsenceError(InvalidError):
    """A 404 that is not the registry's own word: something before it, or the answer to a HEAD."""


def explain(reply: Reply) -> AdapterError | None:
    """A refusal in the registry's own terms."""
    if reply.status == 401:
        return ChallengeError(reply)
    if reply.status in (301, 302, 303, 307, 308):
        return ElsewhereError(reply)
    told = next(parts(reply.json(), "errors"), {}) if reply.is_json else {}
    code, said = text(told, "code"), text(told, "message") or ""
    if reply.status == 404:
        if code in UNKNOWN:
            return NotFoundError(f"{reply.host} answered {code}: {said[:200]}")
        return UnprovedAbsenceError(f"{reply.host} answered 404, and not as a registry does: check `url`")
    if reply.status == 405 or code == "UNSUPPORTED":
        return UnsupportedError(
            f"{reply.host} does not do that ({reply.status}): its configuration may allow it"
        )
    if code and reply.status in (400, 403):
        kind = AuthError if reply.status == 403 else InvalidError
        return kind(f"{reply.host} answered {code}: {said[:200]}")
    return None


class OciClient(ServiceClient):
    """One registry."""

    def __init__(self, config: OciConfig) -> None:
        self.config = config
        endpoint = config.endpoint(config.url, headers={}, connections=config.concurrency)
        super().__init__(HttpClient(endpoint, explain=explain))
        self._basic = ""
        """What is sent with every request, once the registry asked for it."""

    def __repr__(self) -> str:
        return f"OciClient({self.config.host})"

    def scoped(self, method: str, path: str, scope: str, **given: Any) -> Reply:
        """One 2xx answer, signed in for a scope where the registry asks for it. Errors: any `AdapterError`."""
        headers = {**given.pop("headers", {})}
        given["repeatable"] = method in ("GET", "HEAD")
        try:
            return self.http.call(method, path, headers={**headers, **self._signed(scope)}, **given)
        except ChallengeError as challenge:
            self._sign_in(challenge, scope)
        return self.http.call(method, path, headers={**headers, **self._signed(scope)}, **given)

    def listed(self, path: str, scope: str, name: str) -> Iterator[str]:
        """The names in a listing, page by page. Errors: any `AdapterError`; `InvalidError` beyond `MOST_NAMES`."""
        steps = Steps(lambda: InvalidError(f"{self.config.host}{path}: its pages go round in a circle"))
        query: Mapping[str, Any] = {"n": PAGE}
        left = MOST_NAMES
        while True:
            reply = self.scoped("GET", path, scope, params=query)
            body = reply.json()
            found = at(body, name)
            if found is None and name not in (body if isinstance(body, dict) else {}):
                raise TransientError(f"{self.config.host}{path}: there is no list `{name}` in the answer")
            names = [one for one in found or () if isinstance(one, str)]
            left -= len(names)
            if left < 0:
                raise InvalidError(
                    f"{self.config.host}{path} holds more than {MOST_NAMES:,} names: it is not read"
                )
            yield from names
            following = next_page(reply, self.config.url, path)
            if following is None:
                return
            steps.take(following, is_empty=not found)
            query = parse_qs(urlsplit(following).query, keep_blank_values=True)

    def blob(self, repository: str, digest: str, most: int) -> bytes:
        """A blob of at most so many bytes. Where the registry keeps it elsewhere, it is fetched from there without
        credentials, if that host may be asked. Errors: any `AdapterError`.
        """
        path = f"/v2/{repository}/blobs/{digest}"
        try:
            return self.scoped("GET", path, pull(repository), max_bytes=most).body
        except ElsewhereError as elsewhere:
            self._check(elsewhere.at, self.config.blob_hosts, elsewhere)
            return self._ask(elsewhere.at, max_bytes=most).body

    def granted(self, repository: str) -> frozenset[str] | None:
        """What of pull, push and delete a token for this repository is for, as it says itself; None where nothing
        tells. Errors: any `AdapterError`.
        """
        token, scope = self.config.token, f"repository:{repository}:pull,push,delete"
        if token is not None:
            return _allowed(token.get_secret_value(), repository)
        try:
            self.http.call("GET", "/v2/", repeatable=True)
        except ChallengeError as challenge:
            asked = bearer_challenge(challenge.how)
            if asked is not None:
                return _allowed(self._token({**asked, "scope": scope}, scope)[0], repository)
        return None

    def _signed(self, scope: str) -> dict[str, str]:
        own = self.config.token
        token = self.tokens.get(scope) if own is None else own.get_secret_value()
        header = f"Bearer {token}" if token else self._basic
        return {"Authorization": header} if header else {}

    def _sign_in(self, challenge: ChallengeError, scope: str) -> None:
        """Get what the registry asks for. Errors: `AuthError`, `TransientError`."""
        user, password = self.config.username, self.config.password
        asked = bearer_challenge(challenge.how)
        if asked is not None and self.config.token is None:
            self.tokens.keep(*self._token(asked, scope), scope)
        elif challenge.how.lower().startswith("basic") and password is not None:
            self._basic = basic(user, password)
        else:
            raise challenge

    def _token(self, asked: Mapping[str, str], scope: str) -> tuple[str, float]:
        """A token for a scope, and how many seconds it holds. The password goes to the registry's own host, or to one
        that is configured, and nowhere else.
        """
        realm, service, scope = asked.get("realm", ""), asked.get("service"), asked.get("scope") or scope
        host = urlsplit(realm).netloc.rpartition("@")[2]
        stays = AuthError(
            f"{self.config.host} gives its tokens at {host or 'nowhere'}: nothing was sent there; add it to "
            "`token_hosts` if it is right"
        )
        if urlsplit(realm)[:2] != urlsplit(self.config.url)[:2]:
            self._check(realm, self.config.token_hosts, stays)
        password = self.config.password
        auth = None if password is None else (self.config.username, password)
        query = {"service": service, "scope": scope.split(" ")}
        try:
            body = self._ask(realm, auth=auth, params=query).json()
            token = text(body, "token") or text(body, "access_token")
        except RejectedError as error:
            raise AuthError(f"no token for {scope}: {error}") from None
        if token is None:
            raise AuthError(f"{host} gave no token for {scope}: check what it is")
        return token, integer(at(body, "expires_in")) or SHORTEST_LIFE

    def _check(self, address: str, hosts: tuple[str, ...], refusal: AdapterError) -> None:
        """Errors: `refusal`, for an address at none of these hosts, or that is less secure than the registry's."""
        parts = urlsplit(address)
        is_secure = parts.scheme in ("https", urlsplit(self.config.url).scheme) and parts.username is None
        if not is_secure or not is_among(parts.hostname or "", hosts):
            raise refusal

    def _ask(
        self, url: str, auth: tuple[str, SecretStr] | None = None, max_bytes: int = 1 << 20, **given: Any
    ) -> Reply:
        """What another host than the registry answers, which gets no more than is said here."""
        asking = HttpClient(self.config.endpoint(url, headers={}, auth=auth), observer=self.http.observer)
        try:
            return asking.call("GET", "", repeatable=True, max_bytes=max_bytes, **given)
        finally:
            asking.close()


def _allowed(token: str, repository: str) -> frozenset[str] | None:
    """What a token says that it allows; None for one that says nothing (it need be no JSON web token)."""
    body = "".join(token.split(".")[1:2])
    try:
        said = parse_json(urlsafe_b64decode(body + "=" * (-len(body) % 4)), "a token")
    except (BadRecordError, ValueError):
        return None
    rows = [row for row in parts(said, "access") if row.get("name") == repository]
    listed = [at(row, "actions") for row in rows]
    return frozenset(one for each in listed if isinstance(each, list) for one in each) if rows else None


def pull(repository: str) -> str:
    """What reading a repository is called when a token is asked for."""
    return f"repository:{repository}:pull"
