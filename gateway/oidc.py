"""Tokens of an OpenID Connect provider: found by discovery, checked against its keys, turned into a `Person`.

Only the configured signature algorithms are accepted, all of them asymmetric. A token that brings its own key or
names an address for one, or says that something must be understood (`crit`), is refused before any key is looked at.
"""

import base64
import hashlib
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from federation.identity.directory import CredentialError
from federation.identity.sessions import MOST_GROUPS, Person
from gateway.authentication import ProviderError
from gateway.settings import OidcSettings, is_loopback

WELL_KNOWN = "/.well-known/openid-configuration"
PATIENCE = 5.0
LARGEST = 1_000_000
"""Bytes of an answer that are read."""
MAX_AGE = 3600.0
"""Seconds after which discovery and keys are read again."""
COOLDOWN = 30.0
"""Seconds between two attempts to read the keys, however many tokens name an unknown one or the provider fails."""
LEEWAY = 30
"""Seconds by which clocks may differ."""
LONGEST_SUBJECT = 255
LONGEST_TOKEN = 16_384
FORBIDDEN_HEADERS = ("crit", "jwk", "jku", "x5c", "x5u", "b64", "zip")
Key = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that was begun, kept by the browser until the provider sends it back."""

    state: str
    nonce: str
    verifier: str
    """PKCE: shown to the provider only when the code is redeemed."""

    @classmethod
    def new(cls) -> "Attempt":
        """Fresh random values."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(slots=True)
class _Cached:
    """Something read from the provider, and when."""

    value: Any = None
    read: float = float("-inf")
    tried: float = float("-inf")
    error: str = ""


