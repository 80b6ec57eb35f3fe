"""What an OCI registry can be configured with."""

from fnmatch import fnmatchcase
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from adapters.contract import WebAddress
from adapters.served import ServiceConfig

_CALLED = {"registry-1.docker.io": "docker.io", "index.docker.io": "docker.io"}
"""What users call a host, where it is not its address."""
_PAGES = {
    "docker.io": "https://hub.docker.com/r/{repository}/tags?name={version}",
    "quay.io": "https://quay.io/repository/{repository}/manifest/{digest}",
    "ghcr.io": "https://ghcr.io/{repository}@{digest}",
}
"""Where those hosts show a version."""


class OciConfig(ServiceConfig):
    """One registry, or the repositories of it that are named. Only `url` has to be given."""

    url: WebAddress = Field(description="address of the registry, without /v2")
    repositories: tuple[str, ...] = Field(
        default=(),
        description="repositories that are read, or patterns of the catalogue's such as models/*; empty: all of them",
    )
    username: str = Field(default="", description="the user, with `password`; without both nobody signs in")
    password: SecretStr | None = Field(default=None, description="the user's password or access token")
    token: SecretStr | None = Field(default=None, description="a bearer token that is sent as it is, instead")
    token_hosts: tuple[str, ...] = Field(
        default=(),
        description="other hosts that may be asked for a token with the password; the registry's own always may",
    )
    blob_hosts: tuple[str, ...] = Field(
        default=(),
        description="hosts that blobs may be fetched from without credentials, where the registry keeps them "
        "elsewhere; *.example.com is all below",
    )
    page: str = Field(
        default="",
        description="address of a version's page, with {repository}, {digest} and {version}; of Docker Hub, Quay and "
        "GitHub it is known",
    )
    concurrency: int = Field(default=8, gt=0, le=64, description="requests in flight at once")

    @field_validator("url")
    @classmethod
    def _without_v2(cls, value: str) -> str:
        return value.removesuffix("/v2")

    @field_validator("page")
    @classmethod
    def _filled(cls, value: str) -> str:
        try:
            made = value.format(repository="r", digest="d", version="v")
        except (LookupError, ValueError):
            raise ValueError("may hold {repository}, {digest} and {version}, and no other braces") from None
        if made and urlsplit(made).scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.username) != (self.password is not None) or (self.username and self.token is not None):
            raise ValueError("give `username` and `password` together, or `token`, or none of them")
        return self

    @property
    def host(self) -> str:
        """What references of its users begin with: host, port where it has one, and path."""
        parts = urlsplit(self.url)
        return _CALLED.get(parts.netloc, parts.netloc) + parts.path

    def page_of(self, **named: str) -> str | None:
        """Where a version is shown to people, where that is known."""
        return (self.page or _PAGES.get(self.host, "")).format(**named) or None

    @property
    def needs_catalogue(self) -> bool:
        """Whether the repositories are not all named."""
        return not self.repositories or any("*" in one for one in self.repositories)

    def wants(self, repository: str) -> bool:
        """Whether a repository of the catalogue is to be read."""
        return not self.repositories or any(fnmatchcase(repository, one) for one in self.repositories)


def is_among(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is one of these; `*.example.com` is all below example.com."""
    return any(
        host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in map(str.lower, allowed)
    )
