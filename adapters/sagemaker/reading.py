"""Single things as SageMaker describes them, and what serves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.errors import AdapterError, AuthError, NotFoundError
from adapters.sagemaker.client import Answer, Client
from adapters.sagemaker.identity import Raw
from adapters.sagemaker.mapping import artifacts_of
from adapters.sagemaker.refusals import ForbiddenError


@dataclass(frozen=True)
class Serving:
    """An endpoint and, for each variant, the package ARNs and the model data URIs behind it."""

    endpoint: Raw
    packages: Mapping[str, tuple[str, ...]]
    artifacts: Mapping[str, tuple[str, ...]]


def plain(answer: Answer) -> dict[str, Any]:
    """An answer without what boto3 adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def asked_at(answer: Answer, asked: datetime) -> datetime:
    """When, by the backend's clock, the question was asked; never later than it was. `asked` is by ours."""
    took = datetime.now(UTC) - asked
    try:
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError, TypeError):
        return asked
    # The header is cut to whole seconds.
    return date.astimezone(UTC) - took - timedelta(seconds=1)


def package(client: Client, arn: str, *, tags: bool) -> dict[str, Any]:
    """A package by its ARN, in the shape `Search` gives; a versioned one's AWS tags are one request more."""
    found = plain(client.call("DescribeModelPackage", ModelPackageName=arn))
    if "ModelPackageVersion" in found:
        found.pop("ModelPackageName", None)
    return with_tags(client, found, arn) if tags or "ModelPackageVersion" not in found else found


def group(client: Client, name: str) -> dict[str, Any]:
    """A group by its name, with its AWS tags."""
    found = plain(client.call("DescribeModelPackageGroup", ModelPackageGroupName=name))
    return with_tags(client, found, found["ModelPackageGroupArn"])


def with_tags(client: Client, found: dict[str, Any], arn: str) -> dict[str, Any]:
    """A thing with its AWS tags, where they may be read."""
    what = "tags of packages" if ":model-package/" in arn else "tags of groups"
    try:
        tags = (client.optional(what, "ListTags", ResourceArn=arn) or {}).get("Tags", [])
    except ForbiddenError:
        return found
    return {**found, "Tags": tags} if tags else found


def serving(client: Client, name: str) -> Serving:
    """An endpoint by its name, with what its variants serve."""
    endpoint = plain(client.call("DescribeEndpoint", EndpointName=name))
    packages: dict[str, tuple[str, ...]] = {}
    artifacts: dict[str, tuple[str, ...]] = {}
    for variant in _variants(client, endpoint):
        model = _model(client, variant.get("ModelName"))
        containers = (
            [model["PrimaryContainer"]] if "PrimaryContainer" in model else model.get("Containers", [])
        )
        named = tuple(held["ModelPackageName"] for held in containers if held.get("ModelPackageName"))
        packages[variant["VariantName"]] = named
        unnamed = [held for held in containers if not held.get("ModelPackageName")]
        artifacts[variant["VariantName"]] = artifacts_of({"InferenceSpecification": {"Containers": unnamed}})
    return Serving(endpoint, packages, artifacts)


def _variants(client: Client, endpoint: Raw) -> list[Raw]:
    try:
        config = client.call("DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    except (AuthError, NotFoundError, KeyError):
        # A configuration may be deleted while its endpoint goes on.
        return []
    return list(config.get("ProductionVariants", []))


def _model(client: Client, name: str | None) -> Raw:
    try:
        return client.call("DescribeModel", ModelName=name) if name else {}
    except (AuthError, NotFoundError):
        return {}


def present(found: list[Any]) -> list[Any]:
    """What was found of many: what is gone meanwhile is left out, any other error is raised."""
    for result in found:
        if isinstance(result, AdapterError) and not isinstance(result, NotFoundError):
            raise result
    return [result for result in found if not isinstance(result, AdapterError)]
