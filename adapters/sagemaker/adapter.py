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

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, wraps
from typing import Any, ClassVar, TypeVar

from adapters.contract import (
    Adapter,
    BackendInfo,
    Capability,
    NewModel,
    Observer,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import (
    AuthError,
    NotFoundError,
    TransientError,
    UnsupportedError,
)
from adapters.notifications import Notification
from adapters.records import (
    NO_LINEAGE,
    EndpointRecord,
    Key,
    Lineage,
    Mark,
    ModelRecord,
    Record,
    Schema,
    Unread,
    VersionRecord,
    Watermark,
)
from adapters.sagemaker import lineage, reads, serving, snippets
from adapters.sagemaker.client import SageMakerClient
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.keys import NOW, Raw, arn_of, created_in, key_of, open_key, same_incarnation
from adapters.sagemaker.memory import dependencies
from adapters.sagemaker.notifications import Announcements
from adapters.sagemaker.records import (
    artifacts_of,
    card_parts,
    group_record,
    schema_of,
    understood,
    unversioned_record,
    version_record,
)
from adapters.sagemaker.scan import Scanner
from adapters.sagemaker.serving import COMPONENTS, ServedEndpoint
from adapters.sagemaker.writes import Writer, check_tags, stage_change, weights
from adapters.scanning import paged
from adapters.writing import check_shares, has_stage, has_tags, has_traffic, remove, settle

API_VERSION = "2017-07-24"
_WALKED = ("lineage.run_id", "lineage.datasets", "lineage.parents")
"""What the lineage graph may say of a version."""
_WANTED: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "Search",
        {"Resource": "ModelPackage", "MaxResults": 1},
        "packages are described one by one, without AWS tags, and only full scans see changed metadata",
    ),
    ("ListModelPackages", {"MaxResults": 1}, "incremental scans fail"),
    ("ListEndpoints", {"MaxResults": 1}, "which versions serve is not known"),
    (
        "ListInferenceComponents",
        {"MaxResults": 100},  # a backend that only resembles SageMaker may give all it has
        "which versions serve behind inference components is not known",
    ),
    ("ListArtifacts", {"MaxResults": 1}, "the lineage graph is not read"),
)
"""What is asked for and may be refused: action, parameters, and what a refusal costs."""
R = TypeVar("R", bound=Record)


def _understanding(
    read: "Callable[[SageMakerAdapter, Key], R]",
) -> "Callable[[SageMakerAdapter, Key], R]":
    """Errors: BadRecordError where what SageMaker says of the thing cannot be understood."""

    @wraps(read)
    def reading_it(adapter: "SageMakerAdapter", key: Key) -> R:
        return understood(partial(read, adapter), key, key.native_id)

    return reading_it


