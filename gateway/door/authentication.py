"""Who sends a request: a bearer token, the cookie of a signed-in browser, or, in mode `local`, whoever is here.

A browser adds cookies, and can reach this machine, for any page it shows. So what rests on either is only believed
of a request that changes something when the browser says that a page of this gateway made it.
"""

import asyncio
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litestar.types import Scope

from federation.access import ANONYMOUS, LOCAL, Principal
from federation.database import DatabaseError
from federation.identity.identity import TOKEN_PREFIX, CredentialError, Identity, Known
from gateway.door.groups import ProviderError
from gateway.problems import MLFLOW, ProblemError, explain

if TYPE_CHECKING:
    from gateway.door.oidc import Provider
    from gateway.door.renewal import Renewals

COOKIE = "__Host-waypost"
"""Browsers only take a cookie with this prefix over TLS (or from this machine), for this host and every path."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = 'Bearer realm="waypost"'
OPEN_PATHS = ("/health/", "/problems/", "/static/", "/auth/", "/sign-in", "/hooks/")
"""Answered whoever asks, and whatever stale credentials come along."""


class Authentication:
    """Turns requests into principals. Bearer tokens are ours, or those of an identity provider where there is one."""

    def __init__(
        self,
        mode: str,
        identity: Identity,
        provider: "Provider | None" = None,
        renewals: "Renewals | None" = None,
    ) -> None:
        self._mode = mode
        self._directory = identity.directory
        self._provider = provider
        self._renewals = renewals

    async def __call__(self, scope: Scope) -> Principal:
        """Who asks; `ANONYMOUS` for who shows nothing. Errors: `ProblemError` 401, 403 or 503."""
        headers = dict(scope["headers"])
        method = str(scope.get("method", "GET"))
        path: str = scope["path"]
        if path.startswith(OPEN_PATHS):
            require_same_origin(method, headers)
            return ANONYMOUS
        if self._mode == "local":
            require_same_origin(method, headers)
            return LOCAL
        given = headers.get(b"authorization", b"").decode("latin-1")
        if given:
            return await self._bearer(given, path, method, headers)
        secret = session_secret(scope)
        if secret is None:
            return ANONYMOUS
        require_same_origin(method, headers, browser=True)
        try:
            return await self._known(secret, self._of_session)
        except ProblemError as error:
            if error.status == 401:
                return ANONYMOUS
            raise

    async def _bearer(self, given: str, path: str, method: str, headers: Mapping[bytes, bytes]) -> Principal:
        scheme, _, secret = given.partition(" ")
        secret = secret.strip()
        if scheme.lower() == "basic" and path.startswith(MLFLOW):
            require_same_origin(method, headers)  # a browser would send it by itself
            secret = _password(secret)
        elif scheme.lower() != "bearer":
            secret = ""
        if not secret:
            raise unauthenticated("send `Authorization: Bearer TOKEN`")
        is_ours = self._provider is None or secret.startswith(TOKEN_PREFIX)
        return await self._known(secret, self._directory.of_token if is_ours else self._of_provider)

    def _of_session(self, secret: str) -> Known:
        known = self._directory.of_session(secret)
        if not known.is_due:
            return known
        if self._renewals is None:  # there is no provider any more that could vouch for anybody
            raise CredentialError("expired")
        return self._renewals.renewed(secret, known)

    def _of_provider(self, secret: str) -> Known:
        assert self._provider is not None
        person, until = self._provider.verify_bearer(secret)
        return self._directory.of_person(person, secret, until)

    async def _known(self, secret: str, ask: Callable[[str], Known]) -> Principal:
        known = self._directory.recall(secret)
        try:
            if known is None:
                known = await asyncio.to_thread(ask, secret)
        except CredentialError as error:
            raise unauthenticated(str(error)) from None
        except (DatabaseError, ProviderError) as error:
            raise explain(error) from None
        return known.principal


def unauthenticated(detail: str) -> ProblemError:
    """The answer to who shows no credentials, or none that hold."""
    return ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": CHALLENGE})


def _password(encoded: str) -> str:
    """The password of basic credentials, which is a token; the user does not matter. Empty where there is none."""
    try:
        return b64decode(encoded, validate=True).decode("latin-1").partition(":")[2].strip()
    except ValueError:
        return ""


def session_secret(scope: Scope) -> str | None:
    """The secret in the session's cookie."""
    return cookie_of(scope, COOKIE)


def cookie_of(scope: Scope, name: str) -> str | None:
    """The value of one of our cookies, which needs no quotes; None where there is none.

    Cookies know no ports: those of other applications on this host come along, and not all are written by the rules.
    """
    return next((value for found, value in _cookies(scope) if found == name and value), None)


def _cookies(scope: Scope) -> Iterator[tuple[str, str]]:
    for header, value in scope["headers"]:
        if header == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                name, _, said = pair.partition("=")
                yield name.strip(), said.strip()


def require_same_origin(method: str, headers: Mapping[bytes, bytes], *, browser: bool = False) -> None:
    """Refuse a change that a page of another site asks for.

    Every browser of today says in `Sec-Fetch-Site` or `Origin` where a request comes from; what says neither is no
    browser, which `browser` does not let pass. Errors: `ProblemError` 403.
    """
    if method in SAFE:
        return
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        same = site in (b"same-origin", b"none")
    elif (origin := headers.get(b"origin")) is not None:
        same = urlsplit(origin.decode("latin-1")).netloc.lower().encode() == headers.get(b"host", b"").lower()
    else:
        same = not browser
    if not same:
        raise ProblemError(
            403,
            "cross-site",
            "a page of another site asked for this change: use the gateway's own pages, or a token",
        )
