"""Model package groups, model packages and tags."""

import re
from typing import Any

from adapters.emulators.sagemaker.account import (
    Account,
    ApiCall,
    ServiceError,
    Value,
    created_between,
    page_of,
)

_KEPT_ON_CREATE = (
    "ModelPackageDescription",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
    "ValidationSpecification",
    "SourceAlgorithmSpecification",
    "CertifyForMarketplace",
    "ModelApprovalStatus",
    "MetadataProperties",
    "ModelMetrics",
    "Domain",
    "Task",
    "SamplePayloadUrl",
    "CustomerMetadataProperties",
    "DriftCheckBaselines",
    "AdditionalInferenceSpecifications",
    "SkipModelValidation",
    "SourceUri",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
)
_CHANGED_BY_UPDATE = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelLifeCycle",
)
_SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)
_BATCH_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)
METADATA_LIMIT = 50


def create_group(account: Account, call: ApiCall) -> Value:
    """`CreateModelPackageGroup`."""
    arn = account.arn("model-package-group", call.params["ModelPackageGroupName"])
    if arn in account.groups:
        raise ServiceError("ValidationException", f"Model Package Group already exists: {arn}")
    account.groups[arn] = {
        **_chosen(
            call.params, ("ModelPackageGroupName", "ModelPackageGroupDescription", "ManagedConfiguration")
        ),
        "ModelPackageGroupArn": arn,
        "CreationTime": account.tick(),
        "CreatedBy": account.actor(call.access_key),
        "ModelPackageGroupStatus": "Completed",
    }
    account.tag(arn, call.params.get("Tags", []))
    return {"ModelPackageGroupArn": arn}


def describe_group(account: Account, call: ApiCall) -> Value:
    """`DescribeModelPackageGroup`."""
    return _group(account, call.params["ModelPackageGroupName"])


def list_groups(account: Account, call: ApiCall) -> Value:
    """`ListModelPackageGroups`."""
    rows = [
        row
        for row in created_between(account.groups.values(), call.params)
        if call.params.get("NameContains", "") in row["ModelPackageGroupName"]
    ]
    shown, rest = page_of(rows, call, _order(call, "ModelPackageGroupName"), _descending(call))
    return {"ModelPackageGroupSummaryList": [_without(row, "CreatedBy") for row in shown], **rest}


def delete_group(account: Account, call: ApiCall) -> Value:
    """`DeleteModelPackageGroup`: refused while it holds packages."""
    group = _group(account, call.params["ModelPackageGroupName"])
    name, arn = group["ModelPackageGroupName"], group["ModelPackageGroupArn"]
    if any(row.get("ModelPackageGroupName") == name for row in account.packages.values()):
        raise ServiceError("ConflictException", f"ModelPackageGroup {arn} still contains model packages")
    del account.groups[arn]
    account.tags.pop(arn, None)
    account.last_version.pop(name, None)
    return {}


def create_package(account: Account, call: ApiCall) -> Value:
    """`CreateModelPackage`, in a group or unversioned by name; a known `ClientToken` creates nothing."""
    known = account.created_by_token.get(call.params["ClientToken"]) if "ClientToken" in call.params else None
    if known:
        return {"ModelPackageArn": known}
    identity = _new_identity(account, call.params)
    arn = identity["ModelPackageArn"]
    now, actor = account.tick(), account.actor(call.access_key)
    approval = {"ModelApprovalStatus": "PendingManualApproval"} if "ModelPackageVersion" in identity else {}
    account.packages[arn] = {
        **approval,
        **_chosen(call.params, _KEPT_ON_CREATE),
        **identity,
        "CreationTime": now,
        "CreatedBy": actor,
        "LastModifiedTime": now,
        "LastModifiedBy": actor,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
    }
    account.tag(arn, call.params.get("Tags", []))
    if "ClientToken" in call.params:
        account.created_by_token[call.params["ClientToken"]] = arn
    return {"ModelPackageArn": arn}


def describe_package(account: Account, call: ApiCall) -> Value:
    """`DescribeModelPackage`: of a version in a group it tells no `ModelPackageName`, although its shape has one."""
    return dict(_package(account, call.params["ModelPackageName"]))


def list_packages(account: Account, call: ApiCall) -> Value:
    """`ListModelPackages`: without a group and without a type, unversioned packages only."""
    group = call.params.get("ModelPackageGroupName")
    kind = call.params.get("ModelPackageType", "Versioned" if group else "Unversioned")
    if group:
        group = _group(account, group)["ModelPackageGroupName"]
    rows = [
        row
        for row in created_between(account.packages.values(), call.params)
        if (kind == "Both" or ("ModelPackageVersion" in row) == (kind == "Versioned"))
        and (group is None or row.get("ModelPackageGroupName") == group)
        and row.get("ModelApprovalStatus")
        == call.params.get("ModelApprovalStatus", row.get("ModelApprovalStatus"))
        and call.params.get("NameContains", "") in _entity_name(row)
    ]
    shown, rest = page_of(rows, call, _order(call, "ModelPackageArn"), _descending(call))
    return {"ModelPackageSummaryList": [_chosen(row, _SUMMARY) for row in shown], **rest}


