"""What another Waypost can be configured with."""

from pathlib import Path

from pydantic import Field, SecretStr

from adapters.contract import AdapterConfig, WebAddress


class WaypostConfig(AdapterConfig):
    """One gateway."""

    url: WebAddress = Field(description="address of the other gateway, without /api")
    token: SecretStr | None = Field(
        default=None, description="a token of it with the role `viewer`; what that sees is read"
    )
    registries: tuple[str, ...] = Field(
        default=(), description="which of its registries are read; empty: all that the token sees"
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of the gateway (PEM)")
