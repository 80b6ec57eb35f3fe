"""The configuration of a REST registry: where it is, how it pages, what its answers mean, how it is written to."""

from string import Formatter
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from adapters.contract import QUIET_FIELDS
from adapters.notifications import standard_key
from adapters.rest.expressions import Expression
from adapters.rest.presets import with_preset
from adapters.served import ServiceConfig

TEXTS = ("title", "type", "description", "owner", "license", "etag", "url")
MODEL_FIELDS = frozenset({"name", "tags", "aliases", "created_at", "updated_at", *TEXTS})
LINEAGE = ("run_id", "run_url", "commit", "repository", "pipeline", "datasets", "parents", "dependencies")
VERSION_FIELDS = frozenset(
    {
        "version", "description", "state", "stage", "approval", "lifecycle", "tags", "metrics", "params", "framework",
        "license", "owner", "creator", "schema", "artifact_uri", "artifact_digest", "created_at", "updated_at", "etag",
        "url", *LINEAGE,
    }
)  # fmt: skip
ENDPOINT_FIELDS = frozenset({"name", "state", "live", "traffic", "created_at", "updated_at", "etag", "url"})
COUNTED = ("offset", "page")
"""Styles of paging in which a record's place is a number, so that one can be passed over."""
TIMES = ("epoch_ms", "epoch_s", "iso")
CREDENTIALS = frozenset({"api_key", "client_id", "client_secret", "password", "scope", "username"})
"""What a form that asks for a token may name."""
SHOWN = frozenset({"model", "version", "model_id", "id", "artifact_uri", "url"})
"""What a snippet may name."""