class SageMakerAdapter(Adapter):
    """Reads and writes one account's model registry in one region, through boto3."""

    kind = "sagemaker"
    contract = 1
    reading = 1
    config_type = SageMakerConfig
    capabilities = frozenset(
        {
            Capability.SET_STAGE,
            Capability.SET_TAGS,
            Capability.REGISTER,
            Capability.DELETE,
            Capability.CREATE_MODEL,
            Capability.SET_TRAFFIC,
        }
    )
    stage_fields = frozenset({"approval", "lifecycle"})
    full_scan_only = frozenset({"description", "lineage", "metrics", "params", "tags"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("lifecycle:Production/Approved", "lifecycle:Production/Active", "deployed"),
        "archived": ("approval:Rejected", "lifecycle:Archived/Archived"),
        "staging": ("lifecycle:Staging/Approved", "approval:Approved"),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"approval": "PendingManualApproval"}

    def __init__(self, config: SageMakerConfig) -> None:
        self._config = config
        self._client = SageMakerClient(config)
        self._writes = Writer(self._client)
        self._scanner = Scanner(self._client, config)
        self._announcements = Announcements(config, self._client)

    def probe(self) -> BackendInfo:
        account = self._account()
        identity = account and f"sagemaker:{account}:{self._config.region}"
        lacking = _missing(self._client, with_lineage=self._config.lineage)
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

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        return paged(self._scanner.found(since, limit), limit)

    def get(self, key: Key) -> Record:
        if key.kind == "version":
            return self._version(key)
        return self._endpoint(key) if key.kind == "endpoint" else self._model(key)

    def changed(self, notification: Notification) -> Sequence[Key]:
        return self._announcements.changed(notification)

    def schema(self, version: VersionRecord) -> Schema | None:
        """The inputs that the package's `DataInputConfig` names. Errors: `BadRecordError` where it cannot be read."""
        return version.schema or schema_of(dict(version.native))

    @classmethod
    def card(cls, record: VersionRecord) -> Mapping[str, str]:
        return card_parts(record)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._config, model, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> Record:
        change = stage_change(field, value)
        return settle(
            self.get, key, has_stage(field, value), lambda now: self._writes.update(key, change), etag
        )

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        if key.kind == "endpoint":
            raise UnsupportedError("Waypost does not tag endpoints: do it in AWS")
        # An AWS tag may be empty, customer metadata may not.
        check_tags(tags, least=0 if key.kind == "model" else 1)
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def set_traffic(self, key: Key, shares: Mapping[Key, float], *, etag: str | None = None) -> Record:
        def write(now: EndpointRecord) -> None:
            check_shares(now, shares)
            row = self._served(key)
            variants = {held.variant: replace(row, targets=((held, 1.0),)) for held, _ in row.targets}
            holding = {
                name: [one.version for one in self._scanner.endpoint(alone).traffic]
                for name, alone in variants.items()
                if name
            }
            self._writes.weigh(row.endpoint, weights(row.endpoint, holding, shares))

        return settle(self.get, key, has_traffic(shares), write, etag)

    def register(self, registration: Registration) -> VersionRecord:
        made = self._writes.register(registration)
        key = understood(lambda row: self._key("version", row["ModelPackageArn"]), made, registration.model)
        return self._version(key)

    def create_model(self, model: NewModel) -> ModelRecord:
        return self._model(open_key("model", self._writes.create(model)))

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        if key.kind == "endpoint":
            raise UnsupportedError("Waypost does not delete endpoints: do it in AWS")
        remove(self.get, key, lambda now: self._writes.remove(key), etag)

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
            record = _with_tags(lambda need: group_record(reads.group(self._client, name, need_tags=need)))
        else:
            record = _with_tags(
                lambda need: unversioned_record(reads.package(self._client, arn, tags=True, need_tags=need))
            )
        if created_in(key) != NOW and record.key != key:
            raise NotFoundError(f"model {arn} was deleted and created again")
        return record

    @_understanding
    def _version(self, key: Key) -> VersionRecord:
        arn = arn_of(key)
        row = reads.package(self._client, arn, tags=self._scanner.via == "search")
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
        return self._scanner.endpoint(self._served(key))

    def _served(self, key: Key) -> ServedEndpoint:
        name = arn_of(key).rpartition("/")[2]
        row = serving.read(self._client, {"EndpointName": name}, serving.components(self._client, name))
        if not same_incarnation(key, row.endpoint["CreationTime"]):
            raise NotFoundError(f"endpoint {arn_of(key)} was deleted and created again")
        return row

    def _key(self, kind: Any, arn: str) -> Key:
        row = self._client.call("DescribeModelPackage", ModelPackageName=arn)
        return key_of(kind, arn, row["CreationTime"])


def _with_tags(read: Callable[[bool], ModelRecord]) -> ModelRecord:
    """A model, read with its tags; where those may not be read, they are unread."""
    try:
        return read(True)
    except ForbiddenError as error:
        return replace(read(False), unread=Unread(("tags", "owner", "license"), str(error)))


def _missing(client: SageMakerClient, *, with_lineage: bool) -> tuple[str, ...]:
    """A line for each action that is refused. Without any way of listing packages, the refusal is raised."""
    lines, refusals = [], {}
    for action, params, cost in _WANTED:
        if action == "ListArtifacts" and not with_lineage:
            continue
        try:
            has = _has(client, action, params)
        except ForbiddenError as error:
            refusals[action] = error
            lines.append(f"sagemaker:{action} is not allowed: {cost}")
        else:
            if not has:
                lines.append(f"this backend has no {action}: {cost}")
    if "Search" in refusals and "ListModelPackages" in refusals:
        raise refusals["ListModelPackages"]
    return tuple(lines)


def _has(client: SageMakerClient, action: str, params: dict[str, Any]) -> bool:
    if action == "ListInferenceComponents":
        # A backend that has no such thing serves nothing by it either.
        client.optional(COMPONENTS, action, **params)
        return True
    if action == "ListArtifacts":
        return client.optional("lineage", action, **params) is not None
    try:
        client.call(action, **params)
    except UnsupportedError:
        return False
    return True
