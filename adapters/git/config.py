"""The configuration of a git registry: where the repository is, who we are there, how much of it is read."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from adapters.served import ServiceConfig

_SCP = re.compile(r"(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!//)[^\s:].*")
"""`user@host:path`, as git's own command takes it."""


class GitConfig(ServiceConfig):
    """A git repository, hosted or on a path."""

    url: str = Field(description="https://…, http://…, ssh://…, user@host:path, or an absolute path")
    username: str = Field(default="git", description="http(s): the user that goes with the token")
    token: SecretStr | None = Field(default=None, description="http(s): an access token, or the password")
    ssh_key: Path | None = Field(default=None, description="ssh: the file with the private key")
    verify: bool = Field(default=True, description="https: check the server's certificate")
    page: str = Field(
        default="",
        description="address of a tag's page, with {tag} in it; known for GitHub, GitLab, Bitbucket",
    )
    author: str = Field(default="Waypost", description="who tags are made by")
    author_email: str = Field(default="waypost@localhost", description="the e-mail address of the author")
    max_file_kb: int = Field(
        default=64, ge=1, le=1024, description="largest file that is read of a commit, in KiB"
    )
    max_repository_mb: int = Field(
        default=512, ge=1, le=1 << 16, description="largest part of the repository that is fetched, in MiB"
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        parts = urlsplit(value)
        hosted = parts.scheme in ("http", "https", "ssh") and parts.hostname and not parts.password
        if parts.username and parts.scheme != "ssh":
            raise ValueError("must not hold a user or password: use `username` and `token`")
        if not (hosted or value.startswith("/") or (not parts.netloc and _SCP.fullmatch(value))):
            raise ValueError("must be http(s)://…, ssh://…, user@host:path, or an absolute path")
        return value.rstrip("/") or value

    @field_validator("author", "author_email")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.strip() or re.search(r"[<>\n\0]", value):
            raise ValueError("must be one line without < and >")
        return value.strip()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.is_web and (self.token or self.allowed_networks):
            raise ValueError("`token` and `allowed_networks` are for http(s): a path or ssh takes neither")
        return self

    @property
    def is_web(self) -> bool:
        """Whether it is asked over http or https."""
        return self.url.startswith(("http://", "https://"))

    @property
    def remote(self) -> str:
        """The address that git is given."""
        return f"file://{quote(self.url)}" if self.url.startswith("/") else self.url

    @property
    def protocol(self) -> str:
        """The one protocol that git may speak."""
        return urlsplit(self.remote).scheme if "://" in self.remote else "ssh"

    @property
    def web(self) -> str | None:
        """The address at which people look at the repository, as far as it can be told."""
        if self.protocol == "file":
            return None
        parts = urlsplit(self.url if "://" in self.url else f"ssh://{self.url.replace(':', '/', 1)}")
        place = f"{parts.hostname}:{parts.port}" if self.is_web and parts.port else parts.hostname
        scheme = parts.scheme if self.is_web else "https"
        return f"{scheme}://{place}{parts.path.removesuffix('.git')}"

    def page_of(self, tag: str) -> str | None:
        """The page of a tag on its host; that of the repository where the host is not known."""
        host = urlsplit(self.web or "").hostname or ""
        by_host = {"github": "/tree/", "gitlab": "/-/tree/", "bitbucket": "/src/"}
        steps = next((step for name, step in by_host.items() if name in host), None)
        if self.page:
            return self.page.replace("{tag}", quote(tag, safe=""))
        return f"{self.web}{steps}{quote(tag)}" if steps else self.web
