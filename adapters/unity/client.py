"""Requests to Unity Catalog: signing in, its listings, and what its refusals mean.

- A page may be empty with another one behind it: only a missing token is the end.
- 404 proves an absence where it names the model or the version. That a catalog or schema does not exist is also said
  of one that is hidden, so it proves nothing.
- Only Databricks has aliases and tags; a server says which it is by its metastore. Tags are in another API of it, which
  MLflow's client uses, one record in a request.
"""

from collections.abc import Iterator
from urllib.parse import quote

from adapters.errors import AdapterError, AuthError, InvalidError, NotFoundError
from adapters.http import HttpClient, Reply, basic
from adapters.keys import KeyParts
from adapters.payloads import Raw, part, parts, text
from adapters.served import ServiceClient
from adapters.unity.config import UnityConfig

API, TAGS = "/api/2.1/unity-catalog", "/api/2.0/mlflow/unity-catalog"
PAGE = 1000
MODELS, VERSIONS = "registered_models", "model_versions"
"""Under which name a page has its rows."""
GONE = ("RESOURCE_DOES_NOT_EXIST", "REGISTERED_MODEL_NOT_FOUND", "MODEL_VERSION_NOT_FOUND")
GONE_IN_WORDS = ("registered model not found", "model version not found")
"""What an open-source server says, whose code is `NOT_FOUND` for everything."""


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


class UnityClient(ServiceClient):
    """One metastore."""

    def __init__(self, config: UnityConfig) -> None:
        self.config = config
        endpoint = config.endpoint(config.url, connections=config.concurrency + 1)
        super().__init__(HttpClient(endpoint, explain=explain), PAGE)
        self._metastore: Raw | None = None

    @property
    def is_databricks(self) -> bool:
        """Whether it is Databricks. Errors: any `AdapterError`."""
        found = self._metastore or self.metastore()
        return any(found.get(name) for name in ("cloud", "region", "global_metastore_id"))

    @property
    def has_tags(self) -> bool:
        """Whether tags are read. Errors: any `AdapterError`."""
        return self.config.tags and self.is_databricks

    def metastore(self) -> Raw:
        """What it says of itself. Errors: any `AdapterError`."""
        self._metastore = self.object("GET", f"{API}/metastore_summary")
        return self._metastore

    def models(self) -> Iterator[list[Raw]]:
        """Pages of all models, without their aliases. Errors: any `AdapterError`."""
        yield from self._pages(f"{API}/models", MODELS)

    def versions(self, model: str) -> Iterator[Raw]:
        """The versions of a model. Errors: any `AdapterError`."""
        for page in self._pages(f"{of(model)}/versions", VERSIONS):
            yield from page

    def one(self, native: KeyParts) -> Raw:
        """A version, or a model with its aliases where there are any. Errors: any `AdapterError`."""
        has_aliases = native.version is None and self.is_databricks
        return self.object("GET", at(native), {"include_aliases": True} if has_aliases else None)

    def tags(self, name: str, version: str | None = None) -> list[Raw]:
        """The tags of a model or version. Errors: any `AdapterError`."""
        what, asked = tagged(name, version)
        said = self.object("GET", f"{TAGS}/{what}s/get", asked)
        return list(parts(part(said, what.replace("-", "_")), "tags"))

    def _pages(self, path: str, rows: str) -> Iterator[list[Raw]]:
        def read(token: str | None, size: int) -> tuple[list[Raw], str | None]:
            said = self.object("GET", path, {"max_results": size, "page_token": token})
            return list(parts(said, rows)), text(said, "next_page_token")

        yield from self.portioned(read)

    def token(self) -> str | None:
        config = self.config
        if config.client_secret is None:
            return None if config.token is None else config.token.get_secret_value()
        signed = {"Authorization": basic(config.client_id, config.client_secret)}
        return self.tokens.granted(self.http, "/oidc/v1/token", {"scope": "all-apis"}, signed)


def of(model: str, more: str = "") -> str:
    """The path of a model, or of something below it."""
    return f"{API}/models/{quote(model, safe='')}{more}"


def at(native: KeyParts) -> str:
    """The path of what a native id names."""
    return of(native.name, "" if native.version is None else f"/versions/{native.version}")


def tagged(name: str, version: str | None) -> tuple[str, Raw]:
    """What MLflow's API calls a model or version, and how it is named there."""
    return ("registered-model", {"name": name}) if version is None else (
        "model-version", {"name": name, "version": version},
    )  # fmt: skip
