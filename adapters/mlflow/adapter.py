"""The adapter's face: what the contract asks for, in MLflow's terms."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.contract import Adapter, AdapterConfig, BackendInfo, Observer, Page
from adapters.errors import AuthError, NotFoundError, RejectedError
from adapters.mlflow.api import MlflowApi, Raw
from adapters.mlflow.config import MlflowConfig
from adapters.mlflow.keys import model_id, version_id
from adapters.mlflow.scan import Scan, read_origins
from adapters.mlflow.translate import Translator, digest, integer, model_identity, text, version_identity
from adapters.records import Key, ModelRecord, PageToken, Record, VersionRecord, Watermark

DEFAULT_EXPERIMENT = "0"


class MlflowAdapter(Adapter):
    """Speaks to one MLflow server, or one workspace of it.

    Which change is seen when. MLflow orders its listings by the time of the last change but cannot filter
    by it, and not every change counts as one:

    - every scan: new and deleted models, model descriptions, model tags, aliases (all models are listed each
      time); new and deleted versions, stages, renames (these bump the model or the version); version
      descriptions.
    - a full scan only: version tags, the metrics, parameters and tags of a run or logged model, and the
      descriptions of versions of prompts: MLflow counts none of them as a change, or lists them apart.

    A version that commits later than its own time says is still seen when that is within `overlap` seconds of
    the newest one, and by the next full scan otherwise.
    """

    kind: ClassVar[str] = "mlflow"
    contract: ClassVar[int] = 1
    config_type: ClassVar[type[AdapterConfig]] = MlflowConfig
    stage_rules: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "production": ("alias:champion", "alias:production", "stage:Production"),
        "staging": ("alias:challenger", "alias:staging", "stage:Staging"),
        "archived": ("stage:Archived",),
    }

    def __init__(self, config: MlflowConfig) -> None:
        self._api = MlflowApi(config)
        self._translate = Translator(config.url, config.workspace)
        self._scan = Scan(self._api, self._translate)

    def __repr__(self) -> str:
        return f"MlflowAdapter({self._api.http.host})"

    def probe(self) -> BackendInfo:
        version = self._api.server_version()
        self._api.models(prompts=False, token=None, size=1)
        newest = self._api.versions(where=None, token=None, size=1).rows
        identity, unknown = self._identity()
        missing = [*unknown, *self._unreadable(newest[0] if newest else {})]
        return BackendInfo(version=version, identity=identity, missing=tuple(missing))

    def scan(self, *, since: Watermark | None, page: PageToken | None, limit: int) -> Page:
        return self._scan.page(since, page, limit)

    def get(self, key: Key) -> Record:
        match key.kind:
            case "model":
                return self._model(key)
            case "version":
                return self._version(key)
            case _:
                raise NotFoundError(f"{key.kind} {key.native_id} does not exist: MLflow has none")

    def observe(self, observer: Observer) -> None:
        self._api.observe(observer)

    def close(self) -> None:
        self._api.http.close()

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
        return self._translate.version(raw, wanted.model, read_origins(self._api, [raw]))

    def _identity(self) -> tuple[str, tuple[str, ...]]:
        """MLflow has no id of its own; the creation of its first experiment stays with its database."""
        workspace = self._api.config.workspace
        try:
            created = integer(self._api.experiment(DEFAULT_EXPERIMENT).get("creation_time"))
        except RejectedError:
            created = None
        if created is None:
            missing = "experiment 0 cannot be read: another server at the same address would go unnoticed"
            return f"mlflow:{digest(workspace)}", (missing,)
        return f"mlflow:{digest(created, workspace)}", ()

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
