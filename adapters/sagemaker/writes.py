"""Changing a SageMaker registry: what a value must be like to be stored, and the calls that store it."""

import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from adapters.contract import NewModel, Registration, StageField
from adapters.errors import ConflictError, InvalidError, NotFoundError, UnderWayError, UnsupportedError
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.sagemaker.client import Answer, SageMakerClient
from adapters.sagemaker.keys import Raw, arn_of
from adapters.sagemaker.reads import present
from adapters.writing import difference, kept_token

WEIGHED_IN = 20.0
"""Seconds that new weights are waited for; SageMaker may take minutes."""
LOOK_EVERY = 1.0
TOKEN_TAG = "waypost.token"
"""The AWS tag of a group that keeps the token it was created with."""
APPROVALS = ("Approved", "Rejected", "PendingManualApproval")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_CLIENT_TOKEN = re.compile(r"[a-zA-Z0-9-]{1,36}")
_TAG_SIGNS = frozenset("_.:/=+-@")
_MOST_PAGES = 1_000
_GROUP = ":model-package-group/"


def stage_change(field: StageField, value: str) -> dict[str, Any]:
    """What `UpdateModelPackage` takes for a stage. Errors: `UnsupportedError`, `InvalidError`."""
    match field:
        case "approval":
            if value not in APPROVALS:
                raise InvalidError(
                    f"{value!r} is no approval status of SageMaker: use one of {', '.join(APPROVALS)}"
                )
            return {"ModelApprovalStatus": value}
        case "lifecycle":
            stage, slash, status = value.partition("/")
            if not slash or not _NAME.fullmatch(stage) or not _NAME.fullmatch(status):
                raise InvalidError(
                    f"{value!r} is no lifecycle of SageMaker: write it as Stage/Status, letters and digits"
                )
            return {"ModelLifeCycle": {"Stage": stage, "StageStatus": status}}
        case _:
            raise UnsupportedError(f"SageMaker has no {field}: write the approval or the lifecycle")


def check_tags(tags: Mapping[str, str | None], *, least: int) -> None:
    """Errors: `InvalidError` for a tag that SageMaker does not store; a value has at least so many letters."""
    for name, value in tags.items():
        if value is not None:
            _check_text("tag name", name, 1, 128)
            _check_text("tag value", value, least, 256)


def weights(
    endpoint: Raw, holding: Mapping[str, Sequence[Key]], shares: Mapping[Key, float]
) -> dict[str, float]:
    """The weight of each variant of an endpoint; `holding` says which versions each loads. Errors: `InvalidError` where
    traffic cannot be shared so.
    """
    name, left = endpoint["EndpointName"], dict(shares)
    if endpoint.get("InferenceComponents") or "PendingDeploymentSummary" in endpoint:
        raise InvalidError(
            f"endpoint {name} is being deployed, or its models are called by name: it has no weights"
        )
    found = {}
    for variant in (str(one["VariantName"]) for one in endpoint.get("ProductionVariants") or []):
        loaded = holding.get(variant, ())
        if len(loaded) != 1:
            raise InvalidError(
                f"variant {variant} of endpoint {name} does not hold one version of this registry"
            )
        # Where several variants hold a version, the first takes it all.
        found[variant] = left.pop(loaded[0], 0.0)
    return found


