"""Runs in the vendor's own environment: registers, approves and describes a model by SageMaker's SDK, version 3."""

import json
import warnings

warnings.simplefilter("ignore")

from sagemaker.core.resources import ModelPackage, ModelPackageGroup  # noqa: E402 - it warns while it is imported
from sagemaker.core.shapes import (  # noqa: E402
    ContainersItem,
    InferenceSpecification,
)

GROUP = "churn"
METADATA = {"team": "risk"}


def register(number: int) -> str:
    """A version; its ARN. `create` makes it, and then raises KeyError, since versions have no name of their own."""
    container = ContainersItem(image="123.dkr.ecr/x:1", model_data_url=f"s3://models/{number}.tar.gz")
    specification = InferenceSpecification(containers=[container])
    try:
        ModelPackage.create(
            model_package_group_name=GROUP,
            inference_specification=specification,
            model_approval_status="PendingManualApproval",
            customer_metadata_properties=METADATA,
        )
    except KeyError as error:
        assert str(error) == "'ModelPackageName'"
    return max(str(one.model_package_arn) for one in ModelPackage.get_all(model_package_group_name=GROUP))


ModelPackageGroup.create(model_package_group_name=GROUP, model_package_group_description="who leaves")
first, second = register(1), register(2)
ModelPackage.get(first).update(model_approval_status="Approved", approval_description="looked at")
ModelPackage.get(second).update(model_approval_status="Rejected")
told = {}
for arn in (first, second):
    found = ModelPackage.get(arn)
    told[str(found.model_package_version)] = [
        found.model_package_arn, found.model_approval_status, found.customer_metadata_properties,
    ]  # fmt: skip
groups = [str(one.model_package_group_name) for one in ModelPackageGroup.get_all()]
print(json.dumps([groups, told]))
