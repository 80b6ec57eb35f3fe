"""What makes other models like a version: words, lineage, columns and metrics, each a trait that another has or not.

What a trait counts is fixed and made of the version alone, so that no other model, seen or hidden, moves how alike two
are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from federation.search import language
from federation.search.document import Document, about
from federation.search.lexicon import Lexicon
from federation.search.plan import PlanNode, Slot
from federation.search.syntax import Qualifier, QuerySyntaxError, quoted
from federation.search.words import fold, parts, spans, variants

By: TypeAlias = Literal["text", "lineage", "schema", "metrics"]
WEIGHTS: Mapping[By, int] = {"text": 4, "lineage": 3, "schema": 2, "metrics": 1}
"""What being alike in each way counts, where the version has anything of it."""
MOST = 24
"""So many traits of each kind are compared."""
ENOUGH: Mapping[By, int] = {"lineage": 2}
"""So many in common are as much as can be: nobody is made from the same in every way."""
SHORTEST = 3
NEAR = 0.1
"""A metric that is so near, by its own value, is alike."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a version has and another may have. `shown` says it: a word, or a query in the language."""

    by: By
    shown: str
    node: PlanNode


def traits_of(document: Document, lexicon: Lexicon) -> Sequence[Trait]:
    """What others are compared by."""
    said = [Trait("text", word, _slot(word)) for word in islice(_words(document, lexicon), MOST)]
    queries: Mapping[By, Iterator[str]] = {
        "lineage": _lineage(document),
        "schema": (f"column:{quoted(name)}" for name in document.texts.get("column", ())),
        "metrics": _metrics(document),
    }
    for by, held in queries.items():
        said += [
            Trait(by, query, node) for query in islice(dict.fromkeys(held), MOST) if (node := _parsed(query))
        ]
    return said


def counts(held: Sequence[Trait]) -> Mapping[By, int]:
    """So many traits of each kind are as much as can be in common."""
    kinds = [trait.by for trait in held]
    return {by: min(kinds.count(by), ENOUGH.get(by, MOST)) for by in WEIGHTS if by in kinds}


def _words(document: Document, lexicon: Lexicon) -> Iterator[str]:
    """The words that say something, each once."""
    seen: set[str] = set()
    for text in about(document):
        for found in spans(text):
            for word in parts(found[0]) or (fold(found[0]),):
                says = len(word) >= SHORTEST and not word.isdigit() and word not in lexicon.filler
                if says and word not in seen:
                    seen.add(word)
                    yield word


def _slot(word: str) -> Slot:
    ways = tuple((variant,) for variant in variants(word))
    return Slot(ways, own=len(ways))


def _lineage(document: Document) -> Iterator[str]:
    """The same data, base model, code or artifact; what was made from it, and what it was made from."""
    texts = document.texts
    for field in ("digest", "dataset", "parent", "commit"):
        yield from (f"{field}:{quoted(text)}" for text in texts.get(field, ())[: MOST // 4])
    yield f"parent:{quoted(document.model)}"
    yield from (f"model:{quoted(text)}" for text in texts.get("parent", ()))


def _metrics(document: Document) -> Iterator[str]:
    for name, value in document.entries.get("metric", {}).items():
        low, high = sorted((value * (1 - NEAR), value * (1 + NEAR)))
        yield f"metric.{quoted(name, also=':')}:{low:.6g}..{high:.6g}"


def _parsed(query: str) -> Qualifier | None:
    """None for what the language has no words for, such as a metric without a name."""
    try:
        node = language.parse(query)
    except QuerySyntaxError:
        return None
    return node if isinstance(node, Qualifier) else None
