"""Single models with their versions, as scans and `get` read them."""

from collections.abc import Iterator

from adapters.azureml.client import AzuremlClient
from adapters.azureml.keys import of_model, path, split
from adapters.azureml.records import to_model, to_version
from adapters.errors import BadRecordError, NotFoundError
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.scanning import attempt
from adapters.whole import WholeModel, read_whole


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: AzuremlClient) -> None:
        self.api = api
        self._failures = Failures()

    def record(self, key: Key) -> ModelRecord | VersionRecord:
        """A model or version as it is now."""
        at = split(key)
        raw = self.api.one(path(at))
        found = to_model(raw) if at.version is None else to_version(self.api.config, at, raw)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {at.name} does not exist: another one has its name")
        return found

    def registered(self, model: str, raw: Raw) -> VersionRecord:
        """A version of a model, as its own answer tells it."""
        return to_version(self.api.config, of_model(self.api.one(f"/models/{model}")), raw)

    def rows(self) -> Iterator[list[Raw]]:
        """Pages of all models, as they are listed."""
        return self.api.models()

    def key(self, row: Raw) -> Key:
        """The key of a model that is listed."""
        return of_model(row).model

    def whole(self, row: Raw) -> WholeModel | None:
        """A model that was listed, with its versions; None where it was deleted meanwhile."""
        at = of_model(row)

        def versions(found: WholeModel) -> None:
            found.versions = list(self.api.versions(path(at)))

        return read_whole(row, at.name, {"versions": versions}, self._failures)

    def records(self, found: WholeModel) -> Iterator[ModelRecord | VersionRecord | BadRecordError]:
        """The model, then its versions."""
        yield (model := attempt(to_model, found.row))
        for raw in () if isinstance(model, BadRecordError) else found.versions:
            yield attempt(to_version, self.api.config, of_model(found.row), raw)
