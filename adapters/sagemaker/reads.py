"""Single things as SageMaker describes them."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.errors import AdapterError, NotFoundError
from adapters.sagemaker.client import Answer, SageMakerClient
from adapters.sagemaker.failures import ForbiddenError


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


def package(client: SageMakerClient, arn: str, *, tags: bool, need_tags: bool = False) -> dict[str, Any]:
    """A package by its ARN, in the shape `Search` gives; a versioned one's AWS tags are one request more. Errors:
    ForbiddenError where tags are needed and may not be read.
    """
    found = plain(client.call("DescribeModelPackage", ModelPackageName=arn))
    if "ModelPackageVersion" in found:
        found.pop("ModelPackageName", None)
    if not tags and "ModelPackageVersion" in found:
        return found
    return with_tags(client, found, arn, need_tags=need_tags)


def group(client: SageMakerClient, name: str, *, need_tags: bool = False) -> dict[str, Any]:
    """A group by its name, with its AWS tags. Errors: ForbiddenError where those are needed and may not be read."""
    found = plain(client.call("DescribeModelPackageGroup", ModelPackageGroupName=name))
    return with_tags(client, found, found["ModelPackageGroupArn"], need_tags=need_tags)


def with_tags(
    client: SageMakerClient, found: dict[str, Any], arn: str, *, need_tags: bool = False
) -> dict[str, Any]:
    """A thing with its AWS tags, where they may be read. Errors: ForbiddenError where they are needed."""
    what = "tags of packages" if ":model-package/" in arn else "tags of groups"
    try:
        tags = (client.optional(what, "ListTags", ResourceArn=arn) or {}).get("Tags", [])
    except ForbiddenError:
        if need_tags:
            raise
        return found
    return {**found, "Tags": tags} if tags else found


def present(found: list[Any]) -> list[Any]:
    """What was found of many: what is gone meanwhile is left out, any other error is raised."""
    for result in found:
        if isinstance(result, AdapterError) and not isinstance(result, NotFoundError):
            raise result
    return [result for result in found if not isinstance(result, AdapterError)]
