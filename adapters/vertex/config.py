"""What a Vertex AI registry can be configured with."""

import re
from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from adapters.contract import AdapterConfig

_ADDRESS = re.compile(r"(?:(https?)://)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?/?")


class VertexConfig(AdapterConfig):
    """One project and location. Only `project` and `location` have to be given."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:-]{0,62}$")] = Field(
        description="project id or number"
    )
    location: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = Field(
        description="region, such as us-central1"
    )
    endpoint: str = Field(
        default="",
        description="HOST:PORT of another API endpoint; without TLS on loopback only",
    )
    credentials: SecretStr | None = Field(
        default=None,
        description="JSON key of a service account or authorized user; without it the environment's default",
    )
    quota_per_minute: int = Field(
        default=600, gt=0, le=1_000_000, description="calls this registry may spend in any 60 seconds"
    )
    concurrency: int = Field(default=16, gt=0, le=128, description="calls in flight at once during a scan")
    sweep_every: float = Field(
        default=300.0,
        ge=0,
        description="seconds until an incremental scan reads all versions again; 0 = each time",
    )
    evaluations: bool = Field(
        default=True, description="read evaluations as metrics: one more call for each version"
    )
    evaluations_every: float = Field(
        default=3600.0,
        ge=0,
        description="seconds an incremental scan trusts evaluations of a version that did not change",
    )
    serving_container: str = Field(
        default="", description="image URI given to registered versions; without it the default version's"
    )
    push_audience: str | None = Field(
        default=None,
        min_length=1,
        description="audience in the tokens of the Pub/Sub subscription that pushes the audit log, with push_account",
    )
    push_account: str | None = Field(
        default=None,
        pattern=r"^[^@ ]+@[^@ ]+$",
        description="service account that the subscription's tokens are of; without both none is believed",
    )
    operation_timeout: float = Field(
        default=300.0, gt=0, le=7200, description="seconds an upload or a delete may take on the service"
    )

    @field_validator("endpoint")
    @classmethod
    def _plaintext_on_loopback_only(cls, endpoint: str) -> str:
        if endpoint:
            scheme, host, _ = split_endpoint(endpoint)
            if scheme == "http" and not is_loopback(host):
                raise ValueError(
                    "endpoint without TLS is allowed on loopback only: use https:// or no scheme"
                )
        return endpoint

    @model_validator(mode="after")
    def _pushed_whole(self) -> Self:
        if (self.push_audience is None) != (self.push_account is None):
            raise ValueError("give push_audience and push_account together")
        return self

    @property
    def is_notified(self) -> bool:
        return self.push_account is not None

    @property
    def call_timeout(self) -> float:
        """A write waits for an operation of the service's own."""
        return max(super().call_timeout, self.operation_timeout + 2 * self.timeout)

    @property
    def parent(self) -> str:
        """`projects/PROJECT/locations/LOCATION`."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def address(self) -> tuple[str, int, bool]:
        """Host, port, and whether to use TLS."""
        if not self.endpoint:
            prefix = "" if self.location == "global" else f"{self.location}-"
            return f"{prefix}aiplatform.googleapis.com", 443, True
        scheme, host, port = split_endpoint(self.endpoint)
        tls = scheme == "https" or (not scheme and not is_loopback(host))
        return host, port or (443 if tls else 80), tls


def split_endpoint(endpoint: str) -> tuple[str, str, int]:
    """Scheme (`""` without one), host and port (0 without one). Raises ValueError for anything else."""
    found = _ADDRESS.fullmatch(endpoint)
    if found is None or int(found[3] or 0) > 65535:
        raise ValueError("endpoint is HOST, HOST:PORT or a URL without a path")
    return found[1] or "", found[2].strip("[]"), int(found[3] or 0)


def is_loopback(host: str) -> bool:
    """Whether this host is this machine by its own name: `localhost` or a loopback address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
