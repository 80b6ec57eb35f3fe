"""Requests to Kubeflow's model registry: under which path it answers, its listings, and what a 404 of it proves.

- Its API moved from `/v1alpha3` to `/v1`; which of them is served is found out. A listing that is not found is a wrong
  path, and never an empty one.
- A single version is "not found" also where the server's database fails: so what its listing has is not gone.
- A page without anything may have a page behind it; only a missing token is the end.
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from adapters.errors import AdapterError, AuthError, InvalidError, NotFoundError, TransientError
from adapters.http import HttpClient, Reply, check_count
from adapters.kubeflow.config import KubeflowConfig
from adapters.payloads import Raw, parts, text
from adapters.served import ServiceClient

PREFIXES = ("/api/model_registry/v1", "/api/model_registry/v1alpha3")
MODELS, VERSIONS, SERVICES = "registered_models", "model_versions", "inference_services"
ENVIRONMENTS = "serving_environments"
PAGE = 500
NOWHERE = (404, 405)
"""What is answered where there is no such path."""


class ListedPage(NamedTuple):
    """A page of a listing, the token of the next one, and the server's clock, in seconds since 1970."""

    rows: list[Raw]
    next: str | None
    at: float | None


class KubeflowClient(ServiceClient):
    """One server."""

    def __init__(self, config: KubeflowConfig) -> None:
        self.config = config
        super().__init__(HttpClient(config.endpoint(config.url, connections=config.concurrency + 1)), PAGE)
        self._lock = threading.Lock()
        self._prefix: str | None = None

    @property
    def prefix(self) -> str:
        """The path before every other one. Errors: any `AdapterError`."""
        with self._lock:
            for prefix in PREFIXES if self._prefix is None else ():
                try:
                    super().call("GET", f"{prefix}/{MODELS}", {"pageSize": 1}).json()
                except AdapterError as error:
                    if error.status not in NOWHERE:
                        raise
                else:
                    self._prefix = prefix
                    break
            if self._prefix is None:
                raise InvalidError(f"{self.http.host} serves none of {', '.join(PREFIXES)}: check `url`")
            return self._prefix

    def page(
        self, listing: str, token: str | None, filtered: str | None = None, most: int = PAGE
    ) -> ListedPage:
        """A page of a listing, by the server's ids, which never change; a smaller one where that is too much.

        Errors: any `AdapterError`.
        """
        return self._portion.read(most, lambda size: self._page(listing, token, filtered, size))

    def _page(self, listing: str, token: str | None, filtered: str | None, size: int) -> ListedPage:
        asked = {"pageSize": size, "orderBy": "ID", "sortOrder": "ASC"}
        more = {"nextPageToken": token or None, "filterQuery": filtered}
        try:
            reply = self.call("GET", f"/{listing}", asked | more)
        except AdapterError as error:
            if error.status not in NOWHERE or "/" in listing:
                raise
            self._prefix = None  # the server is another release by now
            reply = self.call("GET", f"/{listing}", asked | more)
        said = reply.json()
        if not isinstance(said, dict) or not isinstance(said.get("items") or [], list):
            raise InvalidError(f"{self.http.host} answered with no list of {listing}: check `url`")
        rows = list(parts(said, "items"))
        check_count(self.http.host, len(rows), size)
        return ListedPage(rows, text(said, "nextPageToken"), reply.date)

    def rows(self, listing: str, filtered: str | None = None) -> Iterator[Raw]:
        """Everything of a listing. Errors: any `AdapterError`."""
        for rows in self.following(lambda token: self.page(listing, token, filtered)[:2]):
            yield from rows

    def one(self, listing: str, ident: str) -> Raw:
        """One thing by its id. Errors: any `AdapterError`; `NotFoundError` is a proof."""
        try:
            return self.object("GET", f"/{listing}/{ident}")
        except AdapterError as error:
            if error.status not in NOWHERE:
                raise
        if any(text(row, "id") == ident for row in self.rows(listing, f"id = {ident}")):
            raise TransientError(
                f"{self.http.host} lists {listing} {ident} and does not read it: it is tried again"
            )
        raise NotFoundError(f"{self.http.host} has no {listing} {ident}")

    def find(self, what: str, **by: str) -> Raw | None:
        """The only thing that a search (`registered_model`, `model_version`) finds. Errors: any `AdapterError`."""
        try:
            return self.object("GET", f"/{what}", by)
        except NotFoundError:
            return None

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One answer; `path` is below that of the API. Errors: any `AdapterError`."""
        return super().call(method, f"{self.prefix}{path}", params, body)

    def token(self) -> str | None:
        config = self.config
        if config.token_file is None:
            return None if config.token is None else config.token.get_secret_value()
        try:
            token = config.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise AuthError("`token_file` cannot be read: check its path and who may read it") from None
        self.tokens.secrets = (token,)
        return token