class Writer:
    """The calls that change something. Errors: any `AdapterError`."""

    def __init__(self, client: SageMakerClient) -> None:
        self._client = client

    def update(self, key: Key, change: Mapping[str, Any]) -> None:
        """Change a package."""
        self._client.call("UpdateModelPackage", ModelPackageArn=arn_of(key), **change)

    def weigh(self, endpoint: Raw, weights: Mapping[str, float]) -> None:
        """Give the variants of an endpoint these weights, and wait for a moment until they hold. Errors:
        `UnderWayError` where that takes longer.
        """
        name = endpoint["EndpointName"]
        wanted = [{"VariantName": variant, "DesiredWeight": weight} for variant, weight in weights.items()]
        self._client.call(
            "UpdateEndpointWeightsAndCapacities", EndpointName=name, DesiredWeightsAndCapacities=wanted
        )
        end = time.monotonic() + WEIGHED_IN
        while self._client.call("DescribeEndpoint", EndpointName=name)["EndpointStatus"] == "Updating":
            if time.monotonic() > end:
                raise UnderWayError(f"endpoint {name} is taking on its new weights")
            time.sleep(LOOK_EVERY)

    def tag(self, now: ModelRecord | VersionRecord, changes: Mapping[str, str | None]) -> None:
        """Set and remove what is not yet as wanted: a version's customer metadata, a model's AWS tags."""
        arn, (added, removed) = arn_of(now.key), difference(now.tags, changes)
        if isinstance(now, VersionRecord):
            change = {"CustomerMetadataProperties": added, "CustomerMetadataPropertiesToRemove": removed}
            self.update(now.key, {name: given for name, given in change.items() if given})
            return
        if added:
            tags = [{"Key": name, "Value": value} for name, value in added.items()]
            self._client.call("AddTags", ResourceArn=arn, Tags=tags)
        if removed:
            self._client.call("DeleteTags", ResourceArn=arn, TagKeys=removed)

    def register(self, registration: Registration) -> Answer:
        """Create a package, and its group where there is none; SageMaker itself knows a token again."""
        _check_name(registration.model)
        check_tags(registration.tags, least=1)
        run, token = registration.run_id, registration.token
        params: dict[str, Any] = {
            "ModelPackageGroupName": registration.model,
            "SourceUri": registration.source,
            "ModelPackageRegistrationType": "Registered",
            "ModelPackageDescription": registration.description,
            "MetadataProperties": {"GeneratedBy": run} if run else None,
            "CustomerMetadataProperties": dict(registration.tags),
            "ClientToken": kept_token(token, 36, _CLIENT_TOKEN) if token else None,
        }
        given = {name: value for name, value in params.items() if value}
        try:
            return self._client.call("CreateModelPackage", **given)
        except NotFoundError:
            with suppress(ConflictError):  # somebody else made it meanwhile, which is as good
                self._client.call("CreateModelPackageGroup", ModelPackageGroupName=registration.model)
            return self._client.call("CreateModelPackage", **given)

    def create(self, model: NewModel) -> str:
        """Create a group and answer its ARN, unless it was with this token already, which one of its AWS tags keeps."""
        _check_name(model.name)
        check_tags(model.tags, least=0)
        tags = {**model.tags, **({TOKEN_TAG: model.token} if model.token else {})}
        params: dict[str, Any] = {
            "ModelPackageGroupName": model.name,
            "ModelPackageGroupDescription": model.description,
            "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
        }
        given = {name: value for name, value in params.items() if value}
        try:
            return str(self._client.call("CreateModelPackageGroup", **given)["ModelPackageGroupArn"])
        except ConflictError:
            arn = str(self._group(model.name)["ModelPackageGroupArn"])
            kept = self._client.call("ListTags", ResourceArn=arn).get("Tags", [])
            if not model.token or {"Key": TOKEN_TAG, "Value": model.token} not in kept:
                raise
            return arn

    def _group(self, name: str) -> Answer:
        return self._client.call("DescribeModelPackageGroup", ModelPackageGroupName=name)

    def remove(self, key: Key) -> None:
        """Delete a package, or a group with all of its packages."""
        arn = arn_of(key)
        if _GROUP not in arn:
            self._package(arn)
            return
        name = arn.rpartition("/")[2]
        for _ in range(_MOST_PAGES):
            listed = self._client.call("ListModelPackages", ModelPackageGroupName=name, MaxResults=100)
            packages = [row["ModelPackageArn"] for row in listed.get("ModelPackageSummaryList", [])]
            if not packages:
                break
            present(self._client.each(self._package, packages))
        self._client.call("DeleteModelPackageGroup", ModelPackageGroupName=name)

    def _package(self, arn: str) -> None:
        self._client.call("DeleteModelPackage", ModelPackageName=arn)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidError(f"{name!r} cannot be a SageMaker name: up to 63 letters, digits and hyphens")


def _check_text(what: str, text: str, fewest: int, most: int) -> None:
    if not fewest <= len(text) <= most or not all(map(_allowed, text)):
        raise InvalidError(
            f"SageMaker does not store the {what} {text[:60]!r}:"
            f" it takes {fewest} to {most} letters, digits, spaces and _.:/=+-@"
        )


def _allowed(sign: str) -> bool:
    return sign in _TAG_SIGNS or unicodedata.category(sign)[0] in "LNZ"
