"""A ranking team's registry for demonstrations, put into an emulator through boto3.

Everything in it is made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

_BUCKET = "s3://shop-ranking-models"
_IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoGroup:
    """One model package group; `metadata` and `approvals` have one entry for each version, the last is the newest.

    `serves` gives the weight of each version, by number, on an endpoint named after the group.
    """

    name: str
    about: str
    image: str
    approvals: tuple[str, ...]
    metadata: tuple[Mapping[str, str], ...]
    tags: Mapping[str, str]
    serves: Mapping[int, float] = field(default_factory=dict)


OK, NO, LATER = "Approved", "Rejected", "PendingManualApproval"
GROUPS: tuple[DemoGroup, ...] = (
    DemoGroup(
        name="ranker",
        about="Orders the results of a search; reads the encoder of the discovery team.",
        image="xgboost:1.7-1",
        approvals=(NO, OK, OK, OK, OK),
        metadata=(
            {"depends_on": "search/encoder:1"},
            {"depends_on": "search/encoder:2"},
            {"depends_on": "search/encoder:2"},
            {"depends_on": "search/encoder:2"},
            {"depends_on": "search/encoder:3"},
        ),
        tags={"domain": "ranking", "owner": "ranking@shop.example"},
        serves={4: 1.0, 5: 9.0},
    ),
    DemoGroup(
        name="query-intent",
        about="Guesses from the first words what somebody wants to buy.",
        image="huggingface-pytorch-inference:2.1",
        approvals=(OK, LATER),
        metadata=({"depends_on": "search/encoder-small:1"}, {"depends_on": "search/encoder-small:2"}),
        tags={"domain": "queries", "owner": "ranking@shop.example"},
        serves={1: 1.0},
    ),
    DemoGroup(
        name="position-debias",
        about="How much of a click is due to the place of a result on the page.",
        image="sklearn:1.2-1",
        approvals=(OK,),
        metadata=({"dataset": "clicks-2026q2"},),
        tags={"domain": "ranking", "owner": "ranking@shop.example"},
    ),
)


def seed(address: str, region: str = "eu-west-1") -> int:
    """Put the ranking team's models into an empty emulator at this URL; answers how many versions there are then."""
    boto = boto3.client(
        "sagemaker",
        endpoint_url=address,
        region_name=region,
        aws_access_key_id="AKIDTEAM",
        aws_secret_access_key="team-secret",
    )
    try:
        for group in GROUPS:
            _seed_group(boto, group)
    finally:
        boto.close()
    return sum(len(group.approvals) for group in GROUPS)


def _seed_group(boto: Any, group: DemoGroup) -> None:
    boto.create_model_package_group(
        ModelPackageGroupName=group.name,
        ModelPackageGroupDescription=group.about,
        Tags=[{"Key": key, "Value": value} for key, value in group.tags.items()],
    )
    arns = []
    for number, (approval, metadata) in enumerate(zip(group.approvals, group.metadata, strict=True), start=1):
        container = {
            "Image": f"{_IMAGE}/{group.image}",
            "ModelDataUrl": f"{_BUCKET}/{group.name}/{number}.tar.gz",
        }
        made = boto.create_model_package(
            ModelPackageGroupName=group.name,
            ModelPackageDescription=f"Trained in week {10 + 4 * number} of 2026.",
            ModelApprovalStatus=approval,
            CustomerMetadataProperties=dict(metadata),
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
        arns.append(made["ModelPackageArn"])
    if group.serves:
        _serve(boto, group, arns)


def _serve(boto: Any, group: DemoGroup, arns: list[str]) -> None:
    variants = []
    for number, weight in group.serves.items():
        name = f"{group.name}-{number}"
        boto.create_model(
            ModelName=name,
            PrimaryContainer={"ModelPackageName": arns[number - 1]},
            ExecutionRoleArn="arn:aws:iam::123456789012:role/serve",
        )
        variants.append(
            {
                "VariantName": name,
                "ModelName": name,
                "InitialVariantWeight": weight,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        )
    boto.create_endpoint_config(EndpointConfigName=f"{group.name}-live", ProductionVariants=variants)
    boto.create_endpoint(EndpointName=f"{group.name}-live", EndpointConfigName=f"{group.name}-live")
