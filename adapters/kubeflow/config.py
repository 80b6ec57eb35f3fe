"""What a registry of Kubeflow's can be configured with."""

from pathlib import Path

from pydantic import Field, SecretStr

from adapters.contract import WebAddress
from adapters.served import Concurrency, ServiceConfig


class KubeflowConfig(ServiceConfig):
    """One server of Kubeflow's model registry."""

    url: WebAddress = Field(description="address of the registry, without /api")
    token: SecretStr | None = Field(default=None, description="bearer token, where the registry wants one")
    token_file: Path | None = Field(
        default=None,
        description="file with a token that is replaced from time to time, such as a service account's; read anew "
        "for each request",
    )
    concurrency: Concurrency = 8
    settle: float = Field(
        default=900.0,
        ge=0,
        description="seconds for which each scan reads a version again that has changed: its artifacts follow it",
    )
