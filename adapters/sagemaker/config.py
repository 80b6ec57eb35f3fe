"""How a SageMaker registry is configured: one AWS account in one region."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from adapters.contract import AdapterConfig

_URL = r"^https?://[^\s@/]+(/[^\s]*)?$"


class SageMakerConfig(AdapterConfig):
    """Region and credentials. Without keys and profile, boto3's own search for credentials applies."""

    region: str = Field(pattern=r"^[a-z]{2}[a-z0-9-]{1,30}$", description="AWS region, such as eu-west-1")
    endpoint_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="another address of the SageMaker API: a VPC endpoint, an emulator",
    )
    sts_endpoint_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="another address of STS; an endpoint_url outside of AWS is asked for STS as well",
    )
    profile: str | None = Field(
        default=None, min_length=1, description="profile in the AWS configuration files"
    )
    access_key_id: SecretStr | None = Field(default=None, description="access key, with secret_access_key")
    secret_access_key: SecretStr | None = Field(
        default=None, description="secret that belongs to the access key"
    )
    session_token: SecretStr | None = Field(default=None, description="token of a temporary access key")
    role_arn: str | None = Field(
        default=None, pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/\S+$", description="role to assume with them"
    )
    external_id: SecretStr | None = Field(
        default=None, description="external id the role's trust policy wants"
    )
    topic_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
        description="SNS topic to which EventBridge hands SageMaker's events; without it none is believed",
    )
    threads: int = Field(default=16, ge=1, le=64, description="requests that run at the same time")
    attempts: int = Field(default=5, ge=1, le=20, description="tries of one request, the first included")
    overlap: int = Field(
        default=300, ge=0, le=86400, description="seconds an incremental scan looks back behind the last one"
    )
    lineage: bool = Field(default=True, description="ask for the lineage of packages that have some")

    @field_validator("endpoint_url", "sts_endpoint_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("give access_key_id and secret_access_key together")
        if self.profile and self.access_key_id:
            raise ValueError("give a profile or an access key, not both")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token belongs to an access_key_id")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id belongs to a role_arn")
        return self

    @property
    def is_notified(self) -> bool:
        return self.topic_arn is not None

    def address_of(self, service: str) -> str | None:
        """Where a service is asked; None is the region's own. What is no AWS is asked for every service."""
        if service == "sagemaker":
            return self.endpoint_url
        if service == "sts" and self.sts_endpoint_url:
            return self.sts_endpoint_url
        host = urlsplit(self.endpoint_url or "").hostname or "amazonaws.com"
        is_aws = f".{host}".endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
        return None if is_aws else self.endpoint_url
