"""The configuration of a REST registry: where it is, how it pages, what its answers mean, how it is written to."""

from string import Formatter
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from adapters.contract import AdapterConfig
from adapters.notifications import standard_key
from adapters.rest.expressions import Expression

TEXTS = ("title", "type", "description", "owner", "license", "etag", "url")
MODEL_FIELDS = frozenset({"name", "tags", "aliases", "created_at", "updated_at", *TEXTS})
VERSION_FIELDS = frozenset(
    {
        "version", "description", "state", "stage", "approval", "lifecycle", "tags", "metrics", "params", "framework",
        "license", "owner", "creator", "artifact_uri", "artifact_digest", "created_at", "updated_at", "etag", "url",
        "run_id", "commit", "repository",
    }
)  # fmt: skip


class ConfigTable(BaseModel):
    """A table inside the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Paging(ConfigTable):
    """How a listing is paged.

    `cursor`: `next` finds the cursor of the next page, sent as `param`. `next_url`: `next` finds its URL.
    `link`: it is in the header `Link`, rel="next". `offset` and `page`: `param` counts records or pages;
    the last page is the one with fewer records than `size_value`. `single`: there is one page.
    """

    style: Literal["single", "cursor", "next_url", "link", "offset", "page"] = Field(
        default="single", description="how the listing goes on"
    )
    param: str = Field(default="", description="cursor, offset, page: the query parameter that carries it")
    next: Expression | None = Field(
        default=None, description="cursor, next_url: finds in the answer how to go on"
    )
    size: str = Field(default="", description="the query parameter that takes the number of records a page")
    size_value: int = Field(default=100, ge=1, le=1000, description="records a page")
    first: int = Field(default=1, ge=0, description="page: the number of the first page")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.style in ("cursor", "offset", "page") and not self.param:
            raise ValueError(f"style = {self.style!r} needs `param`, the query parameter that carries it")
        if self.style in ("cursor", "next_url") and self.next is None:
            raise ValueError(f"style = {self.style!r} needs `next`, where the answer says how to go on")
        return self


class Since(ConfigTable):
    """How to ask for what changed: a query parameter that takes a time, by the backend's own clock."""

    param: str = Field(description="the query parameter that takes the time")
    format: Literal["epoch_ms", "epoch_s", "iso"] = Field(default="iso", description="how it is written")
    overlap: float = Field(
        default=5.0, ge=1.0, description="seconds asked for again, for what was written meanwhile"
    )


