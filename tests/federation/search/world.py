"""A small catalogue in memory that the follower can read, and an index over it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters import Key, ModelRecord, VersionRecord
from federation.access import View
from federation.changes import FeedTrimmedError
from federation.search import lexicon
from federation.search.answer import Freshness
from federation.search.document import Document, document_of
from federation.search.fields import Living
from federation.search.freshness import RegistryFreshness
from federation.search.source import ChangeSet
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower

OF_LIVING = ("stage", "aliases", "bypassed", "changed_by", "approved_by")
"""What a document is told beside its record."""


def document(model: str, version: int | None = 1, **said: Any) -> Document:
    """A document with ids made of its names. `said` is what its record says; of its model, `title` and `type`."""
    registry = said.pop("registry", "fraud")
    number = abs(hash((registry, model))) % 1_000_000_007
    ids = {
        "registry_id": said.pop("registry_id", 1),
        "model_id": said.pop("model_id", number),
        "version_id": None if version is None else number * 1_000 + version,
    }
    return described(registry, said.pop("team", "risk"), model, version, **ids, **said)


def described(registry: str, team: str, model: str, version: int | str | None, **said: Any) -> Document:
    """The document of a version that says this; `registry_id`, `model_id` and `version_id` are its ids."""
    key = Key("model", model)
    ids = {
        name: said.pop(name, None) for name in ("registry_id", "model_id", "version_id", "created", "updated")
    }
    beside = {name: said.pop(name) for name in OF_LIVING if name in said}
    needs = said.pop("depends_on", ())
    of_model = {name: said.pop(name) for name in ("title", "type") if name in said}
    record = VersionRecord(key=Key("version", model), model=key, version=str(version), **said)
    of = Living(
        registry, team, ModelRecord(key=key, name=model, **of_model), record, empty=version is None, needs=needs,
        **beside,
    )  # fmt: skip
    return document_of(of, **ids)


@dataclass
class SearchWorld:
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

    def affected(self, after: int, limit: int) -> ChangeSet | None:
        """What the feed says after a position."""
        if after < self.kept or after > len(self.feed):
            raise FeedTrimmedError
        rows = self.feed[after : after + limit]
        models = frozenset(model for model, _ in rows if model is not None)
        registries = frozenset(registry for _, registry in rows if registry is not None)
        return ChangeSet(after + len(rows), models, registries) if rows else None

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

    def registries(self, view: View) -> list[RegistryFreshness]:
        """The registries that a view sees."""
        return [RegistryFreshness(id_, state) for id_, state in sorted(self.states.items()) if view.sees(id_)]

    def search(self, path: Path) -> Search:
        """The index of this world as it is now."""
        follower = IndexFollower(path, self)
        while follower.step():
            pass
        follower.close()
        found = Search(path, self.registries, lexicon.load())
        found.reload()
        return found
