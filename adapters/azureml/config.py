"""What a workspace or registry of Azure ML can be configured with."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from adapters.contract import WebAddress
from adapters.whole import RoundRobinConfig

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._()-]{0,127}$")]


class AzuremlConfig(RoundRobinConfig):
    """One workspace, or one registry."""

    url: WebAddress = Field(
        default="https://management.azure.com", description="address of Azure's resource manager"
    )
    login_url: WebAddress = Field(
        default="https://login.microsoftonline.com",
        description="where tokens are given to a service principal",
    )
    subscription: Name = Field(description="id of the subscription")
    resource_group: Name = Field(description="resource group")
    workspace: Name | None = Field(default=None, description="the workspace whose models are read")
    registry: Name | None = Field(default=None, description="the registry whose models are read, instead")
    tenant: str = Field(default="", description="id of the tenant of the service principal")
    client_id: str = Field(default="", description="id of the service principal")
    client_secret: SecretStr | None = Field(default=None, description="its secret")
    token: SecretStr | None = Field(
        default=None, description="a bearer token, instead of a service principal"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.workspace is None) == (self.registry is None):
            raise ValueError("name a workspace or a registry, one of them")
        principal = (bool(self.tenant), bool(self.client_id), self.client_secret is not None)
        if any(principal) != all(principal) or any(principal) == (self.token is not None):
            raise ValueError("give tenant, client_id and client_secret, or a token")
        return self

    @property
    def path(self) -> str:
        """The resource."""
        kind, name = ("workspaces", self.workspace) if self.workspace else ("registries", self.registry)
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}/providers/"
            f"Microsoft.MachineLearningServices/{kind}/{name}"
        )
