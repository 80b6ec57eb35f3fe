"""Single models with their aliases, tags and versions, as scans and `get` read them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from adapters.errors import AdapterError, BadRecordError, NotFoundError, TransientError
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, ModelRecord, Record, Unread, VersionRecord
from adapters.scanning import attempt
from adapters.unity.client import UnityClient, at
from adapters.unity.keys import NativeId, of_model, of_version, split
from adapters.unity.records import to_model, to_version


@dataclass(slots=True)
class WholeModel:
    """What was read of a model. `unread` says by the name of what was asked for why it is not known, which may pass."""

    row: Raw
    versions: list[Raw] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    may_pass: bool = False

    def without(self, *asked: str) -> Unread | None:
        """What of this is not known."""
        names = tuple(name for name in asked if name in self.unread)
        native = tuple(f"native.{name}" for name in names)
        return Unread(names + native, self.unread[names[0]]) if names else None


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: UnityClient) -> None:
        self.api = api
        self.failures = Failures()

    @property
    def page(self) -> str | None:
        """Where models are shown: Databricks does."""
        return self.api.config.url if self.api.is_databricks else None

    def record(self, key: Key) -> Record:
        """A model or version as it is now."""
        native = split(key)
        if not self.api.config.reads(native.name):
            raise NotFoundError(f"{native.name} does not belong to this registry: see `places`")
        found: Record
        if native.version is None:
            found = to_model(self._tagged(native, self.api.model(native.name)), self.page)
        else:
            found = to_version(native, self._tagged(native, self.api.object("GET", at(native))), self.page)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {native.name} does not exist: another one has its name")
        return found

    def whole(self, row: Raw) -> WholeModel | None:
        """A model that was listed, with its aliases, tags and versions; None where it was deleted meanwhile. What
        cannot be read of it is unknown, and hides nothing else.
        """
        model, found = of_model(row), WholeModel(row)

        def aliases() -> None:
            found.row = self.api.model(model.name)

        def versions() -> None:
            found.versions = list(self.api.versions(model.name))

        def tags() -> None:
            found.row = self._tagged(model, found.row)
            found.versions = [self._tagged(of_version(model, raw), raw) for raw in found.versions]

        try:
            if self.api.is_databricks:
                self._read(found, "aliases", aliases)
            self._read(found, "versions", versions)
            if self.api.has_tags:
                self._read(found, "tags", tags)
        except NotFoundError:
            return None
        return found

    def records(self, found: WholeModel) -> Iterator[ModelRecord | VersionRecord | BadRecordError]:
        """The model, then its versions."""
        yield (model := attempt(to_model, found.row, self.page, found.without("aliases", "tags")))
        for raw in () if isinstance(model, BadRecordError) else found.versions:
            yield attempt(to_version, of_model(found.row), raw, self.page, found.without("tags"))

    def of_model(self, model: NativeId) -> list[Record]:
        """A model and its versions as they are now."""
        rows = self.api.versions(model.name)
        return [self.record(model.model), *(self.record(of_version(model, raw).key) for raw in rows)]

    def _tagged(self, native: NativeId, raw: Raw) -> Raw:
        return {**raw, "tags": self.api.tags(native.name, native.version)} if self.api.has_tags else raw

    def _read(self, found: WholeModel, what: str, read: Callable[[], None]) -> None:
        try:
            read()
            self.failures.succeeded()
        except NotFoundError:
            raise
        except AdapterError as error:
            found.may_pass |= isinstance(error, TransientError)
            name, why = of_model(found.row).name, self.failures.passed_over(error)
            found.unread[what] = f"{name} cannot be read whole: {why}"
