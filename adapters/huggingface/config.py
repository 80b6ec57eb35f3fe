"""What a registry on the Hugging Face Hub can be configured with."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from adapters.contract import WebAddress
from adapters.served import Concurrency, ServiceConfig

HUB = "https://huggingface.co"
Author = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
RepositoryName = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$")
]


class HuggingFaceConfig(ServiceConfig):
    """Some organisations, users and repositories of a Hub."""

    url: WebAddress = Field(default=HUB, description="address of the Hub")
    token: SecretStr | None = Field(
        default=None,
        description="access token; without one, only what is public is seen, and no deletion can be proved",
    )
    authors: tuple[Author, ...] = Field(
        default=(),
        description="organisations and users whose models are read; on a Hub of one's own, without repositories: all",
    )
    repositories: tuple[RepositoryName, ...] = Field(
        default=(), description="further models, as ORGANISATION/NAME: one request each"
    )
    concurrency: Concurrency = 8
    quota_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of what the Hub lets the token ask in a window that scans spend; the rest is left to others",
    )
    settle: float = Field(
        default=900.0,
        ge=0,
        description="seconds after its last commit for which each scan reads a repository's tags: they follow it",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=8,
        description="what webhooks show in X-Webhook-Secret; without it none is believed",
    )
    former_webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=8,
        description="another one that is believed too, while the secret is being replaced",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.url == HUB and not self.authors and not self.repositories:
            raise ValueError("name authors or repositories: nobody reads the whole Hub")
        return self

    @property
    def is_notified(self) -> bool:
        return self.webhook_secret is not None

    def reads(self, name: str) -> bool:
        """Whether a repository of this name belongs to the registry. The Hub does not tell cases apart."""
        if not self.authors and not self.repositories:
            return True
        named = {one.casefold() for one in (*self.authors, *self.repositories)}
        return not named.isdisjoint((name.casefold(), name.casefold().partition("/")[0]))
