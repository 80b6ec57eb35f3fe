"""The values nearest to one that a qualifier asks for and nothing has."""

import difflib
from collections.abc import Iterator, Sequence

from federation.search.answer import Unknown
from federation.search.fields import BY_NAME
from federation.search.suggest import quoted
from federation.search.syntax import Is, Node, Qualifier, leaves
from federation.search.tantivy.vocabulary import IndexVocabulary
from federation.search.words import fold

MOST, MOST_QUALIFIERS = 3, 8
ALIKE = 0.6


def unknown(tree: Node, vocabulary: IndexVocabulary) -> tuple[Unknown, ...]:
    """The qualifiers that ask for a value nothing has, each with those that have the nearest."""
    asked = [leaf for leaf, negated in leaves(tree) if isinstance(leaf, Qualifier) and not negated]
    return tuple(one for qualifier in asked[:MOST_QUALIFIERS] for one in _unknown(qualifier, vocabulary))


def _unknown(qualifier: Qualifier, vocabulary: IndexVocabulary) -> Iterator[Unknown]:
    if BY_NAME[qualifier.name].match not in ("text", "version"):
        return
    key = None if qualifier.key is None else fold(qualifier.key)
    head = qualifier.name if qualifier.key is None else f"{qualifier.name}.{quoted(qualifier.key, also=':')}"
    for match in qualifier.matches:
        if isinstance(match, Is) and not _is_held(match, qualifier.name, key, vocabulary):
            near = _nearest(fold(match.text), qualifier.name, key, vocabulary)
            yield Unknown(f"{head}:{quoted(match.text)}", tuple(f"{head}:{quoted(text)}" for text in near))


def _is_held(match: Is, name: str, key: str | None, vocabulary: IndexVocabulary) -> bool:
    held = vocabulary.values(name, key, match.text)
    return bool(held) if match.prefix else any(fold(text) == fold(match.text) for text, _ in held)


def _nearest(value: str, name: str, key: str | None, vocabulary: IndexVocabulary) -> Sequence[str]:
    """Those that begin so, then those that are spelled alike."""
    longer = [text for text, _ in vocabulary.values(name, key, value)]
    others = [text for text, _ in vocabulary.values(name, key, value[:1])]
    others += [text for text, _ in vocabulary.values(name, key, "")]
    alike = difflib.get_close_matches(value, others, n=MOST, cutoff=ALIKE)
    inside = [text for text in others if value in text or text in value]
    return list(dict.fromkeys([*longer, *alike, *inside]))[:MOST]
