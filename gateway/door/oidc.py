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
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from adapters import BadRecordError
from adapters.outgoing import HttpError, ask
from adapters.parsing import parse_json
from federation.identity.identity import CredentialError, Person, Renewal
from gateway.door import groups
from gateway.door.groups import ProviderError
from gateway.settings import OidcSettings, is_loopback

WELL_KNOWN = "/.well-known/openid-configuration"
PATIENCE = 5.0
"""Seconds that one answer may take, from connecting to its last byte."""
LARGEST = 1_000_000
"""Bytes of an answer that are read."""
MAX_AGE = 3600.0
"""Seconds after which discovery and keys are read again."""
UNSUITABLE = "the identity provider and this gateway do not fit together: tell whoever runs it"
"""What people read; `doctor` and the log say the rest."""
COOLDOWN = 30.0
"""Seconds between two attempts to read the keys, however many tokens name an unknown one or the provider fails."""
LONGEST_LIFE = 366 * 86400.0
LEEWAY = 30
"""Seconds by which clocks may differ."""
LONGEST_SUBJECT = 255
LONGEST_TOKEN = 262_144
"""Characters; one with thousands of groups has so many. What comes in a header is bounded by that of headers."""
NO_GROUPS = "the identity provider names no groups: neither its token nor its userinfo has a claim {}"
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


@dataclass(frozen=True, slots=True)
class SignedIn(Person):
    """Somebody who has signed in, or of whom was asked again. `renewal` None: the provider cannot be asked again."""

    renewal: Renewal | None = None