class Collection(ConfigTable):
    """One kind of record: where it is listed, where one is read, and what its fields are.

    `id` finds what `{id}` stands for in paths. Where an id can be used again after a deletion, `incarnation`
    finds what tells the two apart, such as the time of creation.
    """

    path: str = Field(description="where they are listed")
    one: str = Field(description="where one is read; holds {id}, a version's may hold {model} too")
    items: Expression = Field(default=Expression("@"), description="finds the list in a page")
    item: Expression = Field(default=Expression("@"), description="finds the record where one is read")
    id: Expression = Field(default=Expression("id"), description="finds what {id} stands for")
    incarnation: Expression | None = Field(
        default=None, description="finds what tells an id used again from the one before, as its creation"
    )
    query: dict[str, str] = Field(default={}, description="further query parameters of the listing")
    page: Paging = Field(default=Paging(), description="how the listing is paged")
    since: Since | None = Field(
        default=None, description="how to ask for what changed; left out: all is listed"
    )
    fields: dict[str, Expression] = Field(description="finds each field of the record: name = expression")
    sample: dict[str, Any] = Field(
        default={}, description="a record as the backend gives it; the mapping is tried on it at the start"
    )

    @field_validator("path", "one")
    @classmethod
    def _rooted(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("paths start with / and are appended to `url`")
        return value


class Models(Collection):
    """The models."""

    @field_validator("fields")
    @classmethod
    def _known(cls, value: dict[str, Expression]) -> dict[str, Expression]:
        return _checked(value, MODEL_FIELDS, "name")


class Versions(Collection):
    """The versions: listed for each model (`{model}` in `path`), or all at once (`model` finds the model's id)."""

    model: Expression | None = Field(
        default=None, description="finds the model's id, where versions are listed all at once"
    )

    @field_validator("fields")
    @classmethod
    def _known(cls, value: dict[str, Expression]) -> dict[str, Expression]:
        return _checked(value, VERSION_FIELDS, "version")

    @property
    def nested(self) -> bool:
        """Whether they are listed for each model."""
        return "{model}" in self.path

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if not self.nested and self.model is None:
            raise ValueError("`model` must find the model's id, or `path` must contain {model}")
        return self


def _checked(fields: dict[str, Expression], known: frozenset[str], needed: str) -> dict[str, Expression]:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ValueError(f"no such field: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    if needed not in fields:
        raise ValueError(f"`{needed}` is missing")
    return fields


class Write(ConfigTable):
    """One request that changes something. Path and body may hold the names listed with the operation, in braces.

    A string that is one name alone keeps its type: `{tags}` is an object. `if_match` sends the record's etag.
    """

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="the method")
    path: str = Field(description="where it goes; may hold names in braces")
    body: Any = Field(default=None, description="what is sent, as JSON; may hold names in braces")
    if_match: bool = Field(default=False, description="send the record's etag as If-Match")


NAMES: dict[str, frozenset[str]] = {
    "set_stage": frozenset({"id", "model", "version", "value"}),
    "set_alias": frozenset({"id", "alias", "version", "aliases"}),
    "remove_alias": frozenset({"id", "alias", "aliases"}),
    "set_tags": frozenset({"id", "model", "version", "tags", "changes"}),
    "set_model_tags": frozenset({"id", "tags", "changes"}),
    "register": frozenset({"name", "source", "description", "run_id", "tags", "token"}),
    "delete": frozenset({"id", "model", "version"}),
    "delete_model": frozenset({"id"}),
}


class Writes(ConfigTable):
    """What can be written; what is left out cannot. `remove_alias` is `set_alias` with one fewer where left out."""

    set_stage: Write | None = Field(default=None, description="sets a version's stage to {value}")
    set_alias: Write | None = Field(default=None, description="points {alias} at {version}")
    remove_alias: Write | None = Field(default=None, description="takes {alias} away")
    set_tags: Write | None = Field(default=None, description="sets a version's {tags}, or only the {changes}")
    set_model_tags: Write | None = Field(
        default=None, description="sets a model's {tags}, or only the {changes}"
    )
    register_version: Write | None = Field(
        default=None, alias="register", description="makes a version; must send {token}"
    )
    delete: Write | None = Field(default=None, description="deletes a version")
    delete_model: Write | None = Field(default=None, description="deletes a model")

    @model_validator(mode="after")
    def _names(self) -> Self:
        for operation, known in NAMES.items():
            write = self.of(operation)
            used = set() if write is None else _used([write.path, write.body])
            if used - known:
                raise ValueError(
                    f"{operation} has no {{{min(used - known)}}}: there are {', '.join(sorted(known))}"
                )
            if write is not None and operation == "register" and "token" not in used:
                raise ValueError("register must send {token}, so that a repeated call makes one version")
        return self

    def of(self, operation: str) -> Write | None:
        """The request of an operation, by its name in the configuration."""
        found = getattr(self, "register_version" if operation == "register" else operation)
        assert found is None or isinstance(found, Write)
        return found


def _used(value: Any) -> set[str]:
    if isinstance(value, str):
        return {name for _, name, _, _ in Formatter().parse(value) if name is not None}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set[str]().union(*(_used(part) for part in parts))


class Info(ConfigTable):
    """Where the backend says who it is. Left out: its address is its identity."""

    path: str = Field(description="where it says so")
    version: Expression = Field(default=Expression("version"), description="finds the backend's version")
    identity: Expression = Field(
        default=Expression("id"), description="finds what stays the same for its life"
    )


class RestConfig(AdapterConfig):
    """A registry with a REST API of its own."""

    url: str = Field(description="address of the API; every path is appended to it")
    auth: Literal["none", "bearer", "api_key", "basic", "oauth2"] = Field(
        default="none", description="how requests prove who we are"
    )
    token: SecretStr | None = Field(default=None, description="bearer: the token")
    api_key: SecretStr | None = Field(default=None, description="api_key: the key")
    api_key_header: str = Field(default="X-API-Key", description="api_key: the header that carries it")
    username: str = Field(default="", description="basic: the user")
    password: SecretStr | None = Field(default=None, description="basic: the password")
    token_url: str = Field(default="", description="oauth2: where a token is asked for (client credentials)")
    client_id: str = Field(default="", description="oauth2: the client's id")
    client_secret: SecretStr | None = Field(default=None, description="oauth2: the client's secret")
    scope: str = Field(default="", description="oauth2: the scope that is asked for")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="what notifications are signed with (Standard Webhooks): whsec_ and base64; else none is believed",
    )
    former_webhook_secret: SecretStr | None = Field(
        default=None, description="another one that is believed too, while the secret is being replaced"
    )
    headers: dict[str, str] = Field(default={}, description="further headers, without credentials")
    info: Info | None = Field(default=None, description="where the backend says who it is")
    models: Models = Field(description="how models are listed, read and mapped")
    versions: Versions = Field(description="how versions are listed, read and mapped")
    writes: Writes = Field(default=Writes(), description="the requests that change something")

    @field_validator("webhook_secret", "former_webhook_secret")
    @classmethod
    def _is_standard(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            standard_key(secret.get_secret_value())
        return secret

    @property
    def is_notified(self) -> bool:
        return self.webhook_secret is not None

    @field_validator("url", "token_url")
    @classmethod
    def _web(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
            raise ValueError("must be http:// or https:// and a host, without user or password")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {
            "bearer": ("token",),
            "api_key": ("api_key",),
            "basic": ("username", "password"),
            "oauth2": ("token_url", "client_id", "client_secret"),
        }.get(self.auth, ())
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {" and ".join(missing)}')
        if self.models.incarnation is not None and not self.versions.nested:
            raise ValueError("models.incarnation needs versions that are listed for each model")
        return self
