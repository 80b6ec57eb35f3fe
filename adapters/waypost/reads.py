"""Single things, as scans and `get` read them: which registries are read, and one record."""

from adapters.errors import InvalidError, NotFoundError
from adapters.records import Key, Record
from adapters.waypost.client import InnerRegistry, WaypostClient, absence
from adapters.waypost.keys import inner
from adapters.waypost.records import InnerRecords


class Reader:
    """Reads one thing. Errors of every method: any `AdapterError`."""

    def __init__(self, api: WaypostClient) -> None:
        self.api = api
        self._known: dict[str, InnerRegistry] = {}

    def registries(self) -> list[InnerRegistry]:
        """The registries that are read."""
        _, found = self.api.gateway()
        self._known = {one.name: one for one in found}
        return [one for one in found if one.is_read]

    def record(self, key: Key) -> Record:
        """A model, version or endpoint as it is now."""
        name, known = inner(key)
        registry = self._registry(name)
        wanted = self.api.config.registries
        if not registry.is_read or (wanted and name not in wanted):
            raise NotFoundError(f"registry {name} of {self.api.http.host} is not read here")
        page = self.api.one(name, known)
        found: Record
        made = InnerRecords(registry)
        match key.kind:
            case "model" if page.models:
                found = made.model(page.models[0])
            case "version" if page.versions:
                found = made.version(page.versions[0])
            case "endpoint" if page.endpoints:
                found = made.endpoint(page.endpoints[0])
            case _:
                raise absence(self.api.http.host, name, page, known)
        if found.key != key:
            raise InvalidError(f"{self.api.http.host} answered with another record than was asked for")
        return found

    def succeeds(self, new: Key, old: Key) -> bool:
        """Whether the registry of the one was called like that of the other."""
        (name, known), (former, before) = inner(new), inner(old)
        registry = self._known.get(name)
        return registry is not None and former in registry.former_names and known == before

    def _registry(self, name: str) -> InnerRegistry:
        """What is known of a registry, asked for once more where it is new."""
        if name not in self._known:
            self.registries()
        return self._known.get(name) or InnerRegistry(name, "", "", "", None, ())
