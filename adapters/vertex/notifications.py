"""Vertex AI's audit log, which a sink hands to a Pub/Sub topic, whose push subscription calls us.

Google signs each push with a token of the service account that the subscription was made with; it is checked with
Google's own keys, which are fetched over TLS.
"""

import base64
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters import outgoing
from adapters.errors import AuthError, InvalidError, TransientError, UnsupportedError
from adapters.http import Reply
from adapters.notifications import Notification, json_object
from adapters.payloads import at, text
from adapters.quota import Quota
from adapters.records import Key
from adapters.vertex.config import VertexConfig
from adapters.vertex.keys import open_key

ADDRESS = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = ("accounts.google.com", "https://accounts.google.com")
SKEW = 60
"""Seconds that Google's clock and ours may lie apart."""
KEPT = 3600.0
"""Seconds for which Google's keys are believed once they were fetched."""
FETCHES_A_MINUTE = 6
PATIENCE = 5.0
MOST_BYTES = 64 * 1024
PLACES = (
    ("resourceName",), ("request", "name"), ("request", "parentModel"), ("request", "model", "name"),
    ("request", "endpoint", "name"), ("request", "endpoint"), ("response", "name"), ("response", "model"),
)  # fmt: skip
"""Where the payload of an entry may name a resource."""
_RESOURCE = re.compile(
    r"projects/[^/]{1,100}/locations/([a-z0-9-]{1,63})/(model|endpoint)s/([A-Za-z0-9_-]{1,128})(?:@([0-9]{1,15})|@.*)?"
)


class Announcements:
    """What a subscription pushes. Errors: any `AdapterError`."""

    def __init__(self, config: VertexConfig) -> None:
        self._config = config
        self._keys = SigningKeys(config)

    def changed(self, notification: Notification) -> Sequence[Key]:
        """What a push is about."""
        if not self._config.is_notified:
            raise UnsupportedError("no notification is believed without `push_audience` and `push_account`")
        self._check(notification.headers.get("authorization", ""))
        try:
            entry = base64.b64decode(text(notification.json(), "message", "data") or "", validate=True)
        except ValueError:
            raise InvalidError("the data of the message is no base64") from None
        return _named(json_object(entry), self._config.location)

    def _check(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthError("the push has no token: make the subscription with a service account")
        claims = self._keys.claims(token.strip(), str(self._config.push_audience))
        if claims.get("iss") not in ISSUERS:
            raise AuthError("the token is not Google's")
        if claims.get("email") != self._config.push_account or claims.get("email_verified") is not True:
            raise AuthError("the token is of another service account than `push_account`")


class SigningKeys:
    """Google's public keys, fetched when they are needed."""

    def __init__(self, config: VertexConfig) -> None:
        self._pool = outgoing.Pool(networks=config.allowed_networks, connections=1)
        self._fetches = Quota(FETCHES_A_MINUTE, patience=0.0)
        self._kept: Mapping[str, Any] = {}
        self._fetched = float("-inf")

    def claims(self, token: str, audience: str) -> Mapping[str, Any]:
        """What a token says that Google signed for an audience. Errors: `AuthError`, `TransientError`."""
        from google.auth import exceptions, jwt

        try:
            header = jwt.decode_header(token)
            if header.get("alg") != "RS256":
                raise AuthError("the token is not signed as Google does")
            keys = self._known(header.get("kid"))
            found = jwt.decode(token, certs=keys, audience=audience, clock_skew_in_seconds=SKEW)
        except (exceptions.GoogleAuthError, ValueError, TypeError, AttributeError) as error:
            raise AuthError(f"the token does not hold ({type(error).__name__})") from None
        return dict(found)

    def _known(self, ident: Any) -> Mapping[str, Any]:
        """Google's certificates by id, the one with this id among them. Errors: `AuthError`, `TransientError`."""
        now = time.monotonic()
        if ident not in self._kept or now - self._fetched >= KEPT:
            self._fetches.spend()
            self._kept, self._fetched = self.fetch(), now
        if ident not in self._kept:
            raise AuthError("the token is signed with no key of Google's")
        return {ident: self._kept[ident]}

    def fetch(self) -> Mapping[str, Any]:
        """Google's certificates as PEM, by id. Errors: `TransientError`."""
        try:
            answer = self._pool.request(
                "GET", ADDRESS, headers={}, deadline=time.monotonic() + PATIENCE, most=MOST_BYTES
            )
        except outgoing.HttpError as error:
            raise TransientError(f"Google's keys: {error}") from None
        found = Reply(answer.status, answer.headers, answer.body, "www.googleapis.com").json()
        if answer.status != 200 or not isinstance(found, dict):
            raise TransientError(f"Google answered {answer.status} when it was asked for its keys")
        return found


def _named(entry: Mapping[str, Any], location: str) -> Sequence[Key]:
    """What an entry of the audit log is about."""
    payload = entry.get("protoPayload")
    found: dict[Key, None] = {}
    for name in _resources(payload):
        resource = _RESOURCE.fullmatch(name)
        if resource is None or resource[1] != location:
            continue
        kind, ident, version = resource[2], resource[3], resource[4]
        found[open_key("model" if kind == "model" else "endpoint", ident)] = None
        if kind == "model" and version:
            found[open_key("version", f"{ident}@{version}")] = None
    return tuple(found)


def _resources(payload: Any) -> Iterator[str]:
    """The resources that a payload names; a version that was uploaded stands beside its model."""
    for place in PLACES:
        if name := text(payload, *place):
            yield name
    model, version = text(payload, "response", "model"), at(payload, "response", "modelVersionId")
    if model and isinstance(version, str):
        yield f"{model.partition('@')[0]}@{version}"
