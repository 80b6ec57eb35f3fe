"""A small catalogue in memory that the follower can read, and an index over it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.access import View
from federation.changes import FeedTrimmedError
from federation.search import synonyms
from federation.search.answer import Freshness
from federation.search.document import Document
from federation.search.engine import RegistryState, Search
from federation.search.follower import Affected, Follower


def document(model: str, version: int | None = 1, **fields: Any) -> Document:
    """A document with ids made of its names."""
    registry = fields.pop("registry", "fraud")
    number = abs(hash((registry, model))) % 1_000_000_007
    values: dict[str, Any] = {
        "registry_id": fields.pop("registry_id", 1),
        "model_id": fields.pop("model_id", number),
        "version_id": None if version is None else number * 1_000 + version,
        "registry": registry,
        "team": fields.pop("team", "risk"),
        "model": model,
        "version": None if version is None else str(version),
    }
    return Document(**values, **fields)


@dataclass
class World:
    """Documents by model, and a feed of what changed. `kept` is the oldest position that the feed still has."""

    held: dict[int, list[Document]] = field(default_factory=dict)
    feed: list[tuple[int | None, int | None]] = field(default_factory=list)
    kept: int = 0
    states: dict[int, Freshness] = field(default_factory=dict)

    def put(self, *documents: Document) -> None:
        """Replaces the models of these documents by them."""
        groups: dict[int, list[Document]] = {}
        for one in documents:
            groups.setdefault(one.model_id, []).append(one)
            self.states.setdefault(one.registry_id, Freshness(one.registry, "ok", None))
        self.held |= groups
        self.feed += [(model, None) for model in groups]

    def drop(self, model_id: int) -> None:
        """A model is gone."""
        self.held.pop(model_id, None)
        self.feed.append((model_id, None))

    def forget(self, registry_id: int) -> None:
        """A registry is gone with all it holds."""
        self.held = {model: held for model, held in self.held.items() if held[0].registry_id != registry_id}
        self.states.pop(registry_id, None)
        self.feed.append((None, registry_id))

    def affected(self, after: int, limit: int) -> Affected | None:
        """What the feed says after a position."""
        if after < self.kept or after > len(self.feed):
            raise FeedTrimmedError
        rows = self.feed[after : after + limit]
        models = frozenset(model for model, _ in rows if model is not None)
        registries = frozenset(registry for _, registry in rows if registry is not None)
        return Affected(after + len(rows), models, registries) if rows else None

    def models(self, ids: Collection[int]) -> Iterable[Document]:
        """Documents of these models."""
        return [one for id_ in sorted(ids) for one in self.held.get(id_, ())]

    def registry(self, registry_id: int) -> Iterable[Document]:
        """Documents of a registry."""
        return [one for held in self.held.values() for one in held if one.registry_id == registry_id]

    def names(self, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Name and team of these registries."""
        return {
            one.registry_id: (one.registry, one.team)
            for held in self.held.values()
            for one in held
            if one.registry_id in ids
        }

    def everything(self) -> tuple[int, Iterator[Document]]:
        """All documents, and the position of the feed."""
        return len(self.feed), iter([one for held in self.held.values() for one in held])

    def registries(self, view: View) -> list[RegistryState]:
        """The registries that a view sees."""
        return [RegistryState(id_, state) for id_, state in sorted(self.states.items()) if view.sees(id_)]

    def search(self, path: Path) -> Search:
        """The index of this world as it is now."""
        follower = Follower(path, self)
        while follower.step():
            pass
        follower.close()
        found = Search(path, self.registries, synonyms.load())
        found.reload()
        return found
