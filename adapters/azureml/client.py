"""Requests to Azure's resource manager: signing in, listings, and what its refusals mean.

That a model is not found proves an absence where its workspace or registry is found: the same 404 is said of all that
is in one that is gone, or hidden.
"""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode

from adapters.azureml.config import AzuremlConfig
from adapters.errors import AuthError, InvalidError, NotFoundError
from adapters.http import Endpoint, HttpClient, Reply, below
from adapters.payloads import Raw, parts, text
from adapters.scanning import Steps
from adapters.tokens import Tokens

VERSION = "2023-08-01-preview"
EVERYTHING = {"listViewType": "All"}
"""By default what is archived is left out, as if it were gone."""
LIFE = 3600.0
"""Seconds for which a token holds that does not say it."""


class AzuremlClient:
    """One workspace or registry. Nothing is opened before the first call. Safe for several threads."""

    def __init__(self, config: AzuremlConfig) -> None:
        self.config = config
        self.tokens = Tokens()
        self.http = HttpClient(self._endpoint(config.url))
        self._login = HttpClient(self._endpoint(config.login_url))
        self._lock = threading.Lock()

    def _endpoint(self, url: str) -> Endpoint:
        config = self.config
        return Endpoint(
            url=url,
            timeout=config.timeout,
            max_bytes=config.max_response_mb << 20,
            headers={"Accept": "application/json"},
            allowed_networks=config.allowed_networks,
            ca_file=config.ca_file,
            connections=config.concurrency + 1,
        )

    def place(self) -> Raw:
        """The workspace or registry itself. Errors: any `AdapterError`."""
        return self.object("GET", "")

    def models(self) -> Iterator[list[Raw]]:
        """Pages of all models. Errors: any `AdapterError`."""
        yield from self._pages("/models")

    def versions(self, path: str) -> Iterator[Raw]:
        """The versions of the model at a path. Errors: any `AdapterError`."""
        for page in self._pages(f"{path}/versions"):
            yield from page

    def one(self, path: str) -> Raw:
        """What is at a path. Errors: any `AdapterError`; `NotFoundError` is a proof."""
        try:
            return self.object("GET", path)
        except NotFoundError as absent:
            try:
                self.place()
            except NotFoundError:
                raise AuthError(
                    f"{self.config.path.rpartition('/')[2]} is not found: it is gone, or hidden from this credential"
                ) from None
            raise absent from None

    def object(self, method: str, path: str, body: Any = None) -> Raw:
        """An object that is answered. Errors: any `AdapterError`."""
        said = self.call(method, path, body=body).json()
        if not isinstance(said, dict):
            raise InvalidError(
                f"{self.http.host} answered with something else than was asked for: check `url`"
            )
        return said

    def call(self, method: str, path: str, params: Raw | None = None, body: Any = None) -> Reply:
        """One answer; `path` is below the workspace or registry. Errors: any `AdapterError`."""
        asked = {"api-version": VERSION, **(params or {})}
        return self.http.call(
            method,
            self.config.path + path,
            params=asked,
            headers={"Authorization": f"Bearer {self._token()}"},
            body=body,
            repeatable=method in ("GET", "PUT"),
        )

    def _pages(self, path: str) -> Iterator[list[Raw]]:
        steps, params = Steps(self._stuck), dict[str, Any](EVERYTHING)
        while True:
            said = self.call("GET", path, params).json()
            if not isinstance(said, dict) or not isinstance(said.get("value"), list):
                raise InvalidError(f"{self.http.host} answered with no list: check `url`")
            found = list(parts(said, "value"))
            yield found
            following = text(said, "nextLink")
            if following is None:
                return
            steps.take(following, is_empty=not found)
            # Of the link only the query is taken: what leads elsewhere is an error.
            link, _, query = below(self.config.url, self.config.path + path, following).partition("?")
            if link != self.config.path + path:
                raise InvalidError(
                    f"{self.http.host}: its next page is said to be at another path: it was not asked for"
                )
            params = parse_qs(query, keep_blank_values=True)

    def _token(self) -> str:
        config = self.config
        if config.token is not None:
            return config.token.get_secret_value()
        with self._lock:
            known = self.tokens.get()
            if known is not None:
                return known
            assert config.client_secret is not None
            form = {
                "grant_type": "client_credentials",
                "client_id": config.client_id,
                "client_secret": config.client_secret.get_secret_value(),
                "scope": f"{config.url}/.default",
            }
            said = self._login.call(
                "POST",
                f"/{config.tenant}/oauth2/v2.0/token",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
                repeatable=True,
            ).json()
            given, lasts = (
                text(said, "access_token"),
                said.get("expires_in") if isinstance(said, dict) else None,
            )
            if given is None:
                raise AuthError(f"{self._login.host} gives no token: check the service principal")
            return self.tokens.keep(given, float(lasts) if isinstance(lasts, int | float) else LIFE)

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        self.http.close()
        self._login.close()

    def _stuck(self) -> InvalidError:
        return InvalidError(f"{self.http.host}: its pages go round in a circle, or give nothing: check `url`")
