"""What another Waypost can be configured with."""

from pydantic import Field, SecretStr

from adapters.contract import WebAddress
from adapters.served import ServiceConfig


class WaypostConfig(ServiceConfig):
    """One gateway."""

    url: WebAddress = Field(description="address of the other gateway, without /api")
    token: SecretStr | None = Field(
        default=None, description="a token of it with the role `viewer`; what that sees is read"
    )
    registries: tuple[str, ...] = Field(
        default=(), description="which of its registries are read; empty: all that the token sees"
    )
