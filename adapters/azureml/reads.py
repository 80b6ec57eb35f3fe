"""Single models with their versions, as scans and `get` read them."""

from dataclasses import dataclass, field

from adapters.azureml.client import AzuremlClient
from adapters.azureml.keys import of_model, split
from adapters.azureml.records import to_model, to_version
from adapters.errors import AdapterError, NotFoundError, TransientError
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, ModelRecord, VersionRecord


@dataclass(slots=True)
class WholeModel:
    """What was read of a model; `versions_unread` says why its versions are not known, which may pass."""

    row: Raw
    versions: list[Raw] = field(default_factory=list)
    versions_unread: str | None = None
    may_pass: bool = False


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: AzuremlClient) -> None:
        self.api = api
        self.failures = Failures()

    def record(self, key: Key) -> ModelRecord | VersionRecord:
        """A model or version as it is now."""
        at = split(key)
        raw = self.api.one(at.path)
        found = to_model(raw) if at.version is None else to_version(self.api.config, at, raw)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {at.name} does not exist: another one has its name")
        return found

    def registered(self, model: str, raw: Raw) -> VersionRecord:
        """A version of a model, as its own answer tells it."""
        return to_version(self.api.config, of_model(self.api.one(f"/models/{model}")), raw)

    def whole(self, row: Raw) -> WholeModel | None:
        """A model that was listed, with its versions; None where it was deleted meanwhile. What cannot be read of it is
        unknown, and hides nothing else.
        """
        at, found = of_model(row), WholeModel(row)
        try:
            found.versions = list(self.api.versions(at.path))
            self.failures.succeeded()
        except NotFoundError:
            return None
        except AdapterError as error:
            found.may_pass = isinstance(error, TransientError)
            found.versions_unread = (
                f"versions of {at.name} cannot be read: {self.failures.passed_over(error)}"
            )
        return found