@dataclass(slots=True)
class _Cached:
    """Something read from the provider, and when."""

    value: Any = None
    read: float = float("-inf")
    tried: float = float("-inf")
    error: tuple[str, str] = ("", "")


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
        found = groups.said(claims, self.settings.groups_claim)
        said_at = datetime.now(UTC) if found is None else _issued_at(claims)
        if found is None:
            found = self._groups_of_bearer(claims, token)
        return self._person(claims, found, said_at), datetime.fromtimestamp(until, UTC)

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

    def lacks(self) -> list[str]:
        """What of signing in will not work, or only for an hour: one line each. Errors: `ProviderError`."""
        found = []
        if self.secret:
            self._client_shown({})
        can_refresh = "refresh_token" in (self._discovery().get("grant_types_supported") or ["refresh_token"])
        offline = "offline_access" in (self._discovery().get("scopes_supported") or [])
        asks_for_it = not offline or "offline_access" in self.settings.scopes
        if self._offered("userinfo_endpoint") is None and not (can_refresh and asks_for_it):
            found.append("it cannot be asked again about who is signed in: sessions last an hour")
        elif offline and not asks_for_it:
            found.append("it gives refresh tokens for the scope offline_access, which is not asked for")
        self._cached(self._keys, self._read_keys)
        self._endpoint("authorization_endpoint")
        return found

    def redeem(self, code: str, attempt: Attempt, redirect: str) -> SignedIn:
        """Who has signed in, for the code that the browser brought. Errors: `CredentialError`, `ProviderError`."""
        answer = self._ask_for_tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect,
                "code_verifier": attempt.verifier,
            }
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise CredentialError("not what the identity provider should send")
        claims = self._claims(token, self.settings.client_id)
        if not is_same(str(claims.get("nonce", "")), attempt.nonce):
            raise CredentialError("of another sign-in")
        return self._signed_in(claims, answer, answer.get("access_token"))

    def renew(self, renewal: Renewal, subject: str) -> SignedIn | None:
        """What the provider says of a person today; None when it can no longer be asked.

        Errors: `CredentialError` when it no longer vouches for the person, `ProviderError`.
        """
        kept = json.loads(renewal.kept)
        answer, token, refresh = kept, None, kept["refresh_token"]
        if refresh:
            answer = self._ask_for_tokens({"grant_type": "refresh_token", "refresh_token": refresh})
            token = answer.get("id_token")
        elif kept["until"] is not None and kept["until"] <= time.time():
            return None
        access: Any = answer.get("access_token")
        if isinstance(token, str):
            claims = self._claims(token, self.settings.client_id)
        else:
            told = self._userinfo(access, subject)
            if told is None or groups.said(told, self.settings.groups_claim) is None:
                return None  # groups may stand in ID tokens alone: that userinfo has none means nothing
            claims, access = told, None
        if claims["sub"] != subject:
            raise CredentialError("of somebody else")
        return self._signed_in(claims, answer, access, refresh)

    def _signed_in(
        self, claims: Mapping[str, Any], answer: Mapping[str, Any], access: Any, refresh: str = ""
    ) -> SignedIn:
        person = self._person(claims, self._groups(claims, access), datetime.now(UTC))
        renewal = self._renewal(answer, refresh)
        return SignedIn(**{one.name: getattr(person, one.name) for one in fields(person)}, renewal=renewal)

    def _renewal(self, answer: Mapping[str, Any], refresh: str) -> Renewal | None:
        """What to ask again with: a refresh token, which may be the one before, or the access token while it holds."""
        refresh, access = answer.get("refresh_token") or refresh, answer.get("access_token")
        life = answer.get("expires_in")
        until = answer.get("until")
        if isinstance(life, int | float) and 0 < life < LONGEST_LIFE:
            until = time.time() + life
        if not isinstance(refresh, str) or not refresh:
            if not isinstance(access, str) or self._offered("userinfo_endpoint") is None:
                return None
            refresh = ""
        ends = None if refresh or until is None else datetime.fromtimestamp(until, UTC)
        kept = {"refresh_token": refresh, "access_token": "" if refresh else access, "until": until}
        return Renewal(json.dumps(kept).encode(), ends)

    def _ask_for_tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Ask the token endpoint, and show the client's secret as the provider takes it.

        In the form where it offers that, which was never in doubt; else as HTTP Basic, which RFC 6749 2.3.1 wants of
        every provider and which stands for a discovery document that names none.
        """
        shown, headers = self._client_shown(form)
        return _ask("POST", self._endpoint("token_endpoint"), data=shown, headers=headers)

    def _client_shown(self, form: Mapping[str, str]) -> tuple[Mapping[str, str], dict[str, str] | None]:
        """A form, and headers, that show who this client is. Errors: `ProviderError`."""
        secret, client = self.secret, self.settings.client_id
        offered = self._discovery().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if not secret:
            return {**form, "client_id": client}, None
        if "client_secret_post" in offered:
            return {**form, "client_id": client, "client_secret": secret}, None
        if "client_secret_basic" not in offered:
            known = ", ".join(str(one)[:60] for one in offered)
            raise ProviderError(
                UNSUITABLE, f"it takes a client's secret neither by HTTP Basic nor in the form, only: {known}"
            )
        pair = f"{quote_plus(client)}:{quote_plus(secret)}".encode()
        return form, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _groups(self, claims: Mapping[str, Any], access: Any) -> groups.Groups:
        """Somebody's groups: as the token names them, as its reference leads to them, or as userinfo has them."""
        path = self.settings.groups_claim
        if (found := groups.said(claims, path)) is not None:
            return found
        if (endpoint := groups.reference(claims, path)) is not None:
            return self._referred(endpoint, access)
        told = self._userinfo(access, claims["sub"])
        if told is not None and (found := groups.said(told, path)) is not None:
            return found
        return groups.Groups((), NO_GROUPS.format(path))

    def _groups_of_bearer(self, claims: Mapping[str, Any], token: str) -> groups.Groups:
        """The same for a token that somebody else was given: it may be none for userinfo."""
        path = self.settings.groups_claim
        if groups.reference(claims, path) is not None:
            return self._groups(claims, None)
        try:
            return self._groups(claims, token)
        except (CredentialError, ProviderError):
            return groups.Groups(None, NO_GROUPS.format(path))

    def _referred(self, endpoint: str, access: Any) -> groups.Groups:
        """The groups that were too many for a token, read where it says, if that is a list of Entra's."""
        what = "the identity provider left the groups out of its token, because they are too many"
        address = groups.memberships(endpoint)
        if address is None or not _is_secure(address) or not isinstance(access, str):
            limit = "have it send only groups that are assigned to this application"
            return groups.Groups(None, f"{what}, and does not say them in a way that is known here: {limit}")
        host = urlsplit(address).netloc
        try:
            answer = _ask("POST", address, asked={"securityEnabledOnly": False}, headers=_bearer(access))
        except CredentialError:
            return groups.Groups(None, f"{what}, and {host} refuses to list them: grant the client User.Read")
        listed = answer.get("value")
        if not isinstance(listed, list):
            return groups.Groups(None, f"{what}, and {host} lists nothing")
        return groups.of_names(listed, host)

    def _userinfo(self, access: Any, subject: str) -> Mapping[str, Any] | None:
        """What userinfo says; None where there is none. Errors: `CredentialError`, `ProviderError`."""
        address = self._offered("userinfo_endpoint")
        if address is None or not isinstance(access, str) or not access:
            return None
        answer = _ask("GET", address, headers=_bearer(access))
        if answer.get("sub") != subject:
            raise CredentialError("of somebody else")
        return answer

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

    def _person(self, claims: Mapping[str, Any], found: groups.Groups, said_at: datetime) -> Person:
        subject = claims["sub"]
        if not subject or len(subject) > LONGEST_SUBJECT:
            raise CredentialError("not for anybody")
        names = (claims.get(name) for name in ("name", "preferred_username", "email"))
        name = next((one for one in names if isinstance(one, str) and one.strip()), "somebody")
        called = groups.called(claims, self.settings.names_claims)
        return Person(subject, name[:LONGEST_SUBJECT], found.names, found.remark, said_at, called)

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
        for one in answer.get("keys") or []:
            if not isinstance(one, dict) or one.get("use", "sig") != "sig":
                continue
            try:
                key = import_key(one)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(key, RSAKey | ECKey | OKPKey):
                found.append((one.get("kid"), one.get("alg"), key))
        if not found:
            raise ProviderError(UNSUITABLE, "it publishes no key that could sign")
        return found

    def _discovery(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._cached(self._discovered, self._discover)
        return found

    def _offered(self, name: str) -> str | None:
        found = self._discovery().get(name)
        return found if isinstance(found, str) and _is_secure(found) else None

    def _endpoint(self, name: str) -> str:
        found = self._offered(name)
        if found is None:
            raise ProviderError(UNSUITABLE, f"its discovery document has no usable {name}")
        return found

    def _discover(self) -> Mapping[str, Any]:
        answer = _ask("GET", self.settings.issuer.rstrip("/") + WELL_KNOWN)
        if answer.get("issuer") != self.settings.issuer:
            raise ProviderError(
                UNSUITABLE,
                "its discovery document is of another issuer: set auth.oidc.issuer to what it says, exactly",
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
                raise ProviderError(*cached.error)
            try:
                cached.value = read()
            except ProviderError as error:
                cached.error = (str(error), error.detail)
                if not young:
                    raise
            else:
                cached.read = now
            finally:
                cached.tried = now
            return cached.value


def is_same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that tells nothing of them; of any letters, as strangers send them."""
    return secrets.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))


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


def _bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}


def _issued_at(claims: Mapping[str, Any]) -> datetime:
    """When a token was made, as far as it says, and never later than now."""
    said, present = claims.get("iat"), time.time()
    known = isinstance(said, int | float) and math.isfinite(said) and 0 < said < present
    return datetime.fromtimestamp(said if known and said is not None else present, UTC)


def _ask(
    method: str,
    address: str,
    *,
    data: Mapping[str, str] | None = None,
    asked: Any = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A JSON object from the provider: no redirect is followed, no proxy asked, and the answer is capped.

    Errors: `ProviderError`, and `CredentialError` where what was shown is refused.
    """
    host = urlsplit(address).netloc
    sent, body = {"Accept": "application/json", **(headers or {})}, None
    if data is not None:
        sent["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(data).encode()
    elif asked is not None:
        sent["Content-Type"], body = "application/json", json.dumps(asked).encode()
    try:
        answer = ask(method, address, seconds=PATIENCE, most=LARGEST, headers=sent, body=body)
    except HttpError as error:
        raise ProviderError(
            "the identity provider cannot be asked now: try again", f"{host} {error}"
        ) from None
    if (data is not None or headers is not None) and answer.status in (400, 401, 403):
        raise _refused(answer.body)
    found = _parsed(answer.body, host)
    if answer.status != 200 or not isinstance(found, dict):
        raise ProviderError(
            UNSUITABLE, f"{host} answers {answer.status} instead of what an OpenID provider should"
        )
    return found


def _refused(body: bytes) -> Exception:
    """Whether a refusal (RFC 6749 5.2) is about who signs in or about this gateway."""
    try:
        found = parse_json(body, "the answer")
    except BadRecordError:
        found = None
    if isinstance(found, dict) and found.get("error") in ("invalid_client", "unauthorized_client"):
        return ProviderError(
            "the identity provider refuses this gateway: tell whoever runs it",
            "check auth.oidc.client_id and auth.oidc.client_secret",
        )
    return CredentialError("refused by the identity provider")


def _parsed(body: bytes, host: str) -> Any:
    try:
        return parse_json(body, "the answer")
    except BadRecordError:
        raise ProviderError(UNSUITABLE, f"{host} does not answer with JSON: check auth.oidc.issuer") from None


def _is_secure(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
