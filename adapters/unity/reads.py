"""Single models with their aliases and versions, as scans and `get` read them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.errors import AdapterError, BadRecordError, NotFoundError, TransientError
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, ModelRecord, Record, VersionRecord
from adapters.scanning import attempt
from adapters.unity.client import UnityClient, of
from adapters.unity.keys import of_model, split
from adapters.unity.records import to_model, to_version


@dataclass(slots=True)
class WholeModel:
    """What was read of a model; `aliases_unread` and `versions_unread` say why that is not known, which may pass."""

    row: Raw
    versions: list[Raw] = field(default_factory=list)
    aliases_unread: str | None = None
    versions_unread: str | None = None
    may_pass: bool = False


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: UnityClient) -> None:
        self.api = api
        self.failures = Failures()

    @property
    def page(self) -> str | None:
        """Where models are shown: Databricks does."""
        return self.api.config.url if self.api.has_aliases else None

    def record(self, key: Key) -> Record:
        """A model or version as it is now."""
        at = split(key)
        if not self.api.config.reads(at.name):
            raise NotFoundError(f"{at.name} does not belong to this registry: see `places`")
        found: Record
        if at.version is None:
            found = to_model(self.api.model(at.name), self.page)
        else:
            found = to_version(at, self.api.object("GET", of(at.name, f"/versions/{at.version}")), self.page)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {at.name} does not exist: another one has its name")
        return found

    def whole(self, row: Raw) -> WholeModel | None:
        """A model that was listed, with its aliases and versions; None where it was deleted meanwhile. What cannot be
        read of it is unknown, and hides nothing else.
        """
        name, found = of_model(row).name, WholeModel(row)
        try:
            if self.api.has_aliases:
                try:
                    found.row = self.api.model(name)
                except AdapterError as error:
                    found.aliases_unread = self._passed_over(found, name, error)
            try:
                found.versions = list(self.api.versions(name))
                self.failures.succeeded()
            except AdapterError as error:
                found.versions_unread = self._passed_over(found, name, error)
        except NotFoundError:
            return None
        return found

    def records(self, found: WholeModel) -> Iterator[ModelRecord | VersionRecord | BadRecordError]:
        """The model, then its versions."""
        yield (model := attempt(to_model, found.row, self.page, found.aliases_unread))
        for raw in () if isinstance(model, BadRecordError) else found.versions:
            yield attempt(to_version, of_model(found.row), raw, self.page)

    def _passed_over(self, found: WholeModel, name: str, error: AdapterError) -> str:
        if isinstance(error, NotFoundError):
            raise error
        found.may_pass |= isinstance(error, TransientError)
        return f"{name} cannot be read whole: {self.failures.passed_over(error)}"