class ConfigTable(BaseModel):
    """A table inside the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Paging(ConfigTable):
    """How a listing is paged.

    `cursor`: `next` finds the cursor of the next page, sent as `param`. `next_url`: `next` finds its URL.
    `link`: it is in the header `Link`, rel="next". `offset` and `page`: `param` counts records or pages;
    the last page is the one with fewer records than `size_value`, unless the answer states their `total`.
    `single`: there is one page.
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
    total: Expression | None = Field(
        default=None,
        description="offset, page: finds how many records there are in all, so a last page may be full",
    )
    end_status: int | None = Field(
        default=None,
        ge=400,
        le=499,
        description="offset, page: the status of a page behind the last, such as 404",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.style in ("cursor", "offset", "page") and not self.param:
            raise ValueError(f"style = {self.style!r} needs `param`, the query parameter that carries it")
        if self.style in ("cursor", "next_url") and self.next is None:
            raise ValueError(f"style = {self.style!r} needs `next`, where the answer says how to go on")
        if self.style not in COUNTED and not (self.total is None and self.end_status is None):
            raise ValueError('only style = "offset" and "page" end by `total` or `end_status`')
        return self

    @property
    def overlaps(self) -> bool:
        """Whether a page can begin at any row, and so with the last one of the page before."""
        return self.style == "offset" or (self.style == "page" and bool(self.size))


class Since(ConfigTable):
    """How to ask for what changed: a query parameter that takes a time, by the backend's own clock."""

    param: str = Field(description="the query parameter that takes the time")
    format: str = Field(
        default="iso", description="how it is written: epoch_ms, epoch_s, iso, or as %Y-%m-%d %H:%M:%S (UTC)"
    )
    text: str = Field(default="{time}", description="what the parameter says, as gt:{time}")
    overlap: float = Field(
        default=5.0, ge=1.0, description="seconds asked for again, for what was written meanwhile"
    )

    @field_validator("format")
    @classmethod
    def _is_format(cls, value: str) -> str:
        if value not in TIMES and "%" not in value:
            raise ValueError(f"{value!r} is none of {', '.join(TIMES)}, and no pattern as %Y-%m-%d %H:%M:%S")
        return value

    @field_validator("text")
    @classmethod
    def _has_time(cls, value: str) -> str:
        if _used(value) != {"time"}:
            raise ValueError("the text around the time holds {time} and no other name")
        return value


class Paged(ConfigTable):
    """Something that is listed page by page."""

    path: str = Field(description="where they are listed")
    items: Expression = Field(default=Expression("@"), description="finds the list in a page")
    query: dict[str, str] = Field(default={}, description="further query parameters of the listing")
    page: Paging = Field(default=Paging(), description="how the listing is paged")

    @field_validator("path", "one", check_fields=False)
    @classmethod
    def _rooted(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("paths start with / and are appended to `url`")
        return value


class Related(Paged):
    """A further listing whose rows belong to versions, asked for many of them at once.

    What it gives for a version, the fields of versions find in `_related.NAME`, a list.
    """

    version: Expression = Field(description="finds in a row the id of the version it belongs to")
    param: str = Field(description="the query parameter that takes the ids of versions")
    text: str = Field(
        default="{ids}", description="what it says: {ids} separated by commas, or {json}, a list as JSON"
    )

    @field_validator("text")
    @classmethod
    def _has_ids(cls, value: str) -> str:
        if len(_used(value) & {"ids", "json"}) != 1 or len(_used(value)) != 1:
            raise ValueError("the text around the ids holds {ids} or {json} and no other name")
        return value


class Collection(Paged):
    """One kind of record: where it is listed, where one is read, and what its fields are.

    `id` finds what `{id}` stands for in paths. Where an id can be used again after a deletion, `incarnation`
    finds what tells the two apart, such as the time of creation.
    """

    one: str = Field(description="where one is read; holds {id}, a version's may hold {model} too")
    item: Expression = Field(default=Expression("@"), description="finds the record where one is read")
    id: Expression = Field(default=Expression("id"), description="finds what {id} stands for")
    incarnation: Expression | None = Field(
        default=None, description="finds what tells an id used again from the one before, as its creation"
    )
    since: Since | None = Field(
        default=None, description="how to ask for what changed; left out: all is listed"
    )
    fields: dict[str, Expression] = Field(description="finds each field of the record: name = expression")
    sample: dict[str, Any] = Field(
        default={}, description="a record as the backend gives it; the mapping is tried on it at the start"
    )


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
    related: dict[str, Related] = Field(
        default={}, description="further listings whose rows belong to versions, such as their runs"
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


class Endpoints(Collection):
    """What serves. `traffic` finds a list of {model, version, percent}: the ids of a version and of its model."""

    @field_validator("fields")
    @classmethod
    def _known(cls, value: dict[str, Expression]) -> dict[str, Expression]:
        return _checked(value, ENDPOINT_FIELDS, "name")


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
    `added_labels` and `removed_labels` are tags as texts, NAME=VALUE or NAME: what `labels(…)` reads.
    """

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="the method")
    path: str = Field(description="where it goes; may hold names in braces")
    body: Any = Field(default=None, description="what is sent, as JSON; may hold names in braces")
    if_match: bool = Field(default=False, description="send the record's etag as If-Match")
    values: tuple[str, ...] = Field(default=(), description="what {value} may be; left out: anything")
    right: str = Field(default="", description="what `info.rights` must list for this to be allowed")

    @property
    def sends_labels(self) -> bool:
        """Whether tags are sent as texts, those to be added and those to be removed."""
        return not _used([self.path, self.body]).isdisjoint({"added_labels", "removed_labels"})


NAMES: dict[str, frozenset[str]] = {
    "set_stage": frozenset({"id", "model", "version", "value"}),
    "set_alias": frozenset({"id", "alias", "version", "aliases"}),
    "remove_alias": frozenset({"id", "alias", "aliases"}),
    "set_tags": frozenset({"id", "model", "version", "tags", "changes", "added_labels", "removed_labels"}),
    "set_model_tags": frozenset({"id", "tags", "changes", "added_labels", "removed_labels"}),
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
    rights: Expression | None = Field(
        default=None,
        description="finds the list of what this credential may do, which writes name as `right`",
    )


class Template(ConfigTable):
    """How a user loads a version. Its names in braces are replaced by values, quoted for its language.

    `{model}`, `{version}`, `{artifact_uri}`, `{url}` of the registry; `{model_id}` and `{id}` are those of paths. In
    `curl`, what is no address itself is percent-encoded.
    Left out for a version that has not all of them.
    """

    title: str = Field(description="what it does")
    language: Literal["python", "shell", "curl"] = Field(
        default="python", description="what it is written in"
    )
    code: str = Field(description="the lines, without quotes around the names")


class RestConfig(ServiceConfig):
    """A registry with a REST API of its own."""

    preset: str = Field(
        default="",
        description="a description that comes with Waypost; what stands beside it here comes first",
    )
    url: str = Field(description="address of the API; every path is appended to it")
    auth: Literal["none", "bearer", "api_key", "basic", "oauth2"] = Field(
        default="none", description="how requests prove who we are"
    )
    token: SecretStr | None = Field(default=None, description="bearer: the token")
    api_key: SecretStr | None = Field(default=None, description="api_key: the key")
    api_key_header: str = Field(default="X-API-Key", description="api_key: the header that carries it")
    username: str = Field(default="", description="basic: the user")
    password: SecretStr | None = Field(default=None, description="basic: the password")
    token_url: str = Field(
        default="",
        description="oauth2: where a token is asked for (client credentials); / for a path below `url`",
    )
    token_form: dict[str, str] = Field(
        default={},
        description="oauth2: another form to ask with; may hold {api_key}, {username}, {password} …",
    )
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
    endpoints: Endpoints | None = Field(
        default=None, description="how what serves is listed, read and mapped"
    )
    writes: Writes = Field(default=Writes(), description="the requests that change something")
    snippets: tuple[Template, ...] = Field(default=(), description="how a user loads a version")
    quiet: frozenset[str] = Field(
        default=frozenset(),
        description="fields of a record whose changes `since` may not tell, such as aliases",
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        return with_preset(given) if isinstance(given, dict) and given.get("preset") else given

    @field_validator("quiet")
    @classmethod
    def _are_fields(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(value - QUIET_FIELDS):
            raise ValueError(f"no such field: {', '.join(unknown)}")
        return value

    @field_validator("webhook_secret", "former_webhook_secret")
    @classmethod
    def _is_standard(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            standard_key(secret.get_secret_value())
        return secret

    @property
    def is_notified(self) -> bool:
        return self.webhook_secret is not None

    @field_validator("token_form")
    @classmethod
    def _is_form(cls, form: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(_used(form) - CREDENTIALS):
            raise ValueError(f"there is no {{{unknown[0]}}}: there are {', '.join(sorted(CREDENTIALS))}")
        return form

    @field_validator("url", "token_url")
    @classmethod
    def _web(cls, value: str, info: ValidationInfo) -> str:
        if info.field_name == "token_url" and value.startswith("/"):
            return value
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
            raise ValueError("must be http:// or https:// and a host, without user or password")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        asked = sorted(_used(self.token_form)) if self.token_form else ("client_id", "client_secret")
        needed = {
            "bearer": ("token",),
            "api_key": ("api_key",),
            "basic": ("username", "password"),
            "oauth2": ("token_url", *asked),
        }.get(self.auth, ())
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {" and ".join(missing)}')
        if self.models.incarnation is not None and not self.versions.nested:
            raise ValueError("models.incarnation needs versions that are listed for each model")
        if self.endpoints and (self.models.incarnation or self.versions.incarnation):
            raise ValueError("endpoints name versions by ids, which must not be used again: no `incarnation`")
        return self

    @property
    def collections(self) -> tuple[Collection, ...]:
        """Every kind of record that is listed."""
        return (self.models, self.versions, *((self.endpoints,) if self.endpoints else ()))
