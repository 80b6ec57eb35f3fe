"""boto3 as a team uses it, and whole scans."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from adapters import (
    Adapter,
    BadRecordError,
    Deleted,
    EndpointRecord,
    Key,
    Listing,
    ModelRecord,
    Record,
    VersionRecord,
    Watermark,
)
from adapters.sagemaker import SageMakerConfig

REGION = "eu-west-1"


def client(url: str, service: str = "sagemaker", **settings: Any) -> Any:
    """The vendor's own client."""
    keys = {"aws_access_key_id": "AKIDTEAM", "aws_secret_access_key": "team-secret"}
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=url, region_name=REGION, config=once, **{**keys, **settings})


def config(url: str, **settings: Any) -> SageMakerConfig:
    """A registry on this address that tries once and gives up after 5 s."""
    known = {
        "region": REGION,
        "endpoint_url": url,
        "access_key_id": "AKIDWAYPOST",
        "secret_access_key": "waypost-secret",
        "attempts": 1,
        "timeout": 5,
        "overlap": 0,
    }
    return SageMakerConfig.model_validate({**known, **settings})


def inference(*artifacts: str, **more: Any) -> dict[str, Any]:
    """An inference specification with one container for each artifact."""
    containers = [
        {"Image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1", "ModelDataUrl": uri}
        for uri in artifacts
    ]
    containers[0].update(more)
    return {
        "Containers": containers,
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }


def package(boto: Any, group: str, artifact: str = "s3://models/model.tar.gz", **more: Any) -> str:
    """A version in a group, which is made where it is missing; its ARN."""
    names = {
        found["ModelPackageGroupName"]
        for found in boto.list_model_package_groups(MaxResults=100)["ModelPackageGroupSummaryList"]
    }
    if group not in names:
        boto.create_model_package_group(ModelPackageGroupName=group)
    params = {"ModelPackageGroupName": group, "InferenceSpecification": inference(artifact), **more}
    return str(boto.create_model_package(**params)["ModelPackageArn"])


def deploy(boto: Any, endpoint: str, **weights: tuple[str, float]) -> None:
    """An endpoint whose variants, by name, each serve a package ARN (or, for s3://, model data) with a weight."""
    variants = []
    for name, (what, weight) in weights.items():
        container = (
            {"Image": "serve:1", "ModelDataUrl": what}
            if what.startswith("s3:")
            else {"ModelPackageName": what}
        )
        boto.create_model(
            ModelName=f"{endpoint}-{name}",
            PrimaryContainer=container,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/serve",
        )
        variants.append(
            {
                "VariantName": name,
                "ModelName": f"{endpoint}-{name}",
                "InitialVariantWeight": weight,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        )
    boto.create_endpoint_config(EndpointConfigName=f"{endpoint}-config", ProductionVariants=variants)
    boto.create_endpoint(EndpointName=endpoint, EndpointConfigName=f"{endpoint}-config")


@dataclass
class Scanned:
    """A whole scan: everything it gave, in order."""

    items: list[Record | Deleted] = field(default_factory=list)
    bad: list[BadRecordError] = field(default_factory=list)
    watermark: Watermark | None = None
    listed: tuple[Listing, ...] = ()
    pages: int = 0

    @property
    def records(self) -> dict[Key, Record]:
        return {item.key: item for item in self.items if not isinstance(item, Deleted)}

    @property
    def deleted(self) -> set[Key]:
        return {item.key for item in self.items if isinstance(item, Deleted)}

    def models(self) -> dict[str, ModelRecord]:
        return {record.name: record for record in self.records.values() if isinstance(record, ModelRecord)}

    def versions(self) -> dict[str, VersionRecord]:
        """By `name:version`."""
        names = {
            record.key: record.name for record in self.records.values() if isinstance(record, ModelRecord)
        }
        found = (record for record in self.records.values() if isinstance(record, VersionRecord))
        return {
            f"{names.get(record.model, record.model.native_id)}:{record.version}": record for record in found
        }

    def endpoints(self) -> dict[str, EndpointRecord]:
        return {record.name: record for record in self.records.values() if isinstance(record, EndpointRecord)}


def scan(adapter: Adapter, since: Watermark | None = None, limit: int = 1000) -> Scanned:
    """All pages of a scan."""
    found = Scanned()
    for page in adapter.scan(since=since, limit=limit):
        assert len(page.records) <= limit
        found.items += page.records
        found.bad += page.bad
        found.pages += 1
        found.listed += page.listed
        found.watermark = page.watermark
    return found
