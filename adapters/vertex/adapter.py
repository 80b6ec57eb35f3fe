"""The adapter for Vertex AI's model registry.

Which change is seen when, with `since` (a full scan sees everything):

- a new model or version, a changed name or description, deployments and traffic: by the next scan, since
these move a model's `update_time`, and endpoints are always listed whole; - a moved alias, a changed
label: by the next scan where the service moves `update_time` for it, which it does not promise; else by
the next sweep, at most `sweep_every` seconds after the last; - a deleted version or model: by the next
sweep, too; - a new evaluation of a version that did not change: when those read of it are
`evaluations_every` seconds old.

What its listings promise while things change: tokens are opaque. Models are listed whole, by creation, before the first
of them is read, then the versions of each, then the endpoints whole. Labels, aliases and the version itself are one
message. Fields of a second request: metrics and the data of evaluations (`ListModelEvaluations`); the data set that a
training pipeline took (`GetTrainingPipeline`, once for each); the key of a deployed version that the scan did not meet
(`GetModel`).

The reference uses the model's resource id; the display name, which need not be unique, is the title.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from adapters.contract import (
    Adapter,
    AdapterConfig,
    BackendInfo,
    Capability,
    Observer,
    Page,
    Registration,
    Snippet,
)
from adapters.errors import AuthError, ConflictError, InvalidError, NotFoundError
from adapters.records import Key, ModelRecord, PageToken, Record, Unread, VersionRecord, Watermark
from adapters.vertex import snippets
from adapters.vertex.client import VertexClient
from adapters.vertex.config import VertexConfig
from adapters.vertex.cursor import Cursor, begin
from adapters.vertex.labels import own_labels, replace_labels, shown_by
from adapters.vertex.reader import EVALUATIONS, TRAINING, Memory, Reader
from adapters.vertex.records import (
    TOKEN_LABEL,
    Place,
    aliases_of,
    key_of,
    model_key,
    split_key,
    to_endpoint,
    to_model,
    to_version,
    version_key,
    version_number,
)
from adapters.vertex.sweep import Sweep

_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}|[0-9]{1,20}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{1,63}")
_PIPELINE = "/pipelineJobs/"
_BY_OTHERS = {
    EVALUATIONS: ("metrics", "lineage.datasets", "native.evaluations"),
    TRAINING: ("lineage.datasets",),
}
"""Fields of a version that other messages fill, by what reads those."""
_KEEP_FROM = 50
"""From this page size on, what was read ahead is kept for the next page; smaller pages ask the service anew.
"""
_ATTEMPTS = 4
"""How often a label write is begun anew when somebody else wrote in between."""


class VertexAdapter(Adapter):
    """Speaks to the model registry of one Google Cloud project and location."""

    kind: ClassVar[str] = "vertex"
    contract: ClassVar[int] = 1
    reading: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = VertexConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SET_ALIAS, Capability.SET_TAGS, Capability.REGISTER, Capability.DELETE}
    )
    quiet: ClassVar[frozenset[str]] = frozenset({"aliases", "tags", "metrics", "deleted"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": (
            "alias:production",
            "alias:prod",
            "alias:champion",
            "tag:stage=production",
            "deployed",
        ),
        "staging": ("alias:staging", "alias:challenger", "tag:stage=staging"),
        "archived": ("alias:archived", "tag:stage=archived"),
    }

    def __init__(self, config: VertexConfig) -> None:
        self.config = config
        self._place = Place(config.project, config.location)
        self._client = VertexClient(config)
        self._memory = Memory()
        self._reader = Reader(self._client, self._place, self._memory)
        self._sweep: Sweep | None = None

    def probe(self) -> BackendInfo:
        self._memory.denied.clear()
        parent = self._place.parent
        self._client.read("Model", "list_models", parent=parent, page_size=1)
        missing = []
        try:
            self._client.read("Endpoint", "list_endpoints", parent=parent, page_size=1)
        except AuthError:
            missing.append(
                "endpoints cannot be listed: no traffic is known, and the rule `deployed` never holds"
            )
        return BackendInfo(version="v1", identity=f"vertex:{parent}", missing=tuple(missing))

    def scan(self, *, since: Watermark | None, page: PageToken | None, limit: int) -> Page:
        sweep, self._sweep = self._sweep, None
        if sweep is None or sweep.cursor.to_token() != page:
            if sweep is not None:
                sweep.close()
            now = time.time()
            cursor = Cursor.from_token(page) if page else begin(since, self.config.sweep_every, now)
            sweep = Sweep(self._reader, cursor, read_ahead=limit)
        try:
            return sweep.take(limit)
        finally:
            if limit < _KEEP_FROM:
                sweep.close()
            elif not sweep.closed:
                self._sweep = sweep

    def get(self, key: Key) -> Record:
        if key.kind == "model":
            return to_model(self._place, self._versions(key))
        if key.kind == "endpoint":
            endpoint_id, _ = split_key(key)
            endpoint = self._client.read("Endpoint", "get_endpoint", name=self._place.endpoint(endpoint_id))
            _check_incarnation(key, key_of("endpoint", endpoint_id, endpoint.create_time))
            return to_endpoint(self._place, endpoint, self._reader.served(endpoint))
        message = self._version(key)
        record = to_version(self._place, message, self._reader.origins(message))
        # Who is asked for one version says what is unknown of it, so nothing that was known is given up.
        unread: dict[str, tuple[str, ...]] = {}
        for method, fields in _BY_OTHERS.items():
            refused = self._memory.denied.get(method)
            if refused and (method != TRAINING or message.training_pipeline):
                unread[refused] = fields
        if not unread:
            return record
        fields = tuple(dict.fromkeys(each for several in unread.values() for each in several))
        return replace(record, unread=Unread(fields, "; ".join(unread)))

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self.config, model, version)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> Record:
        """As in the contract. The service's alias call takes no etag: between the comparison and the
        write another writer may come.
        """
        versions = self._versions(key)
        record = to_model(self._place, versions)
        holder = aliases_of(versions).get(alias)
        if holder == version:
            return record
        _compare(record, etag)
        if not _ALIAS.fullmatch(alias):
            raise InvalidError(
                f"alias {alias[:130]!r}: Vertex AI wants [a-z][a-zA-Z0-9-]*[a-z0-9], at most 128 long"
            )
        if version is None and alias == "default":
            raise InvalidError("alias default cannot be taken away: point it at another version")
        if version is not None and version not in {each.version_id for each in versions}:
            raise InvalidError(f"{record.name} has no version {version[:40]}: an alias needs one that exists")
        target, change = (version, alias) if version is not None else (holder or "", f"-{alias}")
        name = self._place.model(record.name, target)
        self._client.write("Model", "merge_version_aliases", name=name, version_aliases=[change])
        return self.get(key)

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        if TOKEN_LABEL in tags:
            raise InvalidError(f"label {TOKEN_LABEL} is Waypost's own: choose another name")
        resource, version = split_key(key)
        name = self._place.model(resource, version)
        for left in reversed(range(_ATTEMPTS)):
            seen = self._client.read("Model", "get_model", name=name).etag
            record = self._labelled(key)
            if all(record.tags.get(label) == value for label, value in tags.items()):
                return record
            _compare(record, etag)
            try:
                self._write_labels(key, tags, seen)
                break
            except ConflictError:
                if etag is not None or not left:
                    raise
        record = self._labelled(key)
        for label, value in tags.items():
            if record.tags.get(label) != value:
                other = "version" if key.kind == "model" else "model"
                raise InvalidError(
                    f"label {label} is set on the {other} as well, and that one shows: change it there"
                )
        return record

    def register(self, registration: Registration) -> VersionRecord:
        """As in the contract. The token is kept as a label: a repetition finds the version once it is uploaded."""
        if not _MODEL_ID.fullmatch(registration.model):
            raise InvalidError(
                f"model {registration.model[:80]!r}: Vertex AI wants an id of a-z, 0-9, _ and -, at most 63"
            )
        labels = _labels(registration)
        known = self._default_version(registration.model)
        token = hashlib.sha256(registration.token.encode()).hexdigest()[:32] if registration.token else ""
        made = self._registered(registration.model, token) if known is not None and token else None
        if made is None:
            made = self._upload(registration, known, token)
        missing = {k: v for k, v in labels.items() if k not in made.labels}
        if missing:
            self._write_labels(version_key(made), missing, made.etag)
            made = self._reader.version(registration.model, made.version_id)
        return to_version(self._place, made, self._reader.origins(made))

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        try:
            record = self.get(key)
            if not isinstance(record, ModelRecord | VersionRecord):
                raise InvalidError("endpoints are not deleted here: undeploy in Vertex AI itself")
            _compare(record, etag)
            resource, version = split_key(key)
            method = "delete_model_version" if version else "delete_model"
            self._client.finish(method, name=self._place.model(resource, version))
        except NotFoundError:
            return

    def observe(self, observer: Observer) -> None:
        self._client.observer = observer

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.close()
        self._client.close()

    def _versions(self, key: Key) -> list[Any]:
        """Every version of the model of a key. Errors: NotFoundError, for another incarnation too."""
        versions = self._reader.versions(split_key(key)[0])
        _check_incarnation(key, model_key(versions[0]))
        return versions

    def _version(self, key: Key) -> Any:
        resource, version = split_key(key)
        message = self._reader.version(resource, version)
        _check_incarnation(key, version_key(message))
        return message

    def _labelled(self, key: Key) -> ModelRecord | VersionRecord:
        record = self.get(key)
        if not isinstance(record, ModelRecord | VersionRecord):
            raise InvalidError("labels of endpoints are not written here")
        return record

    def _write_labels(self, key: Key, tags: Mapping[str, str | None], etag: str) -> None:
        resource, version = split_key(key)
        name = self._place.model(resource, version)
        versions = self._versions(key) if not version else self._reader.versions(resource)
        shown = shown_by(versions)
        before = {version: shown[version]} if version in shown else shown

        def write(labels: dict[str, str]) -> dict[str, dict[str, str]]:
            nonlocal etag
            model = self._client.sdk.v1.Model(name=name, labels=labels, etag=etag)
            mask = self._client.sdk.field_mask.FieldMask(paths=["labels"])
            answer = self._client.write("Model", "update_model", model=model, update_mask=mask)
            etag = answer.etag
            return shown_by([answer] if version else self._reader.versions(resource))

        replace_labels(own_labels(shown, version), tags, before, write)

    def _default_version(self, model_id: str) -> Any:
        try:
            return self._client.read("Model", "get_model", name=self._place.model(model_id))
        except NotFoundError:
            return None

    def _registered(self, model_id: str, token: str) -> Any:
        """The version that was uploaded with this token, or None. Labels of the first version may be the
        model's, which every later version shows: the lowest number is the one.
        """
        rows = self._client.read_all(
            "Model",
            "list_model_versions",
            "models",
            name=self._place.model(model_id),
            filter=f"labels.{TOKEN_LABEL}={token}",
        )
        return min(rows, key=version_number, default=None)

    def _upload(self, registration: Registration, known: Any, token: str) -> Any:
        """Create the version. The labels of a new model would show on all its versions, so only the token
        is among them; the others are written to the version afterwards.
        """
        labels = {TOKEN_LABEL: token} if token else {}
        run = registration.run_id or ""
        model = self._client.sdk.v1.Model(
            display_name=known.display_name if known is not None else registration.model,
            artifact_uri=registration.source,
            version_description=registration.description or "",
            labels=labels if known is None else labels | _labels(registration),
            pipeline_job=run if _PIPELINE in run else "",
        )
        if self.config.serving_container:
            model.container_spec.image_uri = self.config.serving_container
        elif known is not None and known.HasField("container_spec"):
            model.container_spec = known.container_spec
        target: dict[str, str] = {"model_id": registration.model}
        if known is not None:
            target = {"parent_model": self._place.model(registration.model)}
        done = self._client.finish("upload_model", parent=self._place.parent, model=model, **target)
        return self._reader.version(registration.model, done.model_version_id)


def _labels(registration: Registration) -> dict[str, str]:
    """The labels a registration asks for. Raises InvalidError for a run that Vertex AI has no place for."""
    run = registration.run_id or ""
    if not run or _PIPELINE in run:
        return dict(registration.tags)
    if not _LABEL_VALUE.fullmatch(run):
        raise InvalidError(
            f"run {run[:80]!r}: Vertex AI stores a pipeline job, or a label of a-z, 0-9, _ and -"
        )
    return {**registration.tags, "run_id": run}


def _check_incarnation(wanted: Key, found: Key) -> None:
    if wanted != found:
        raise NotFoundError(f"{wanted.kind} {wanted.native_id} does not exist: another one has its name now")


def _compare(record: ModelRecord | VersionRecord, etag: str | None) -> None:
    if etag is not None and record.etag != etag:
        raise ConflictError(
            f"{record.key.kind} {record.key.native_id} has changed since it was read: read it again"
        )
