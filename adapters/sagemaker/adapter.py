"""SageMaker model registry: groups are models, packages their versions, endpoints serve them.

Which change is seen when:

- A new, changed or deleted package, a changed approval, lifecycle stage or customer metadata: by the next
  scan, incremental or not. Without permission for `Search`, customer metadata and model cards alone by the
  next full scan.
- A group, its tags, an endpoint, its inference components and traffic: by every scan; all are read each time.
- AWS tags of a package and what the lineage graph knows of it: when the package itself changes, and by full
  scans.
- `Search` runs behind the registry by seconds to minutes; incremental scans look back by `overlap`, and what
  is new or has another approval is found in the listing, which does not lag.
- The first incremental scan of a process reads everything, since there is nothing to compare the listing
  with.

What its listings promise while things change:

- Tokens are opaque, and AWS does not say what they hold. All listings are asked for by creation, oldest first: what is
  created comes last, what is changed keeps its place. A full scan reads packages by `Search`, which may lack the newest
  and still show the deleted; the next incremental scan compares with `ListModelPackages`, which lacks nothing.
- Fields of a second request: AWS tags of groups without `Search`, and of unversioned packages (`ListTags`); run,
  data sets and parents of the lineage graph (`ListArtifacts`, the newest 5,000, then `QueryLineage`); the traffic of
  endpoints (`DescribeEndpoint`, its configuration, models and inference components). Configurations and models never
  change, so parts of different moments fit together; components may be one scan late. What may not be read is unread
  in `get`.

An unversioned package is a model with one version, `0`. A version's tags are its customer metadata; a model's are
the AWS tags. Packages of several containers depend on the packages that hold those containers' model data alone.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial, wraps
from shlex import quote
from typing import Any, ClassVar, TypeVar

from adapters.contract import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    Observer,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import (
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
    UnsupportedError,
)
from adapters.records import (
    NO_LINEAGE,
    EndpointRecord,
    Key,
    Lineage,
    ModelRecord,
    PageToken,
    Record,
    Schema,
    Unread,
    VersionRecord,
    Watermark,
)
from adapters.sagemaker import lineage, reading, serving
from adapters.sagemaker.client import Client
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.keys import Raw, arn_of, key_of, same_incarnation
from adapters.sagemaker.permissions import missing
from adapters.sagemaker.progress import Index, dependencies
from adapters.sagemaker.records import (
    artifacts_of,
    group_record,
    schema_of,
    understood,
    unversioned_record,
    version_record,
)
from adapters.sagemaker.scanning import Scanner

API_VERSION = "2017-07-24"
APPROVALS = ("Approved", "Rejected", "PendingManualApproval")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_CLIENT_TOKEN = re.compile(r"[a-zA-Z0-9-]{1,36}")
_TAG_SIGNS = frozenset("_.:/=+-@")
_MOST_PAGES = 1_000
_WALKED = ("lineage.run_id", "lineage.datasets", "lineage.parents")
"""What the lineage graph may say of a version."""
R = TypeVar("R", bound=Record)


def _understanding(
    read: "Callable[[SageMakerAdapter, Key], R]",
) -> "Callable[[SageMakerAdapter, Key], R]":
    """Errors: BadRecordError where what SageMaker says of the thing cannot be understood."""

    @wraps(read)
    def reading_it(adapter: "SageMakerAdapter", key: Key) -> R:
        return understood(partial(read, adapter), key, key.native_id)

    return reading_it


_ROLE = '"${SAGEMAKER_ROLE_ARN:?set it to the role that the model runs as}"'
"""What a snippet for the shell takes from the environment."""


class SageMakerAdapter(Adapter):
    """Reads and writes one account's model registry in one region, through boto3."""

    kind: ClassVar[str] = "sagemaker"
    contract: ClassVar[int] = 1
    reading: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = SageMakerConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SET_STAGE, Capability.SET_TAGS, Capability.REGISTER, Capability.DELETE}
    )
    stage_fields: ClassVar[frozenset[StageField]] = frozenset({"approval", "lifecycle"})
    quiet: ClassVar[frozenset[str]] = frozenset({"description", "lineage", "metrics", "params", "tags"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("lifecycle:Production/Approved", "lifecycle:Production/Active", "deployed"),
        "archived": ("approval:Rejected", "lifecycle:Archived/Archived"),
        "staging": ("lifecycle:Staging/Approved", "approval:Approved"),
    }

    def __init__(self, config: SageMakerConfig) -> None:
        self._config = config
        self._client = Client(config)
        self._scanner = Scanner(self._client, config)

    def probe(self) -> BackendInfo:
        account = self._account()
        identity = account and f"sagemaker:{account}:{self._config.region}"
        lacking = missing(self._client, with_lineage=self._config.lineage)
        if identity is None:
            told = "the account cannot be told, since STS does not answer: another one would go unnoticed"
            lacking = (*lacking, told)
        return BackendInfo(API_VERSION, identity, lacking)

    def _account(self) -> str | None:
        """The account by STS, which needs no permission but a way to it, else by the name of what is in it."""
        with suppress(AuthError, TransientError):
            return str(self._client.identity()["Account"])
        with suppress(AuthError, TransientError):
            groups = self._client.call("ListModelPackageGroups", MaxResults=1)["ModelPackageGroupSummaryList"]
            return str(groups[0]["ModelPackageGroupArn"].split(":")[4]) if groups else None
        return None

    def scan(self, *, since: Watermark | None, page: PageToken | None, limit: int) -> Page:
        return self._scanner.page(since, page, limit)

    def get(self, key: Key) -> Record:
        if key.kind == "version":
            return self._version(key)
        return self._endpoint(key) if key.kind == "endpoint" else self._model(key)

    def schema(self, version: VersionRecord) -> Schema | None:
        """The inputs that the package's `DataInputConfig` names. Errors: `BadRecordError` where it cannot be read."""
        return version.schema or schema_of(dict(version.native))

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        arn, region, url = arn_of(version.key), self._config.region, self._config.endpoint_url
        at, named = (f", endpoint_url={url!r}", f" --endpoint-url {quote(url)}") if url else ("", "")
        describe = (
            "import boto3\n\n"
            f"sagemaker = boto3.client('sagemaker', region_name={region!r}{at})\n"
            f"package = sagemaker.describe_model_package(ModelPackageName={arn!r})"
        )
        deploy = (
            f"aws sagemaker create-model --region {region}{named} "
            f"--model-name {quote(f'{model}-{version.version}')} \\\n"
            f"  --execution-role-arn {_ROLE} --primary-container {quote(f'ModelPackageName={arn}')}"
        )
        return (
            Snippet("Describe with boto3", "python", describe),
            Snippet("Make it servable", "shell", deploy),
        )

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        if field not in self.stage_fields:
            raise UnsupportedError(f"SageMaker has no {field}: write the approval or the lifecycle")
        change = _approval(value) if field == "approval" else _lifecycle(value)
        record = self._version(key)
        if getattr(record, field) == value:
            return record
        _compare(record, etag)
        self._client.call("UpdateModelPackage", ModelPackageArn=arn_of(key), **change)
        return self._version(key)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        if key.kind == "endpoint":
            raise UnsupportedError("Waypost does not tag endpoints: do it in AWS")
        # An AWS tag may be empty, customer metadata may not.
        least = 0 if key.kind == "model" else 1
        wanted = {name: _tag(name, value, least) for name, value in tags.items() if value is not None}
        record = self._version(key) if key.kind == "version" else self._model(key)
        removed = sorted(name for name, value in tags.items() if value is None and name in record.tags)
        added = {name: value for name, value in wanted.items() if record.tags.get(name) != value}
        if not added and not removed:
            return record
        _compare(record, etag)
        if isinstance(record, VersionRecord):
            self._set_metadata(arn_of(key), added, removed)
        else:
            self._set_aws_tags(arn_of(key), added, removed)
        return self.get(key)

    def register(self, registration: Registration) -> VersionRecord:
        if not _NAME.fullmatch(registration.model):
            message = (
                f"{registration.model!r} cannot be a SageMaker name: up to 63 letters, digits and hyphens"
            )
            raise InvalidError(message)
        params: dict[str, Any] = {
            "ModelPackageGroupName": registration.model,
            "SourceUri": registration.source,
            "ModelPackageRegistrationType": "Registered",
        }
        if registration.description:
            params["ModelPackageDescription"] = registration.description
        if registration.run_id:
            params["MetadataProperties"] = {"GeneratedBy": registration.run_id}
        if registration.tags:
            params["CustomerMetadataProperties"] = {k: _tag(k, v) for k, v in registration.tags.items()}
        if registration.token:
            params["ClientToken"] = _client_token(registration.token)
        try:
            made = self._client.call("CreateModelPackage", **params)
        except NotFoundError:
            self._create_group(registration.model)
            made = self._client.call("CreateModelPackage", **params)
        key = understood(lambda row: self._key("version", row["ModelPackageArn"]), made, registration.model)
        return self._version(key)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if key.kind == "endpoint":
            raise UnsupportedError("Waypost does not delete endpoints: do it in AWS")
        try:
            record = self._version(key) if key.kind == "version" else self._model(key)
        except NotFoundError:
            return
        _compare(record, etag)
        arn = arn_of(key)
        if ":model-package-group/" in arn:
            self._delete_group(arn.rpartition("/")[2])
        else:
            self._absent("DeleteModelPackage", ModelPackageName=arn)

    def observe(self, observer: Observer) -> None:
        self._client.observer = observer

    def credentials(self) -> tuple[str, ...]:
        return self._client.credentials()

    def close(self) -> None:
        self._client.close()

    @_understanding
    def _model(self, key: Key) -> ModelRecord:
        arn = arn_of(key)
        if ":model-package-group/" in arn:
            name = arn.rpartition("/")[2]
            record = _tagged(lambda need: group_record(reading.group(self._client, name, need_tags=need)))
        else:
            record = _tagged(
                lambda need: unversioned_record(reading.package(self._client, arn, tags=True, need_tags=need))
            )
        if record.key != key:
            raise NotFoundError(f"model {arn} was deleted and created again")
        return record

    @_understanding
    def _version(self, key: Key) -> VersionRecord:
        arn = arn_of(key)
        row = reading.package(self._client, arn, tags=self._scanner.via == "search")
        if not same_incarnation(key, row["CreationTime"]):
            raise NotFoundError(f"version {arn} was deleted and created again")
        model = self._model_of(row)
        walked, refused = self._walked(arn) if self._config.lineage else (NO_LINEAGE, None)
        needed = dependencies(row, self._scanner.index()) if len(artifacts_of(row)) > 1 else ()
        record = version_record(row, model=model, dependencies=needed, walked=walked)
        if refused is None:
            return record
        read = record.unread or Unread((), "")
        reasons = "; ".join(filter(None, (read.reason, refused)))
        return replace(record, unread=Unread((*read.fields, *_WALKED), reasons))

    def _walked(self, arn: str) -> tuple[Lineage, str | None]:
        """What the lineage graph says of a package, or why it may not be asked."""
        try:
            return lineage.walked(self._client, lineage.listed(self._client, arn), arn), None
        except ForbiddenError as error:
            return NO_LINEAGE, str(error)

    def _model_of(self, package: Raw) -> Key:
        arn = package["ModelPackageArn"]
        if not package.get("ModelPackageVersion"):
            return key_of("model", arn, package["CreationTime"])
        name = str(package["ModelPackageGroupName"])
        group = self._client.call("DescribeModelPackageGroup", ModelPackageGroupName=name)
        return key_of("model", group["ModelPackageGroupArn"], group["CreationTime"])

    @_understanding
    def _endpoint(self, key: Key) -> EndpointRecord:
        name = arn_of(key).rpartition("/")[2]
        row = serving.read(self._client, {"EndpointName": name}, serving.components(self._client, name))
        if not same_incarnation(key, row.endpoint["CreationTime"]):
            raise NotFoundError(f"endpoint {arn_of(key)} was deleted and created again")
        return self._scanner.endpoint(row, self._scanner.index() if row.by_address else Index({}))

    def _key(self, kind: Any, arn: str) -> Key:
        row = self._client.call("DescribeModelPackage", ModelPackageName=arn)
        return key_of(kind, arn, row["CreationTime"])

    def _set_metadata(self, arn: str, added: Mapping[str, str], removed: list[str]) -> None:
        change: dict[str, Any] = {"CustomerMetadataProperties": dict(added)} if added else {}
        if removed:
            change["CustomerMetadataPropertiesToRemove"] = removed
        self._client.call("UpdateModelPackage", ModelPackageArn=arn, **change)

    def _set_aws_tags(self, arn: str, added: Mapping[str, str], removed: list[str]) -> None:
        if added:
            tags = [{"Key": name, "Value": value} for name, value in added.items()]
            self._client.call("AddTags", ResourceArn=arn, Tags=tags)
        if removed:
            self._client.call("DeleteTags", ResourceArn=arn, TagKeys=removed)

    def _create_group(self, name: str) -> None:
        try:
            self._client.call("CreateModelPackageGroup", ModelPackageGroupName=name)
        except ConflictError:
            # Someone else made it meanwhile, which is as good.
            return

    def _delete_group(self, name: str) -> None:
        for _ in range(_MOST_PAGES):
            listed = self._client.call("ListModelPackages", ModelPackageGroupName=name, MaxResults=100)
            packages = [row["ModelPackageArn"] for row in listed.get("ModelPackageSummaryList", [])]
            if not packages:
                break
            deleted = self._client.each(
                lambda one: self._absent("DeleteModelPackage", ModelPackageName=one), packages
            )
            reading.present(deleted)
        self._absent("DeleteModelPackageGroup", ModelPackageGroupName=name)

    def _absent(self, action: str, **params: Any) -> None:
        """Delete something; that it is gone already is as good."""
        try:
            self._client.call(action, **params)
        except NotFoundError:
            return


def _tagged(read: Callable[[bool], ModelRecord]) -> ModelRecord:
    """A model, read with its tags; where those may not be read, they are unread."""
    try:
        return read(True)
    except ForbiddenError as error:
        return replace(read(False), unread=Unread(("tags", "owner", "license"), str(error)))


def _compare(record: ModelRecord | VersionRecord, etag: str | None) -> None:
    if etag is not None and record.etag != etag:
        raise ConflictError(f"{arn_of(record.key)} has changed since it was read: read it again")


def _approval(value: str) -> dict[str, Any]:
    if value not in APPROVALS:
        raise InvalidError(f"{value!r} is no approval status of SageMaker: use one of {', '.join(APPROVALS)}")
    return {"ModelApprovalStatus": value}


def _lifecycle(value: str) -> dict[str, Any]:
    stage, slash, status = value.partition("/")
    if not slash or not _NAME.fullmatch(stage) or not _NAME.fullmatch(status):
        raise InvalidError(
            f"{value!r} is no lifecycle of SageMaker: write it as Stage/Status, letters and digits"
        )
    return {"ModelLifeCycle": {"Stage": stage, "StageStatus": status}}


def _tag(name: str, value: str, least: int = 1) -> str:
    for text, fewest, most, what in ((name, 1, 128, "tag name"), (value, least, 256, "tag value")):
        if not fewest <= len(text) <= most or not all(map(_allowed, text)):
            raise InvalidError(
                f"SageMaker does not store the {what} {text[:60]!r}:"
                f" it takes {fewest} to {most} letters, digits, spaces and _.:/=+-@"
            )
    return value


def _allowed(sign: str) -> bool:
    return sign in _TAG_SIGNS or unicodedata.category(sign)[0] in "LNZ"


def _client_token(token: str) -> str:
    """The registration's token as SageMaker takes it: letters, digits and hyphens, at most 36."""
    return token if _CLIENT_TOKEN.fullmatch(token) else hashlib.sha256(token.encode()).hexdigest()[:36]
