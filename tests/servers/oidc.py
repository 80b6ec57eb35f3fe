"""A small identity provider on a real socket: discovery, keys, sign-in at once, and codes redeemed with PKCE."""

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
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT = "waypost"
Key = RSAKey | ECKey | OKPKey


@dataclass(eq=False)
class IdentityProvider:
    """Who signs in is whoever `subject` and `groups` say at that time. `asked` counts requests by path."""

    url: str
    subject: str = "42"
    groups: tuple[str, ...] = ("ml",)
    keys: dict[str, Key] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    broken: bool = False
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

    def redeem(self, form: dict[str, str]) -> dict[str, Any] | None:
        """An ID token for a code, once, for who knows the verifier."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        return {"token_type": "Bearer", "id_token": self.token(nonce=asked["nonce"])}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run one until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found.asked[parts.path] = found.asked.get(parts.path, 0) + 1
            if found.broken:
                self._answer(500, {})
            elif parts.path == "/.well-known/openid-configuration":
                self._answer(200, _discovery(found.url))
            elif parts.path == "/jwks":
                self._answer(200, found.published())
            elif parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self._answer(302, {}, Location=found.authorise(query))
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = found.redeem({name: values[0] for name, values in parse_qs(body).items()})
            self._answer(400 if answer is None else 200, answer or {"error": "invalid_grant"})

        def _answer(self, status: int, body: Any, **headers: str) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
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


def _discovery(url: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/jwks",
    }
