"""Requests to Unity Catalog: signing in, its listings, and what its refusals mean.

- A page may be empty with another one behind it: only a missing token is the end.
- 404 proves an absence where it names the model or the version. That a catalog or schema does not exist is also said
  of one that is hidden, so it proves nothing.
- Only Databricks has aliases; a server says which it is by its metastore.
"""

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from adapters.errors import AdapterError, AuthError, InvalidError, NotFoundError
from adapters.http import Endpoint, HttpClient, Reply, basic, check_count
from adapters.payloads import Raw, parts, text
from adapters.portions import Portion
from adapters.scanning import Steps
from adapters.tokens import Tokens
from adapters.unity.config import UnityConfig

API = "/api/2.1/unity-catalog"
PAGE = 1000
MODELS, VERSIONS = "registered_models", "model_versions"
"""Under which name a page has its rows."""
GONE = ("RESOURCE_DOES_NOT_EXIST", "REGISTERED_MODEL_NOT_FOUND", "MODEL_VERSION_NOT_FOUND")
GONE_IN_WORDS = ("registered model not found", "model version not found")
"""What an open-source server says, whose code is `NOT_FOUND` for everything."""
LIFE = 3600.0
"""Seconds for which a token holds that does not say it."""


def explain(reply: Reply) -> AdapterError | None:
    """A refusal in Unity Catalog's own terms."""
    if reply.status != 404 or not reply.is_json:
        return None
    said = reply.json()
    code, words = text(said, "error_code") or "", text(said, "message") or ""
    if code in GONE or (code == "NOT_FOUND" and words.lower().startswith(GONE_IN_WORDS)):
        return NotFoundError(f"{reply.host} answered {code}: {words[:200]}")
    if not code:
        return InvalidError(f"{reply.host} answered 404, and not as Unity Catalog does: check `url`")
    return AuthError(
        f"{reply.host} answered {code}: a catalog or schema that is gone, or hidden from this credential"
    )


class UnityClient:
    """One metastore. Nothing is opened before the first call. Safe for several threads."""

    def __init__(self, config: UnityConfig) -> None:
        self.config = config
        self.tokens = Tokens()
        endpoint = Endpoint(
            url=config.url,
            timeout=config.timeout,
            max_bytes=config.max_response_mb << 20,
            headers={"Accept": "application/json"},
            allowed_networks=config.allowed_networks,
            ca_file=config.ca_file,
            connections=config.concurrency + 1,
        )
        self.http = HttpClient(endpoint, explain=explain)
        self._portion = Portion(PAGE)
        self._lock = threading.Lock()
        self._metastore: Raw | None = None

    @property
    def has_aliases(self) -> bool:
        """Whether it is Databricks. Errors: any `AdapterError`."""
        found = self._metastore or self.metastore()
        return any(found.get(name) for name in ("cloud", "region", "global_metastore_id"))

    def metastore(self) -> Raw:
        """What it says of itself. Errors: any `AdapterError`."""
        self._metastore = self.object("GET", "/metastore_summary")
        return self._metastore

    def models(self) -> Iterator[list[Raw]]:
        """Pages of all models, without their aliases. Errors: any `AdapterError`."""
        yield from self._pages("/models", MODELS)

    def versions(self, model: str) -> Iterator[Raw]:
        """The versions of a model. Errors: any `AdapterError`."""
        for page in self._pages(f"{of(model)}/versions", VERSIONS):
            yield from page

    def model(self, name: str) -> Raw:
        """A model, with its aliases where there are any. Errors: any `AdapterError`."""
        asked = {"include_aliases": True} if self.has_aliases else None
        return self.object("GET", of(name), asked)

    def object(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Raw:
        """An object that is answered. Errors: any `AdapterError`."""
        reply = self.call(method, path, params, body)
        said = reply.json()
        if not isinstance(said, dict):
            raise InvalidError(f"{reply.host} answered with something else than was asked for: check `url`")
        return said

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One answer. Errors: any `AdapterError`."""
        headers = {"Authorization": f"Bearer {token}"} if (token := self._token()) else {}
        return self.http.call(
            method, API + path, params=params, headers=headers, body=body, repeatable=method == "GET"
        )

    def _pages(self, path: str, rows: str) -> Iterator[list[Raw]]:
        steps = Steps(self._stuck)
        token: str | None = None
        while True:
            found, following = self._portion.read(PAGE, partial(self._page, path, rows, token))
            yield found
            token = following
            if token is None:
                return
            steps.take(token, is_empty=not found)

    def _page(self, path: str, rows: str, token: str | None, size: int) -> tuple[list[Raw], str | None]:
        said = self.object("GET", path, {"max_results": size, "page_token": token})
        found = list(parts(said, rows))
        check_count(self.http.host, len(found), size)
        return found, text(said, "next_page_token")

    def _token(self) -> str | None:
        config = self.config
        if config.client_secret is None:
            return None if config.token is None else config.token.get_secret_value()
        with self._lock:
            known = self.tokens.get()
            if known is not None:
                return known
            form = urlencode({"grant_type": "client_credentials", "scope": "all-apis"}).encode()
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": basic(config.client_id, config.client_secret),
            }
            said = self.http.call(
                "POST", "/oidc/v1/token", headers=headers, body=form, repeatable=True
            ).json()
            given, lasts = (
                text(said, "access_token"),
                said.get("expires_in") if isinstance(said, dict) else None,
            )
            if given is None:
                raise AuthError(
                    f"{self.http.host} gives no token for `client_id`: check the service principal"
                )
            return self.tokens.keep(given, float(lasts) if isinstance(lasts, int | float) else LIFE)

    def _stuck(self) -> InvalidError:
        return InvalidError(f"{self.http.host}: its pages go round in a circle, or give nothing: check `url`")


def of(model: str, more: str = "") -> str:
    """The path of a model, or of something below it."""
    return f"/models/{quote(model, safe='')}{more}"
