"""Requests to Azure's resource manager: signing in, listings, and what its refusals mean.

That a model is not found proves an absence where its workspace or registry is found: the same 404 is said of all that
is in one that is gone, or hidden.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from adapters.azureml.config import AzuremlConfig
from adapters.contract import Observer
from adapters.errors import AuthError, InvalidError, NotFoundError
from adapters.http import HttpClient, Reply, below
from adapters.payloads import Raw, parts, text
from adapters.served import ServiceClient

VERSION = "2023-08-01-preview"
EVERYTHING = {"listViewType": "All"}
"""By default what is archived is left out, as if it were gone."""


class AzuremlClient(ServiceClient):
    """One workspace or registry."""

    repeatable = ("GET", "PUT")

    def __init__(self, config: AzuremlConfig) -> None:
        self.config = config
        super().__init__(HttpClient(config.endpoint(config.url, connections=config.concurrency + 1)))
        self._login = HttpClient(config.endpoint(config.login_url))

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

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One answer; `path` is below the workspace or registry. Errors: any `AdapterError`."""
        whole = self.config.path + path
        return super().call(method, whole, {"api-version": VERSION, **(params or {})}, body)

    def _pages(self, path: str) -> Iterator[list[Raw]]:
        def read(link: str | None) -> tuple[list[Raw], str | None]:
            said = self.call("GET", path, EVERYTHING if link is None else self._query(path, link)).json()
            if not isinstance(said, dict) or not isinstance(said.get("value"), list):
                raise InvalidError(f"{self.http.host} answered with no list: check `url`")
            return list(parts(said, "value")), text(said, "nextLink")

        yield from self.following(read)

    def _query(self, path: str, link: str) -> dict[str, Any]:
        """Of a link only the query is taken: what leads elsewhere is an error."""
        at, _, query = below(self.config.url, self.config.path + path, link).partition("?")
        if at != self.config.path + path:
            raise InvalidError(
                f"{self.http.host}: its next page is said to be at another path: it was not asked for"
            )
        return parse_qs(query, keep_blank_values=True)

    def token(self) -> str:
        config = self.config
        if config.token is not None:
            return config.token.get_secret_value()
        assert config.client_secret is not None
        secret = config.client_secret.get_secret_value()
        form = {"client_id": config.client_id, "client_secret": secret, "scope": f"{config.url}/.default"}
        return self.tokens.granted(self._login, f"/{config.tenant}/oauth2/v2.0/token", form)

    def observe(self, observer: Observer) -> None:
        super().observe(observer)
        self._login.observe(observer)

    def close(self) -> None:
        super().close()
        self._login.close()
