"""The values and names nearest to one that a qualifier asks for and nothing has."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from federation.search.answer import Unknown
from federation.search.fields import BY_NAME
from federation.search.syntax import Is, Node, Qualifier, leaves, quoted
from federation.search.tantivy.vocabulary import Counted, IndexVocabulary
from federation.search.words import fold

MOST, MOST_QUALIFIERS = 3, 8
ALIKE = 0.6


def unknown(tree: Node, vocabulary: IndexVocabulary) -> tuple[Unknown, ...]:
    """The qualifiers that ask for a name or value nothing has, each with those that have the nearest."""
    asked = [leaf for leaf, negated in leaves(tree) if isinstance(leaf, Qualifier) and not negated]
    return tuple(one for qualifier in asked[:MOST_QUALIFIERS] for one in _unknown(qualifier, vocabulary))


def _unknown(qualifier: Qualifier, vocabulary: IndexVocabulary) -> Iterator[Unknown]:
    """A name that nothing has, or else each value that nothing has under it."""
    name, head, key = qualifier.name, qualifier.name, None
    if qualifier.key:
        key, named = fold(qualifier.key), partial(vocabulary.keys, name)
        head = f"{name}.{_key(qualifier.key)}"
        if all(text != key for text, _ in named(key)):
            yield Unknown(f"{head}:", tuple(f"{name}.{_key(text)}:" for text in _nearest(key, named)))
            return
    if BY_NAME[name].match not in ("text", "version"):
        return
    held = partial(vocabulary.values, name, key)
    for match in qualifier.matches:
        if isinstance(match, Is) and not _is_held(match, held(match.text)):
            near = _nearest(fold(match.text), held)
            yield Unknown(f"{head}:{quoted(match.text)}", tuple(f"{head}:{quoted(text)}" for text in near))


def _key(name: str) -> str:
    return quoted(name, also=":")


def _is_held(match: Is, held: Counted) -> bool:
    return bool(held) if match.prefix else any(fold(text) == fold(match.text) for text, _ in held)


def _nearest(value: str, beginning: Callable[[str], Counted]) -> Sequence[str]:
    """Those that begin so, then those that are spelled alike. `beginning` gives what there is with a beginning."""
    longer = [text for text, _ in beginning(value)]
    others = [text for start in (value[:1], "") for text, _ in beginning(start)]
    alike = difflib.get_close_matches(value, others, n=MOST, cutoff=ALIKE)
    inside = [text for text in others if value in text or text in value]
    return list(dict.fromkeys([*longer, *alike, *inside]))[:MOST]
