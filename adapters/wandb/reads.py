"""Collections and what is linked to them: all of them, and single ones, as `get` reads them."""

from collections.abc import Iterator

from adapters.errors import AuthError, BadRecordError, NotFoundError
from adapters.keys import KeyParts
from adapters.payloads import Raw, text
from adapters.records import Key, ModelRecord, VersionRecord
from adapters.scanning import Ahead, attempt
from adapters.wandb.client import COLLECTIONS, LINKS, REGISTRIES, WandbClient
from adapters.wandb.keys import of_collection, of_link, split
from adapters.wandb.records import aliases_of, to_model, to_version, words_of


class Reader:
    """Reads an organisation. Errors of every method: any `AdapterError`."""

    def __init__(self, api: WandbClient) -> None:
        self.api = api

    def everything(self) -> Iterator[ModelRecord | VersionRecord | BadRecordError | None]:
        """All that is linked is listed, then the collections, with its aliases; None while an answer is awaited."""
        links: list[Raw] = []
        for page in Ahead(self.api.listed(LINKS)).awaited():
            if page is None:
                yield None
            else:
                links += page
        aliases = aliases_of(links)
        for page in Ahead(self.api.listed(COLLECTIONS)).awaited():
            for raw in page or ():
                yield attempt(to_model, raw, aliases.get(str(raw.get("id")), {}))
            if page is None:
                yield None
        for raw in links:
            yield attempt(to_version, self.api.config, raw)

    def record(self, key: Key) -> ModelRecord | VersionRecord:
        """A model or version as it is now."""
        at = split(key)
        return self._model(at) if at.version is None else to_version(self.api.config, self.link(at))

    def link(self, at: KeyParts) -> Raw:
        """The link that a version is."""
        for raw in self.links(at):
            if text(raw, "id") == at.version_id and of_link(raw) == at:
                return raw
        raise self._absent(at)

    def made(self, name: str, alias: str) -> VersionRecord | None:
        """What is linked to the collection REGISTRY/NAME under an alias."""
        registry, _, collection = name.partition("/")
        found = (raw for page in self.api.listed(LINKS, registry, collection) for raw in page)
        return next((to_version(self.api.config, raw) for raw in found if alias in words_of(raw)), None)

    def links(self, at: KeyParts) -> list[Raw]:
        """Everything that is linked to a collection."""
        pages = self.api.listed(LINKS, *at.name.split("/"))
        return [raw for page in pages for raw in page if text(raw, "artifactCollection", "id") == at.id]

    def _model(self, at: KeyParts) -> ModelRecord:
        for page in self.api.listed(COLLECTIONS, *at.name.split("/")):
            for raw in page:
                if text(raw, "id") == at.id and of_collection(raw) == at:
                    return to_model(raw, aliases_of(self.links(at)).get(at.id, {}))
        raise self._absent(at)

    def look_for(self, registry: str) -> None:
        """Errors: `AuthError` where this registry is not shown."""
        if not any(page for page in self.api.listed(REGISTRIES, registry)):
            raise AuthError(f"registry {registry} is not shown: it is gone, or this key may not see it")

    def _absent(self, at: KeyParts) -> NotFoundError:
        """That its registry is shown, and it is not in it, is the proof."""
        registry = at.name.partition("/")[0]
        if not self.api.config.registries or registry in self.api.config.registries:
            self.look_for(registry)
        return NotFoundError(f"{at.name} does not exist")
