"""Completions for a query that is being typed: qualifiers, their values, names of models."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from federation.search.answer import Suggestion
from federation.search.fields import BY_NAME, FIELDS, SearchField
from federation.search.syntax import quoted

MOST = 10
_BEING_TYPED = re.compile(r"(?:[^\s()\"]|\"[^\"]*\"?)*\Z")
_QUALIFIER = re.compile(
    r"(?P<name>[A-Za-z_]+)(?:\.(?P<key>\"[^\"]*\"|[^\s:\"()]*))?(?P<colon>:)?(?P<value>.*)\Z", re.DOTALL
)


class Vocabulary(Protocol):
    """What there is to complete with: texts that begin so, and how many versions have each, most frequent first."""

    def keys(self, field: str, beginning: str) -> Iterable[tuple[str, int]]:
        """The names that stand behind the dot of a field."""

    def values(self, field: str, key: str | None, beginning: str) -> Iterable[tuple[str, int]]:
        """What a field holds, or what it holds under a name."""

    def named(self, beginning: str) -> Mapping[str, int]:
        """Names of models, best first."""


def suggest(vocabulary: Vocabulary, text: str) -> list[Suggestion]:
    """At most `MOST` completions of the last word of a text, each as the whole text with it."""
    found = _BEING_TYPED.search(text)
    typed = found[0] if found else ""
    before = text[: len(text) - len(typed)]
    if typed.startswith("-"):
        before, typed = before + "-", typed[1:]
    suggestions: dict[str, Suggestion] = {}
    choices = BY_NAME[name].choices if (name := typed.partition(":")[0].lower()) in BY_NAME else ()
    most = max(MOST, len(choices))  # of a few choices none is left out
    for kind, label, completed, count in _completions(vocabulary, typed):
        suggestions.setdefault(completed, Suggestion(before + completed, kind, label, count))
        if len(suggestions) == most:
            break
    return list(suggestions.values())


def _completions(vocabulary: Vocabulary, typed: str) -> Iterator[tuple[str, str, str, int]]:
    qualifier = _QUALIFIER.match(typed)
    if qualifier and qualifier["colon"]:
        yield from _values(vocabulary, qualifier["name"].lower(), qualifier["key"], qualifier["value"])
        return
    if qualifier and typed:
        yield from _qualifiers(vocabulary, qualifier["name"].lower(), qualifier["key"])
    if typed:
        yield from _models(vocabulary, typed.strip('"'))


def _qualifiers(vocabulary: Vocabulary, name: str, key: str | None) -> Iterator[tuple[str, str, str, int]]:
    if key is not None:
        if name in BY_NAME and BY_NAME[name].keyed:
            yield from _keys(vocabulary, name, key.strip('"'))
        return
    for field in FIELDS:
        if field.name.startswith(name):
            completed = f"{field.name}." if field.keyed else f"{field.name}:"
            yield "qualifier", completed, completed, 0


def _keys(vocabulary: Vocabulary, name: str, key: str) -> Iterator[tuple[str, str, str, int]]:
    for found, count in vocabulary.keys(name, key):
        completed = f"{name}.{quoted(found, also=':')}:"
        yield "qualifier", completed, completed, count


def _values(
    vocabulary: Vocabulary, name: str, key: str | None, value: str
) -> Iterator[tuple[str, str, str, int]]:
    field = BY_NAME.get(name)
    typed = value.strip('"').lstrip("(")
    head = f"{name}.{key}:" if key else f"{name}:"
    for text, count in () if field is None else _held(vocabulary, field, key, typed):
        yield "value", text, head + quoted(text), count


def _held(
    vocabulary: Vocabulary, field: SearchField, key: str | None, typed: str
) -> Iterable[tuple[str, int]]:
    if field.match == "choice":
        return [(choice, 0) for choice in field.choices if choice.startswith(typed.lower())]
    if field.match != "text" or field.keyed != bool(key):
        return ()
    return vocabulary.values(field.name, key.strip('"') if key else None, typed)


def _models(vocabulary: Vocabulary, typed: str) -> Iterator[tuple[str, str, str, int]]:
    for name, count in vocabulary.named(typed).items():
        yield "model", name, quoted(name, also=":"), count
