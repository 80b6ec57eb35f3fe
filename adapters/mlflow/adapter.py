"""The adapter's face: what the contract asks for, in MLflow's terms."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from adapters.contract import (
    ArtifactFile,
    ArtifactRoom,
    ArtifactStream,
    BackendInfo,
    ByteSpan,
    Capability,
    NewModel,
    Page,
    Registration,
    Snippet,
    StageField,
)
from adapters.errors import (
    AuthError,
    NotFoundError,
    RejectedError,
)
from adapters.mlflow import notifications, room, snippets
from adapters.mlflow.client import MlflowClient
from adapters.mlflow.config import MlflowConfig
from adapters.mlflow.files import VersionFiles
from adapters.mlflow.hidden import Hidden
from adapters.mlflow.keys import ModelId, model_id, version_id
from adapters.mlflow.lineage import OriginReader
from adapters.mlflow.reads import Reader
from adapters.mlflow.records import Translator
from adapters.mlflow.scan import Scan
from adapters.mlflow.writes import Writer
from adapters.notifications import Notification
from adapters.payloads import Raw, integer, text
from adapters.records import (
    Details,
    Key,
    Mark,
    ModelRecord,
    Record,
    VersionRecord,
    Watermark,
)
from adapters.scanning import paged
from adapters.served import ServiceAdapter
from adapters.writing import (
    compare,
    digest,
    has_alias,
    has_tags,
    is_described,
    remove,
    settle,
    settle_stage,
)


class MlflowAdapter(ServiceAdapter):
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

    kind = "mlflow"
    contract = 1
    reading = 1
    config_type = MlflowConfig
    capabilities = frozenset(Capability) - {Capability.SET_TRAFFIC}
    stage_fields = frozenset({"stage"})
    full_scan_only = frozenset({"description", "metrics", "params", "tags"})
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:champion", "alias:production", "stage:Production"),
        "staging": ("alias:challenger", "alias:staging", "stage:Staging"),
        "archived": ("stage:Archived",),
    }
    fresh: ClassVar[Mapping[StageField, str] | None] = {"stage": "None"}
    _api: MlflowClient
    _reads: Reader

    def __init__(self, config: MlflowConfig) -> None:
        self._api = MlflowClient(config)
        self._translate = Translator(config.url, config.workspace)
        self._origins = OriginReader(self._api)
        self._writes = Writer(self._api)
        self._hidden = Hidden(self._api)
        self._reads = Reader(self._api, self._translate, self._origins)
        self._files = VersionFiles(self._api)

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
        return paged(scan.found(), limit, soon=since is not None)

    def succeeds(self, new: Key, old: Key) -> bool:
        if new.kind != old.kind or new == old:
            return False
        if new.kind == "model":
            return model_id(new).created == model_id(old).created
        mine, other = version_id(new), version_id(old)
        return mine[:2] == other[:2] and mine.model.created == other.model.created

    def changed(self, notification: Notification) -> Sequence[Key]:
        return notifications.changed(self._api.config, notification)

    def subscribe(self, address: str) -> str:
        return notifications.subscribe(self._api, address)

    def details(self, version: VersionRecord) -> Details:
        return self._reads.details(version)

    def snippets(self, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
        return snippets.snippets(self._api.config, model, version)

    def files_address(self, version: VersionRecord) -> str | None:
        return self._files.address(version)

    def list_files(self, version: VersionRecord, path: str) -> Sequence[ArtifactFile]:
        return self._files.listed(version, path)

    def open_file(
        self, version: VersionRecord, path: str, span: ByteSpan | None
    ) -> AbstractContextManager[ArtifactStream]:
        return self._files.opened(version, path, span)

    def room(self, model: str, token: str) -> ArtifactRoom:
        return room.room(self._api, model, token)

    def set_stage(self, key: Key, field: StageField, value: str, *, etag: str | None = None) -> VersionRecord:
        return settle_stage(self, key, field, value, lambda now: self._writes.stage(key, value), etag)

    def set_alias(self, key: Key, alias: str, version: str | None, *, etag: str | None = None) -> ModelRecord:
        return settle(
            self._reads.model,
            key,
            has_alias(alias, version),
            lambda now: self._writes.point(key, alias, version),
            etag,
        )

    def set_tags(self, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None) -> Record:
        return settle(self.get, key, has_tags(tags), lambda now: self._writes.tag(now, tags), etag)

    def register(self, registration: Registration) -> VersionRecord:
        return self._reads.made(registration.model, self._writes.register(registration))

    def create_model(self, model: NewModel) -> ModelRecord:
        self._writes.create(model)
        return self._reads.named(model.name)

    def rename(self, key: Key, name: str, *, etag: str | None = None) -> Sequence[Record]:
        former = model_id(key)
        try:
            now = self._reads.model(key)
        except NotFoundError:
            now = self._reads.model(ModelId(former.created, name).key)  # it was renamed before
        if now.name != name:
            compare(now, etag)
            self._writes.rename(former.name, name)
            now = self._reads.model(ModelId(former.created, name).key)
        return (now, *self._reads.versions(now))

    def describe(self, key: Key, text: str | None, *, etag: str | None = None) -> Record:
        return settle(self.get, key, is_described(text), lambda now: self._writes.describe(key, text), etag)

    def delete(self, key: Key, *, etag: str | None = None) -> None:
        remove(self.get, key, lambda now: self._writes.remove(key), etag)

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