@dataclass(eq=False)
class Provider:
    """One identity provider. `secret` is the client's, empty for a public client. Safe for several threads."""

    settings: OidcSettings
    secret: str = field(default="", repr=False)
    clock: Callable[[], float] = time.monotonic
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _discovered: _Cached = field(default_factory=_Cached)
    _keys: _Cached = field(default_factory=_Cached)

    def verify_bearer(self, token: str) -> tuple[Person, datetime]:
        """Whom a bearer token is for, and until when. Errors: `CredentialError`, `ProviderError`."""
        claims = self._claims(token, self.settings.audience or self.settings.client_id)
        until = min(claims["exp"], time.time() + MAX_AGE)
        return self._person(claims), datetime.fromtimestamp(until, UTC)

    def sign_in_url(self, attempt: Attempt, redirect: str) -> str:
        """Where a browser goes to sign in. Errors: `ProviderError`."""
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        address = self._endpoint("authorization_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    def redeem(self, code: str, attempt: Attempt, redirect: str) -> Person:
        """Who has signed in, for the code that the browser brought. Errors: `CredentialError`, `ProviderError`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": self.settings.client_id,
            "code_verifier": attempt.verifier,
            **({"client_secret": self.secret} if self.secret else {}),
        }
        answer = _ask("POST", self._endpoint("token_endpoint"), data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise CredentialError("not what the identity provider should send")
        claims = self._claims(token, self.settings.client_id)
        if not secrets.compare_digest(str(claims.get("nonce", "")), attempt.nonce):
            raise CredentialError("of another sign-in")
        return self._person(claims)

    def _claims(self, token: str, audience: str) -> Mapping[str, Any]:
        """The claims of a token whose signature and validity hold."""
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm not in self.settings.algorithms:
            raise CredentialError("signed by an algorithm that is not accepted")
        if any(name in header for name in FORBIDDEN_HEADERS):
            raise CredentialError("not to be trusted: the token brings a key or an extension of its own")
        key = self._key(header.get("kid"), str(algorithm))
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            found = jwt.decode(
                token, key, registry=JWSRegistry(algorithms=[str(algorithm)], strict_check_header=False)
            )
            registry.validate(found.claims)
        except (JoseError, ValueError, OverflowError, RecursionError) as error:
            known = "expired" if getattr(error, "error", "") == "expired_token" else "not valid here"
            raise CredentialError(known) from None
        if not math.isfinite(found.claims["exp"]):
            raise CredentialError("without an end")
        if audience == self.settings.client_id and not self._is_for_us(found.claims):
            raise CredentialError("made for another application")
        return found.claims

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        """OpenID Connect Core 3.1.3.7: who asked for an ID token is named where it has several audiences, and is us.

        An access token whose audience is an API (`auth.oidc.audience`) may have been asked for by anybody.
        """
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        asked_by = claims.get("azp", None if several else self.settings.client_id)
        return bool(asked_by == self.settings.client_id)

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject, groups = claims["sub"], claims.get(self.settings.groups_claim)
        if not subject or len(subject) > LONGEST_SUBJECT:
            raise CredentialError("not for anybody")
        groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        names = (claims.get(name) for name in ("name", "preferred_username", "email"))
        name = next((one for one in names if isinstance(one, str) and one.strip()), "somebody")
        told = tuple(one[:LONGEST_SUBJECT] for one in groups if isinstance(one, str) and one)
        return Person(subject, name[:LONGEST_SUBJECT], told[:MOST_GROUPS])

    def _key(self, kid: Any, algorithm: str) -> Key:
        """The provider's key with an id; keys are read again for an unknown one, but not more often than allowed."""
        for again in (False, True):
            keys = self._cached(self._keys, self._read_keys, again=again)
            fits = [
                (known, key)
                for known, limited, key in keys
                if (known == kid if kid is not None else True) and limited in (None, algorithm)
            ]
            if len(fits) == 1:
                found: Key = fits[0][1]
                return found
        raise CredentialError("signed by a key that the identity provider does not know")

    def _read_keys(self) -> list[tuple[Any, Any, Key]]:
        """Key id, the algorithm it is limited to, and the key; what is not for signatures is left out."""
        found: list[tuple[Any, Any, Key]] = []
        answer = _ask("GET", self._endpoint("jwks_uri"))
        for one in answer.get("keys", []):
            if not isinstance(one, dict) or one.get("use", "sig") != "sig":
                continue
            try:
                key = import_key(one)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(key, RSAKey | ECKey | OKPKey):
                found.append((one.get("kid"), one.get("alg"), key))
        if not found:
            raise ProviderError("the identity provider publishes no key that could sign")
        return found

    def _endpoint(self, name: str) -> str:
        found = self._cached(self._discovered, self._discover).get(name)
        if not isinstance(found, str) or not _is_secure(found):
            raise ProviderError(f"the identity provider's discovery document has no usable {name}")
        return found

    def _discover(self) -> Mapping[str, Any]:
        answer = _ask("GET", self.settings.issuer.rstrip("/") + WELL_KNOWN)
        if answer.get("issuer") != self.settings.issuer:
            raise ProviderError(
                "the discovery document is of another issuer: set auth.oidc.issuer to what it says, exactly"
            )
        return answer

    def _cached(self, cached: _Cached, read: Callable[[], Any], *, again: bool = False) -> Any:
        """What was read, read again when it is too old, or with `again` when the cool-down is over."""
        if self.clock() - cached.read < MAX_AGE and not again:
            return cached.value
        with self._lock:  # the others wait for the one that asks, and take what it gets
            now = self.clock()
            young = now - cached.read < MAX_AGE
            if now - cached.tried < COOLDOWN:
                if young:
                    return cached.value
                raise ProviderError(cached.error)
            try:
                cached.value = read()
            except ProviderError as error:
                cached.error = str(error)
                if not young:
                    raise
            else:
                cached.read = now
            finally:
                cached.tried = now
            return cached.value


def _header(token: str) -> Mapping[str, Any]:
    """The header of a compact JWS, not trusted yet. Errors: `CredentialError`."""
    part, dots = token.partition(".")[0], token.count(".")
    try:
        if dots != 2 or len(token) > LONGEST_TOKEN:
            raise ValueError("no JWS")
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise CredentialError("unknown") from None
    if not isinstance(found, dict):
        raise CredentialError("unknown")
    return found


def _ask(method: str, address: str, data: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from the provider: no redirect is followed, no proxy asked, and the answer is capped."""
    host = urlsplit(address).netloc
    try:
        with (
            httpx.Client(timeout=PATIENCE, trust_env=False, follow_redirects=False) as client,
            client.stream(method, address, data=data) as response,
        ):
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise ProviderError(f"{host} answers with more than {LARGEST:,} bytes")
        found = json.loads(body)
    except httpx.HTTPError as error:
        raise ProviderError(
            f"the identity provider {host} cannot be asked ({type(error).__name__})"
        ) from None
    except (ValueError, RecursionError):
        raise ProviderError(f"{host} does not answer with JSON: check auth.oidc.issuer") from None
    if method == "POST" and response.status_code in (400, 401, 403):
        raise CredentialError("refused by the identity provider")
    if response.status_code != 200 or not isinstance(found, dict):
        raise ProviderError(
            f"{host} answers {response.status_code} instead of what an OpenID provider should"
        )
    return found


def _is_secure(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
