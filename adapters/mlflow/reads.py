"""Single things, as `get` reads them, and what the files of one version say."""

from collections.abc import Iterator
from dataclasses import replace

from adapters.errors import BadRecordError, NotFoundError, TransientError
from adapters.http import TooLargeError
from adapters.kept import Kept
from adapters.mlflow.client import PROMPT_TAG, MlflowClient
from adapters.mlflow.keys import NOW, model_id, version_id
from adapters.mlflow.lineage import OriginReader
from adapters.mlflow.records import Translator, model_identity, version_identity
from adapters.mlflow.schema import parse_mlmodel
from adapters.mlflow.software import of_conda, of_requirements
from adapters.parsing import BOUNDS
from adapters.payloads import Raw
from adapters.records import Details, Environment, Key, ModelRecord, Unread, VersionRecord

OF_FILES = ("environment", "framework", "schema")
"""What a version's files say."""
AT_ONCE = 200
"""Versions of a model that are listed at once."""
MOST_DETAILS = 512
"""Details kept, by artifact URI: an artifact never changes."""


class Reader:
    """Reads single things. Errors: any `AdapterError`."""

    def __init__(self, api: MlflowClient, translate: Translator, origins: OriginReader) -> None:
        self._api, self._translate, self._origins = api, translate, origins
        self._kept: Kept[str, Details] = Kept(MOST_DETAILS)

    def record(self, key: Key) -> ModelRecord | VersionRecord:
        """One model or version. Errors: `NotFoundError`, for another incarnation too."""
        match key.kind:
            case "model":
                return self.model(key)
            case "version":
                return self.version(key)
            case _:
                raise NotFoundError(f"{key.kind} {key.native_id} does not exist: MLflow has none")

    def model(self, key: Key) -> ModelRecord:
        """One model, as `record`."""
        wanted = model_id(key)
        raw = self._api.model(wanted.name)
        if not wanted.is_met_by(model_identity(raw)):
            raise NotFoundError(f"model {wanted.name} was deleted, and another created under its name")
        return self._translate.model(raw)

    def named(self, name: str) -> ModelRecord:
        """The model that has a name now. Errors: `NotFoundError`."""
        return self._translate.model(self._api.model(name))

    def versions(self, model: ModelRecord) -> Iterator[VersionRecord]:
        """All versions of a model."""
        identity, token = model_id(model.key), None
        quote = '"' if "'" in model.name else "'"
        while True:
            found = self._api.versions(where=f"name = {quote}{model.name}{quote}", token=token, size=AT_ONCE)
            origins = self._origins.read(found.rows)
            for raw in found.rows:
                yield self._translate.version(raw, version_identity(raw, identity), origins[raw])
            if found.next is None or found.next == token:
                return
            token = found.next

    def version(self, key: Key) -> VersionRecord:
        """One version, as `record`."""
        wanted = version_id(key)
        model = wanted.model
        if model.created == NOW:
            model = model_identity(self._api.model(model.name))
        raw = self._api.version(model.name, wanted.version)
        found = version_identity(raw, model)
        if not wanted.is_met_by(found):
            gone = f"version {model.name}:{wanted.version}"
            raise NotFoundError(f"{gone} was deleted, and another created under its name")
        return self._translate.version(raw, found, self._origins.read([raw])[raw])

    def made(self, name: str, raw: Raw) -> VersionRecord:
        """A version of the model of this name, as MLflow gives it."""
        model = model_identity(self._api.model(name))
        return self._translate.version(raw, version_identity(raw, model), self._origins.read([raw])[raw])

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
            found = self._kept.get(uri or "") or self._of_files(version)
        except (BadRecordError, TransientError) as error:
            if resolved is None or getattr(error, "retry_after", None) is not None:
                raise
            return Details(artifact_uri=resolved, unread=Unread(OF_FILES, str(error)))
        if uri is not None and found != Details():
            self._kept.keep(uri, found)
        return replace(found, artifact_uri=resolved)

    def _resolved(self, version: VersionRecord) -> str | None:
        """Where the files are of a version whose source only names another one, which may be gone by now."""
        wanted = version_id(version.key)
        return self._origins.address(wanted.model.name, wanted.version, wanted.created)

    def _of_files(self, version: VersionRecord) -> Details:
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
