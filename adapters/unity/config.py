"""What a Unity Catalog can be configured with."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from adapters.contract import WebAddress
from adapters.whole import RoundRobinConfig

Place = Annotated[
    str, StringConstraints(pattern=r"^[^./\x00-\x20\x7f]{1,255}(?:\.[^./\x00-\x20\x7f]{1,255})?$")
]


class UnityConfig(RoundRobinConfig):
    """A metastore, by the address of a workspace or of an open-source server."""

    url: WebAddress = Field(
        description="address of a Databricks workspace, or of an open-source Unity Catalog"
    )
    token: SecretStr | None = Field(default=None, description="access token")
    client_id: str = Field(default="", description="id of a Databricks service principal, instead of a token")
    client_secret: SecretStr | None = Field(default=None, description="its OAuth secret")
    places: tuple[Place, ...] = Field(
        default=(), description="catalogs, or schemas as CATALOG.SCHEMA, whose models are read; empty: all"
    )
    tags: bool = Field(
        default=False,
        description="read and write tags, which only Databricks has, and tells one record at a time: a request more "
        "for each model and for each version",
    )

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if bool(self.client_id) != (self.client_secret is not None):
            raise ValueError("client_id and client_secret belong together")
        if self.client_id and self.token is not None:
            raise ValueError("give a token, or client_id and client_secret, not both")
        return self

    def reads(self, name: str) -> bool:
        """Whether a model of this full name belongs to the registry. Names are told apart by no case."""
        parts = name.casefold().split(".")
        named = {one.casefold() for one in self.places}
        return not named or not named.isdisjoint((parts[0], ".".join(parts[:2])))
