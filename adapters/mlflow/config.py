"""How an MLflow registry is configured."""

from pydantic import Field, SecretStr, model_validator

from adapters.contract import WebAddress
from adapters.served import ServiceConfig


class MlflowConfig(ServiceConfig):
    """One MLflow tracking server, or one workspace of it.

    Credentials are none, `username` and `password` (basic), or `token` (bearer).
    """

    url: WebAddress = Field(description="address of the MLflow server, for example http://127.0.0.1:5000")
    username: str | None = Field(
        default=None, description="for basic authentication, together with `password`"
    )
    password: SecretStr | None = Field(default=None, description="for basic authentication, with `username`")
    token: SecretStr | None = Field(default=None, description="for bearer authentication")
    webhook_secret: SecretStr | None = Field(
        default=None, description="what MLflow signs its webhooks with; without it none is believed"
    )
    former_webhook_secret: SecretStr | None = Field(
        default=None, description="another one that is believed too, while the secret is being replaced"
    )
    workspace: str | None = Field(
        default=None, pattern=r"^[!-~]{1,255}$", description="MLflow workspace; empty: the server's default"
    )
    verify: bool = Field(default=True, description="check the server's certificate")
    model_page: int = Field(default=1000, ge=1, le=1000, description="models asked for in one request")
    version_page: int = Field(default=1500, ge=1, le=200_000, description="versions asked for in one request")
    overlap: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="seconds before the newest change seen that an incremental scan looks at again",
    )

    @model_validator(mode="after")
    def _has_one_kind_of_credential(self) -> "MlflowConfig":
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` go together")
        if self.token is not None and self.username is not None:
            raise ValueError("give either `token`, or `username` and `password`")
        return self

    @property
    def is_notified(self) -> bool:
        return self.webhook_secret is not None
