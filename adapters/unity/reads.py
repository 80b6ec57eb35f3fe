"""Single models with their aliases, tags and versions, as scans and `get` read them."""

from collections.abc import Iterator

from adapters.errors import BadRecordError, NotFoundError
from adapters.keys import KeyParts
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, ModelRecord, Record, VersionRecord
from adapters.scanning import attempt
from adapters.unity.client import UnityClient
from adapters.unity.keys import of_model, of_version, split
from adapters.unity.records import to_model, to_version
from adapters.whole import WholeModel, read_whole


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: UnityClient) -> None:
        self.api = api
        self._failures = Failures()

    @property
    def page(self) -> str | None:
        """Where models are shown: Databricks does."""
        return self.api.config.url if self.api.is_databricks else None

    def record(self, key: Key) -> Record:
        """A model or version as it is now."""
        native = split(key)
        if not self.api.config.reads(native.name):
            raise NotFoundError(f"{native.name} does not belong to this registry: see `places`")
        raw = self._tagged(native, self.api.one(native))
        is_model = native.version is None
        found = to_model(raw, self.page) if is_model else to_version(native, raw, self.page)
        if found.key != key:
            raise NotFoundError(f"{key.kind} {native.name} does not exist: another one has its name")
        return found

    def rows(self) -> Iterator[list[Raw]]:
        """Pages of all models, as they are listed."""
        return self.api.models()

    def key(self, row: Raw) -> Key | None:
        """The key of a model that is listed; None: it is in none of the `places`."""
        native = of_model(row)
        return native.model if self.api.config.reads(native.name) else None

    def whole(self, row: Raw) -> WholeModel | None:
        """A model that was listed, with its aliases, tags and versions; None where it was deleted meanwhile."""
        model = of_model(row)

        def aliases(found: WholeModel) -> None:
            found.row = self.api.one(model)

        def versions(found: WholeModel) -> None:
            found.versions = list(self.api.versions(model.name))

        def tags(found: WholeModel) -> None:
            found.row = self._tagged(model, found.row)
            tagged = (self._with_tags(model, raw) for raw in found.versions)
            found.versions = [raw for raw in tagged if raw is not None]

        reads = {"aliases": aliases} if self.api.is_databricks else {}
        reads |= {"versions": versions} | ({"tags": tags} if self.api.has_tags else {})
        return read_whole(row, model.name, reads, self._failures)

    def records(self, found: WholeModel) -> Iterator[ModelRecord | VersionRecord | BadRecordError]:
        """The model, then its versions."""
        yield (model := attempt(to_model, found.row, self.page, found.without("aliases", "tags")))
        for raw in () if isinstance(model, BadRecordError) else found.versions:
            yield attempt(to_version, of_model(found.row), raw, self.page, found.without("tags"))

    def of_model(self, model: KeyParts) -> list[Record]:
        """A model and its versions as they are now."""
        rows = self.api.versions(model.name)
        return [self.record(model.model), *(self.record(of_version(model, raw).key) for raw in rows)]

    def _with_tags(self, model: KeyParts, raw: Raw) -> Raw | None:
        """A version that was listed; None where it was deleted meanwhile. That one has no key is said by its record."""
        try:
            return self._tagged(of_version(model, raw), raw)
        except BadRecordError:
            return raw
        except NotFoundError:
            return None

    def _tagged(self, native: KeyParts, raw: Raw) -> Raw:
        return {**raw, "tags": self.api.tags(native.name, native.version)} if self.api.has_tags else raw
