"""The adapter's face: what the contract asks for, in MLflow's terms."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

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
    BadRecordError,
    InvalidError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from adapters.http import TooLargeError
from adapters.mlflow import snippets
from adapters.mlflow.client import PROMPT_TAG, MlflowClient
from adapters.mlflow.config import MlflowConfig
from adapters.mlflow.hidden import Hidden
from adapters.mlflow.keys import model_id, version_id
from adapters.mlflow.lineage import OriginReader
from adapters.mlflow.records import Translator, model_identity, version_identity
from adapters.mlflow.scan import Scan
from adapters.mlflow.schema import parse_mlmodel
from adapters.mlflow.software import of_conda, of_requirements
from adapters.mlflow.writes import Writer
from adapters.parsing import BOUNDS
from adapters.payloads import Raw, integer, text
from adapters.records import (
    Details,
    Environment,
    Key,
    Mark,
    ModelRecord,
    Record,
    Unread,
    VersionRecord,
    Watermark,
)
from adapters.scanning import paged
from adapters.writing import digest, has_alias, has_stage, has_tags, remove, settle

OF_FILES = ("environment", "framework", "schema")
"""What a version's files say."""
MOST_DETAILS = 512
"""Details kept, by artifact URI: an artifact never changes."""


class MlflowAdapter(Adapter):
    """Speaks to one MLflow server, or one workspace of it.

    Which change is seen when. MLflow orders its listings by the time of the last change but cannot filter
    by it, and not every change counts as one:

    - every scan: new and deleted models, model descriptions, model tags, aliases (all models are listed each
      time); new and deleted versions, stages, renames (these bump the model or the version); version
      descriptions.
    - every scan, among the hundred versions that changed last: version tags.
    - a full scan only: version tags of the others, the metrics, parameters and tags of a run or logged model,
      and the descriptions of versions of prompts: MLflow counts none as a change, or lists them apart.

    A version that commits later than its own time says is still seen when that is within `overlap` seconds of
    the newest one, and by the next full scan otherwise.
    """

    kind: ClassVar[str] = "mlflow"
    contract: ClassVar[int] = 1
    reading: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = MlflowConfig
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    stage_fields: ClassVar[frozenset[StageField]] = frozenset({"stage"})
    quiet: ClassVar[frozenset[str]] = frozenset({"description", "metrics", "params", "tags"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:champion", "alias:production", "stage:Production"),
        "staging": ("alias:challenger", "alias:staging", "stage:Staging"),
        "archived": ("stage:Archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"stage": "None"}

    def __init__(self, config: MlflowConfig) -> None:
        self._api = MlflowClient(config)
        self._translate = Translator(config.url, config.workspace)
        self._origins = OriginReader(self._api)
        self._writes = Writer(self._api)
        self._hidden = Hidden(self._api)
        self._details: OrderedDict[str, Details] = OrderedDict()

    def __repr__(self) -> str:
        return f"MlflowAdapter({self._api.http.host})"

    def probe(self) -> BackendInfo:
        version = self._api.server_version()
        self._api.models(prompts=False, token=None, size=1)
        newest = self._api.versions(where=None, token=None, size=1).rows
        identity, unknown = self._identity()
        missing = [*unknown, *self._unreadable(newest[0] if newest else {})]
        # Until 169aa24 a server whose experiment 0 could not be read was known by its workspace alone.
        former = (f"mlflow:{digest([self._api.config.workspace])}",)
        return BackendInfo(version, identity, tuple(missing), former_identities=former)

    def scan(self, *, since: Watermark | None, limit: int, resume: Mark | None = None) -> Iterator[Page]:
        scan = Scan(self._api, self._translate, self._origins, self._hidden, since, resume)
        return paged(scan.found(), limit)

    def succeeds(self, new: Key, old: Key) -> bool:
        if new.kind != old.kind or new == old:
            return False
        if new.kind == "model":
            return model_id(new).created == model_id(old).created
        mine, other = version_id(new), version_id(old)
        return mine[:2] == other[:2] and mine.model.created == other.model.created

    def get(self, key: Key) -> Record:
        match key.kind:
            case "model":
                return self._model(key)
            case "version":
                return self._version(key)
            case _:
                raise NotFoundError(f"{key.kind} {key.native_id} does not exist: MLflow has none")

    def details(self, version: VersionRecord) -> Details:
        """Schema, framework and software from the version's files, and where the files of a copy are.

        Errors: any `AdapterError`, of which `BadRecordError` is for a file that cannot be read.
        """
        if version.tags.get(PROMPT_TAG) == "true":
            return Details()
        is_copy = any(parent.kind == "copy" for parent in version.lineage.parents)
        refers = is_copy or (version.artifact_uri or "").startswith("models:/")
        resolved = self._resolved(version) if refers else None
        uri = resolved if refers else version.artifact_uri
        try:
            found = self._details.get(uri or "") or self._read_details(version)
        except (BadRecordError, TransientError) as error:
            if resolved is None or getattr(error, "retry_after", None) is not None:
                raise
            return Details(artifact_uri=resolved, unread=Unread(OF_FILES, str(error)))
        if uri is not None and found != Details():
            self._details[uri] = found
            if len(self._details) > MOST_DETAILS:
                self._details.popitem(last=False)
        return replace(found, artifact_uri=resolved)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, model, version)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> VersionRecord:
        if field != "stage":
            raise InvalidError(f"MLflow has no {field}: write its `stage`")
        return settle(
            self._version, key, has_stage(field, value), lambda now: self._writes.stage(key, value), etag
        )

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        return settle(
            self._model,
            key,
            has_alias(alias, version),
            lambda now: self._writes.point(key, alias, version),
            etag,
        )

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self._tagged, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def register(self, registration: Registration) -> VersionRecord:
        made = self._writes.register(registration)
        identity = version_identity(made, model_identity(self._api.model(registration.model)))
        return self._translate.version(made, identity, self._origins.read([made])[made])

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self._tagged, key, lambda now: self._writes.remove(key), etag)

    def observe(self, observer: Observer) -> None:
        self._api.observe(observer)

    def close(self) -> None:
        self._api.http.close()

    def _tagged(self, key: Key) -> ModelRecord | VersionRecord:
        return self._model(key) if key.kind == "model" else self._version(key)

    def _model(self, key: Key) -> ModelRecord:
        wanted = model_id(key)
        raw = self._api.model(wanted.name)
        if model_identity(raw) != wanted:
            raise NotFoundError(f"model {wanted.name} was deleted, and another created under its name")
        return self._translate.model(raw)

    def _version(self, key: Key) -> VersionRecord:
        wanted = version_id(key)
        raw = self._api.version(wanted.model.name, wanted.version)
        if version_identity(raw, wanted.model) != wanted:
            gone = f"version {wanted.model.name}:{wanted.version}"
            raise NotFoundError(f"{gone} was deleted, and another created under its name")
        return self._translate.version(raw, wanted, self._origins.read([raw])[raw])

    def _resolved(self, version: VersionRecord) -> str | None:
        """Where the files are of a version whose source only names another one, which may be gone by now."""
        wanted = version_id(version.key)
        return self._origins.address(wanted.model.name, wanted.version, wanted.created)

    def _read_details(self, version: VersionRecord) -> Details:
        file = self._file(version, "MLmodel")
        if file is None:
            return Details()
        found = parse_mlmodel(file)
        made_with = found.environment or Environment()
        return replace(found, environment=self._software(version, made_with.python))

    def _software(self, version: VersionRecord, python: str | None) -> Environment | None:
        """The libraries in the file of requirements or, of an older model, in conda's."""
        found = None
        if (file := self._file(version, "requirements.txt")) is not None:
            found = of_requirements(file)
        elif (file := self._file(version, "conda.yaml")) is not None:
            found = of_conda(file)
        if found is None:
            return Environment(python=python) if python else None
        return replace(found, python=python or found.python)

    def _file(self, version: VersionRecord, path: str) -> bytes | None:
        wanted = version_id(version.key)
        try:
            return self._api.artifact(wanted.model.name, wanted.version, path, BOUNDS.size)
        except NotFoundError:
            return None
        except TooLargeError:
            raise BadRecordError(
                f"its {path} file is larger than {BOUNDS.size >> 20} MiB: it is not read"
            ) from None

    def _identity(self) -> tuple[str | None, tuple[str, ...]]:
        """MLflow has no id of its own; the creation of its first experiment stays with its database for as long as
        that experiment does. Whoever cannot read it does not know which server answers.
        """
        workspace = self._api.config.workspace
        try:
            created = integer(self._api.first_experiment().get("creation_time"))
        except RejectedError:
            created = None
        if created is None:
            where = " of the default workspace" if workspace else ""
            return None, (
                f"experiment 0{where} cannot be read: another server at the same address would go unnoticed",
            )
        return f"mlflow:{digest([created, workspace])}", ()

    def _unreadable(self, version: Raw) -> tuple[str, ...]:
        run = text(version, "run_id")
        if run is None:
            return ()
        try:
            self._api.run(run)
        except AuthError as error:
            return (f"runs cannot be read, so versions come without commit, datasets and metrics ({error})",)
        except NotFoundError:
            return ()
        return ()
