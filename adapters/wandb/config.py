"""What a registry of Weights & Biases can be configured with."""

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from adapters.contract import WebAddress
from adapters.served import ServiceConfig

CLOUD = "https://api.wandb.ai"
Name = Annotated[str, StringConstraints(pattern=r"^[^/#\x00-\x1f\x7f]{1,128}$")]


class WandbConfig(ServiceConfig):
    """The registries of one organisation."""

    url: WebAddress = Field(default=CLOUD, description="address of the API, or of a server of one's own")
    organization: Name = Field(description="the organisation whose registries are read")
    api_key: SecretStr = Field(description="API key of somebody who may see them")
    registries: tuple[Name, ...] = Field(
        default=(), description="which of them, without wandb-registry- in front; empty: all"
    )

    @property
    def site(self) -> str:
        """Where people look at runs."""
        return "https://wandb.ai" if self.url == CLOUD else self.url
