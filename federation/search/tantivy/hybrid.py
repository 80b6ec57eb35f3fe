"""What is close in meaning to a request, where its words find too little: by the vectors of models.

A score is made of the request and one model alone, so that no other model, seen or hidden, moves it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from federation.access import View
from federation.search.lexicon import Concept, Lexicon
from federation.search.vectors.files import VectorFiles

if TYPE_CHECKING:
    from federation.search.vectors.embedding import Quantised
    from federation.search.vectors.store import Near, Vectors

MOST = 40
"""So many models that are close in meaning are looked at, and as many that have some of the words."""
EXAMINED = 400
"""Among so many of the closest, those are taken that have what the request does not do without."""
LEAST = 0.25
"""What is less close has nothing to do with it."""
SURE = 0.5
"""So close to words for a task a request means it, perhaps."""
WEIGHT = 0.4
"""What being as close as can be counts, beside having all of the words."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Models that stand in one place: how well they answer, from 0 to 1, and why they stand there."""

    score: float
    why: str
    models: Sequence[int]


@dataclass(frozen=True, slots=True)
class RequestVector:
    """What a text is about, beside the vectors of models."""

    vectors: "Vectors"
    vector: "Quantised"

    @classmethod
    def of(cls, text: str, files: VectorFiles | None) -> "RequestVector | None":
        """None where there are no vectors, and for a text without words."""
        if files is None:
            return None
        from federation.search.vectors.embedding import embedding

        try:
            words, vectors = embedding(), files.opened
        except (OSError, ValueError):  # they were lost or cut off: the worker fills them again
            return None
        if words is None:
            return None
        [vector] = words.vectors([text])
        return cls(vectors, vector) if vector.any() else None

    @classmethod
    def of_model(cls, model: int, files: VectorFiles | None) -> "RequestVector | None":
        """What a model is about; None where that is not known."""
        try:
            vectors = None if files is None else files.opened
        except (OSError, ValueError):
            return None
        vector = None if vectors is None else vectors.of(model)
        return None if vectors is None or vector is None or not vector.any() else cls(vectors, vector)

    def nearest(self, view: View) -> "Sequence[Near]":
        """The models of a view that are closest to it."""
        return self.vectors.nearest(self.vector, view, EXAMINED, LEAST)


@lru_cache(4)
def _tasks(lexicon: Lexicon) -> "tuple[Sequence[Concept], Quantised] | None":
    """The tasks of a lexicon, one for each phrase that is said for it, and the vectors of the phrases."""
    from federation.search.vectors.embedding import embedding

    words = embedding()
    known = [(phrase, one) for phrase, held in lexicon.concepts.items() for one in held if one.kind == "task"]
    if words is None or not known:
        return None
    return [concept for _, concept in known], words.vectors([" ".join(phrase) for phrase, _ in known])


def guess(meaning: RequestVector, lexicon: Lexicon) -> Concept | None:
    """The task that a request comes closest to; None where it is not close to any."""
    from federation.search.vectors.embedding import SCALE, dots

    tasks = _tasks(lexicon)
    if tasks is None:
        return None
    concepts, vectors = tasks
    products = dots(vectors, meaning.vector).tolist()
    best = max(range(len(products)), key=products.__getitem__)
    return concepts[best] if products[best] >= SURE * SCALE**2 else None


def standings(
    models: Sequence[int], parts: Sequence[tuple[int, Collection[int]]], meaning: RequestVector | None
) -> Sequence[Placed]:
    """The order of these models. `parts` says of each part of the request what it counts, and which models have it."""
    whole = sum(cost for cost, _ in parts) or 1
    close = {} if meaning is None else meaning.vectors.similarities(meaning.vector, models)
    found: dict[tuple[float, str], list[int]] = {}
    for model in models:
        share = sum(cost for cost, having in parts if model in having) / whole
        similarity = max(close.get(model, 0.0), 0.0)
        score = round((share + WEIGHT * similarity) / (1 + WEIGHT), 3)
        found.setdefault((-score, _why(share, similarity)), []).append(model)
    return [Placed(-score, why, held) for (score, why), held in sorted(found.items())]


def _why(share: float, similarity: float) -> str:
    if not share:
        return "close in meaning"
    return "some of the words, and close in meaning" if similarity >= LEAST else "some of the words"
