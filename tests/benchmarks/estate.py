"""A made-up federation of any size, the same for everyone: 300 registries, ten versions a model, skewed words."""

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any

from federation.search.document import Document
from federation.search.source import ChangeSet
from tests.federation.search.world import described

REGISTRIES = 300
TEAMS = 40
VERSIONS_PER_MODEL = 10
COMMON = "fraud"
"""The word that a tenth of the models have."""
WORDS = 20_000
TASKS = ("classification", "regression", "ranking", "embedding", "generation", "segmentation", "forecasting")
FRAMEWORKS = ("sklearn", "xgboost", "pytorch", "tensorflow", "lightgbm", "onnx")
LICENSES = ("apache-2.0", "mit", "proprietary", "")
STAGES = ("none",) * 12 + ("archived",) * 4 + ("staging",) * 3 + ("production",)
START = datetime(2023, 1, 1, tzinfo=UTC)
_SYLLABLES = [
    left + right for left in "bdfgklmnprstvz" for right in ("a", "e", "i", "o", "u", "ar", "en", "is")
]


def registry_name(id_: int) -> str:
    """What a registry is called."""
    return f"registry-{id_:03}"


def team_name(registry_id: int) -> str:
    """Whose a registry is."""
    return f"team-{registry_id % TEAMS:02}"


@dataclass
class Federation:
    """`versions` versions in all. Two of the same size are equal. A `Source` of the index, at a fixed position."""

    versions: int
    position: int = 1
    changed: dict[int, int] = field(default_factory=dict)
    """Models that were written again, with the position of that."""

    @property
    def models_count(self) -> int:
        return max(self.versions // VERSIONS_PER_MODEL, 1)

    @cached_property
    def words(self) -> list[str]:
        """Most frequent first."""
        chance = random.Random(7)
        found: dict[str, None] = {}
        while len(found) < WORDS:
            found["".join(chance.choices(_SYLLABLES, k=chance.choice((2, 3, 3, 4))))] = None
        return list(found)

    @cached_property
    def _weights(self) -> list[float]:
        return list(accumulate(1 / (rank + 3) for rank in range(WORDS)))

    @cached_property
    def _registry_weights(self) -> list[float]:
        return list(accumulate(1 / (rank + 10) for rank in range(REGISTRIES)))

    def documents(self) -> Iterator[Document]:
        """All versions, those of a model after each other."""
        for model_id in range(1, self.models_count + 1):
            yield from self.model(model_id)

    def model(self, model_id: int) -> list[Document]:
        """The versions of one model."""
        chance = random.Random(model_id)
        words = chance.choices(self.words, cum_weights=self._weights, k=14)
        name = [*words[:2], str(model_id)]
        if chance.random() < 0.1:
            name.insert(0, COMMON)
        registry_id = chance.choices(range(1, REGISTRIES + 1), cum_weights=self._registry_weights)[0]
        common: dict[str, Any] = {
            "registry_id": registry_id, "registry": registry_name(registry_id), "team": team_name(registry_id),
            "model_id": model_id, "model": "-".join(name), "framework": chance.choice(FRAMEWORKS),
            "owner": f"user-{chance.randrange(500)}", "license": chance.choice(LICENSES),
            "description": " ".join(words[2:]),
        }  # fmt: skip
        task, best = chance.choice(TASKS), chance.random()
        made = START + timedelta(minutes=chance.randrange(1_500_000))
        return [
            described(
                **common, version_id=model_id * 1_000 + number, version=str(number), stage=chance.choice(STAGES),
                tags={"task": task, "run": f"{chance.getrandbits(32):08x}"},
                metrics={"auc": round(best + number / 1_000, 4), "loss": round(1 - best, 4)},
                params={"depth": str(number % 9)}, created=made + timedelta(days=number),
                updated=made + timedelta(days=number),
            )
            for number in range(1, VERSIONS_PER_MODEL + 1)
        ]  # fmt: skip

    def change(self, model_id: int) -> None:
        """A model was written again."""
        self.position += 1
        self.changed[model_id] = self.position

    def affected(self, after: int, limit: int) -> ChangeSet | None:
        """What was written again after a position."""
        found = frozenset(model for model, position in self.changed.items() if position > after)
        return ChangeSet(self.position, found) if found else None

    def models(self, ids: Collection[int]) -> Iterable[Document]:
        """The documents of these models."""
        return [document for id_ in sorted(ids) for document in self.model(id_)]

    def registry(self, registry_id: int) -> Iterable[Document]:
        """The documents of a registry."""
        return (document for document in self.documents() if document.registry_id == registry_id)

    def names(self, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Name and team of these registries."""
        return {id_: (registry_name(id_), team_name(id_)) for id_ in ids}

    def everything(self) -> tuple[int, Iterator[Document]]:
        """The position and all documents."""
        return self.position, self.documents()
