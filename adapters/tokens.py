"""Tokens that a service gives for a while: kept until shortly before their end, and told as secrets."""

import re
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from adapters.errors import AuthError
from adapters.http import HttpClient
from adapters.kept import Kept
from adapters.payloads import part, text

EARLY = 10.0
"""Seconds before its end at which a token is not used any more."""
MOST_TOKENS, MOST_SECRETS = 10_000, 200
LIFE = 3600.0
"""Seconds for which a token holds that does not say it."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FIELD = re.compile(r'([a-z]+)="([^"]*)"')


class Tokens:
    """Tokens by what they are for. Safe for several threads."""

    def __init__(self) -> None:
        self._given: Kept[str, tuple[str, float]] = Kept(MOST_TOKENS)
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self.secrets: tuple[str, ...] = ()
        """The last tokens that were given."""

    def get(self, scope: str = "") -> str | None:
        """The token that holds for this now."""
        token, ends = self._given.get(scope) or ("", 0.0)
        return token if time.monotonic() < ends else None

    def keep(self, token: str, seconds: float, scope: str = "") -> str:
        """Keep a token that holds for so many seconds."""
        with self._lock:
            self.secrets = (token, *self.secrets[: MOST_SECRETS - 1])
        self._given.keep(scope, (token, time.monotonic() + max(1.0, seconds - EARLY)))
        return token

    def granted(
        self, login: HttpClient, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> str:
        """The token that a service principal gets for this form (OAuth 2, client credentials), asked for where none
        holds. Errors: any `AdapterError`.
        """
        asked = urlencode({"grant_type": "client_credentials", **form}).encode()
        with self._asking:
            known = self.get()
            if known is not None:
                return known
            said = login.call(
                "POST", path, headers={**FORM, **(headers or {})}, body=asked, repeatable=True
            ).json()
            given, lasts = text(said, "access_token"), part(said).get("expires_in")
            if given is None:
                raise AuthError(f"{login.host} gives no token: check the service principal")
            return self.keep(given, float(lasts) if isinstance(lasts, int | float) else LIFE)


def bearer_challenge(header: str) -> dict[str, str] | None:
    """What a header `WWW-Authenticate` says to whoever wants a bearer token: `realm`, `service`, `scope`; None where
    it wants something else.
    """
    begins = header.lower().find("bearer ")
    return None if begins < 0 else dict(_FIELD.findall(header[begins:]))
