"""A small identity provider on a real socket: discovery, keys, sign-in at once, codes redeemed with PKCE, and, as far
as a test wants it, refresh tokens, userinfo, and a list of memberships as Entra has it.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.patience import PATIENCE

CLIENT = "waypost"


def sent_back(address: str) -> str:
    """Where the provider sends the browser that was sent to this address of it."""
    answer = httpx.get(address, trust_env=False, verify=False, timeout=PATIENCE)
    return str(answer.headers["location"])


Key = RSAKey | ECKey | OKPKey


@dataclass(eq=False)
class IdentityProvider:
    """Who signs in is whoever `subject` and `groups` say at that time. `asked` counts requests by path.

    `more` are claims of every token (None leaves one out); `userinfo` is what that says besides the subject (None: it
    is not there); `methods` are the ways to show the client's `secret`; `gone`: nobody is vouched for when asked again.
    """

    url: str
    subject: str = "42"
    groups: tuple[str, ...] = ("ml",)
    keys: dict[str, Key] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    methods: tuple[str, ...] | None = None
    secret: str = ""
    refreshes: bool = False
    access_life: int | None = None
    memberships: list[str] | None = None
    gone: bool = False
    issued: dict[str, str] = field(default_factory=dict)
    """Access and refresh tokens, each with its subject; a refresh token is good for once."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def add_key(self, kid: str, kind: str = "RSA") -> None:
        """Publish another key."""
        self.keys[kid] = RSAKey.generate_key(2048) if kind == "RSA" else ECKey.generate_key("P-256")

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a good token; None leaves one out."""
        now = int(time.time())
        found = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": self.subject,
            "name": "Somebody Real",
            "groups": list(self.groups),
            "iat": now,
            "exp": now + 300,
            **self.more,
            **changed,
        }
        return {name: value for name, value in found.items() if value is not None}

    def token(self, kid: str = "one", header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A signed token."""
        key = self.keys[kid]
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        sent = {"alg": algorithm, "kid": kid, **(header or {})}
        return jwt.encode(
            {k: v for k, v in sent.items() if v is not None}, self.claims(**changed), key, [algorithm]
        )

    def published(self) -> dict[str, Any]:
        """The key set."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()
            ]
        }

    def authorise(self, query: dict[str, str]) -> str:
        """Sign in without any question; returns where the browser goes on."""
        code = secrets.token_hex(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def knows_client(self, form: dict[str, str], authorization: str) -> bool:
        """Whether the client has shown its secret in one way that is offered."""
        if not self.secret:
            return True
        pair = f"{quote_plus(CLIENT)}:{quote_plus(self.secret)}".encode()
        basic = authorization == f"Basic {base64.b64encode(pair).decode()}"
        in_form = form.get("client_secret") == self.secret and form.get("client_id") == CLIENT
        offered = self.methods or ("client_secret_basic",)
        return basic != in_form and ("client_secret_basic" if basic else "client_secret_post") in offered

    def redeem(self, form: dict[str, str]) -> dict[str, Any] | None:
        """An ID token for a code, once, for who knows the verifier; or for a refresh token."""
        if form.get("grant_type") == "refresh_token":
            if self.gone or self.issued.pop(form.get("refresh_token", ""), None) is None:
                return None
            return self._tokens()
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        return self._tokens(nonce=asked["nonce"])

    def _tokens(self, **claims: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "token_type": "Bearer",
            "id_token": self.token(**claims),
            "access_token": self._issue(),
        }
        if self.access_life is not None:
            found["expires_in"] = self.access_life
        return {**found, "refresh_token": self._issue()} if self.refreshes else found

    def _issue(self) -> str:
        made = secrets.token_hex(8)
        self.issued[made] = self.subject
        return made

    def read(self, path: str, authorization: str) -> tuple[int, Any]:
        """Status and body of a GET."""
        if self.broken:
            return 500, {}
        if path == "/.well-known/openid-configuration":
            return 200, _discovery(self)
        if path == "/jwks":
            return 200, self.published()
        if path == "/userinfo" and self.userinfo is not None:
            about = self.about(authorization)
            return (401, {"error": "invalid_token"}) if about is None else (200, about)
        return 404, {}

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """Status and body of a POST."""
        if self.broken:
            return 500, {}
        if path.endswith("/getMemberObjects"):
            known = authorization.removeprefix("Bearer ") in self.issued and self.memberships is not None
            return (200, {"value": self.memberships}) if known else (403, {})
        if not self.knows_client(form, authorization):
            return 401, {"error": "invalid_client"}
        tokens = self.redeem(form)
        return (400, {"error": "invalid_grant"}) if tokens is None else (200, tokens)

    def about(self, authorization: str) -> dict[str, Any] | None:
        """What userinfo says to who has an access token."""
        subject = self.issued.get(authorization.removeprefix("Bearer "))
        return (
            None
            if subject is None or self.gone or self.userinfo is None
            else {"sub": subject, **self.userinfo}
        )


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run one until the block ends."""

    class ProviderHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found.asked[parts.path] = found.asked.get(parts.path, 0) + 1
            if parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self._answer(302, {}, Location=found.authorise(query))
            else:
                self._answer(*found.read(parts.path, self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*found.answer(self.path, form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, body: Any, **headers: str) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), ProviderHandler) as server:
        server.daemon_threads = True
        found = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
        found.add_key("one")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _discovery(found: IdentityProvider) -> dict[str, Any]:
    url = found.url
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/jwks",
        **({} if found.userinfo is None else {"userinfo_endpoint": f"{url}/userinfo"}),
        **({} if found.methods is None else {"token_endpoint_auth_methods_supported": list(found.methods)}),
    }