def update_package(account: Account, call: ApiCall) -> Value:
    """`UpdateModelPackage`: what is omitted stays; metadata is merged, then keys are removed."""
    row = _package(account, call.params["ModelPackageArn"])
    changed = {**row, **_chosen(call.params, _CHANGED_BY_UPDATE)}
    if "ModelCard" in call.params:
        changed["ModelCard"] = {**row.get("ModelCard", {}), **call.params["ModelCard"]}
    metadata = {
        **row.get("CustomerMetadataProperties", {}),
        **call.params.get("CustomerMetadataProperties", {}),
    }
    for key in call.params.get("CustomerMetadataPropertiesToRemove", []):
        metadata.pop(key, None)
    if len(metadata) > METADATA_LIMIT:
        raise ServiceError(
            "ValidationException", f"at most {METADATA_LIMIT} customer metadata properties are allowed"
        )
    changed.pop("CustomerMetadataProperties", None)
    if metadata:
        changed["CustomerMetadataProperties"] = metadata
    changed |= {"LastModifiedTime": account.tick(), "LastModifiedBy": account.actor(call.access_key)}
    account.packages[row["ModelPackageArn"]] = changed
    return {"ModelPackageArn": row["ModelPackageArn"]}


def delete_package(account: Account, call: ApiCall) -> Value:
    """`DeleteModelPackage`."""
    arn = _package(account, call.params["ModelPackageName"])["ModelPackageArn"]
    del account.packages[arn]
    account.tags.pop(arn, None)
    return {}


def batch_describe(account: Account, call: ApiCall) -> Value:
    """`BatchDescribeModelPackage`: summaries of versioned packages, and an error for each that is unknown."""
    found, errors = {}, {}
    for arn in call.params["ModelPackageArnList"]:
        if "ModelPackageVersion" in account.packages.get(arn, {}):
            found[arn] = _chosen(account.packages[arn], _BATCH_SUMMARY)
        else:
            errors[arn] = {
                "ErrorCode": "ValidationException",
                "ErrorResponse": f"ModelPackage {arn} does not exist.",
            }
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}


def add_tags(account: Account, call: ApiCall) -> Value:
    """`AddTags`, on anything that exists. A tag does not change a package's `LastModifiedTime`."""
    arn = _taggable(account, call)
    account.tag(arn, call.params["Tags"])
    return {"Tags": account.tag_list(arn)}


def delete_tags(account: Account, call: ApiCall) -> Value:
    """`DeleteTags`."""
    known = account.tags.get(_taggable(account, call), {})
    for key in call.params["TagKeys"]:
        known.pop(key, None)
    return {}


def list_tags(account: Account, call: ApiCall) -> Value:
    """`ListTags`."""
    return {"Tags": account.tag_list(_taggable(account, call))}


def _new_identity(account: Account, params: Value) -> Value:
    name, group = params.get("ModelPackageName"), params.get("ModelPackageGroupName")
    if bool(name) == bool(group):
        raise ServiceError(
            "ValidationException", "Give exactly one of ModelPackageName and ModelPackageGroupName"
        )
    if name:
        arn = account.arn("model-package", name)
        if arn in account.packages:
            raise ServiceError("ValidationException", f"ModelPackage {arn} already exists")
        return {"ModelPackageName": name, "ModelPackageArn": arn}
    group = _group(account, str(group))["ModelPackageGroupName"]
    version = account.last_version.get(group, 0) + 1
    account.last_version[group] = version
    arn = account.arn("model-package", f"{group}/{version}")
    return {"ModelPackageGroupName": group, "ModelPackageVersion": version, "ModelPackageArn": arn}


def _entity_name(row: Value) -> str:
    return str(row["ModelPackageArn"]).rpartition(":model-package/")[2].partition("/")[0]


def _group(account: Account, name: str) -> Value:
    arn = account.arn("model-package-group", name)
    if arn not in account.groups:
        raise ServiceError("ValidationException", f"ModelPackageGroup {arn} does not exist.")
    return account.groups[arn]


def _package(account: Account, name: str) -> Value:
    arn = account.arn("model-package", name)
    if arn not in account.packages:
        raise ServiceError("ValidationException", f"ModelPackage {arn} does not exist.")
    return account.packages[arn]


def _taggable(account: Account, call: ApiCall) -> str:
    arn = str(call.params["ResourceArn"])
    stores: tuple[dict[str, Value], ...] = (
        account.groups,
        account.packages,
        account.models,
        account.configs,
        account.endpoints,
        account.artifacts,
    )
    if not any(arn in store for store in stores):
        kind = re.sub(r"^.*:([^:/]+)/.*$", r"\1", arn)
        raise ServiceError("ValidationException", f"The {kind} {arn} does not exist.")
    return arn


def _chosen(row: Value, names: tuple[str, ...]) -> Value:
    return {name: row[name] for name in names if name in row}


def _without(row: Value, name: str) -> Value:
    return {key: value for key, value in row.items() if key != name}


def _order(call: ApiCall, name: str) -> Any:
    if call.params.get("SortBy") == "Name":
        return lambda row: (row[name],)
    return lambda row: (row["CreationTime"], row[name])


def _descending(call: ApiCall) -> bool:
    return call.params.get("SortOrder") == "Descending"
