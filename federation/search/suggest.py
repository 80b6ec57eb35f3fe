"""Completions for a query that is being typed: qualifiers, their values, names of models."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tantivy import Query

from federation.search import queries
from federation.search.answer import Suggestion
from federation.search.encoding import MAX_BEGINNING, read_stored
from federation.search.language import FIELDS, FLAGS, KEYED
from federation.search.order import RANK, Leg, Reader
from federation.search.schema import FACETS, SEPARATOR, fact
from federation.search.words import fold

MOST = 10
EXAMINED = 50
_BEING_TYPED = re.compile(r"(?:[^\s()\"]|\"[^\"]*\"?)*\Z")
_QUALIFIER = re.compile(
    r"(?P<name>[A-Za-z_]+)(?:\.(?P<key>\"[^\"]*\"|[^\s:\"()]*))?(?P<colon>:)?(?P<value>.*)\Z", re.DOTALL
)
_PLAIN = re.compile(r"[^\s\"()*]+")
_VALUED = (
    "registry",
    "team",
    "model",
    "stage",
    "alias",
    "framework",
    "owner",
    "license",
    "type",
    "depends_on",
    "library",
    "image",
    "state",
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The terms of the index that a view may see: what matches `visible`, None for everything."""

    reader: Reader
    visible: Query | None

    @property
    def _terms(self) -> Any:
        return self.reader.searcher.terms_with_prefix

    def starting(self, field: str, beginning: str) -> list[tuple[str, int]]:
        """Terms with a beginning and how many visible documents have each, most frequent first."""
        found = self._terms(field, beginning, filter_query=self.visible, limit=EXAMINED)
        return sorted(((text, count) for text, count in found if count), key=lambda pair: (-pair[1], pair[0]))

    def starting_either(self, column: str, as_fact: str, folded: str) -> list[tuple[str, int]]:
        """Values of a column, those that are held as they are and those that are held folded."""
        found = dict(self.starting(column, folded))
        if self._terms("facts", as_fact, limit=1):  # seldom, and the other way is dear
            for text, count in self.starting("facts", as_fact):
                found.setdefault(text.partition(SEPARATOR)[2], count)
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def named(self, beginning: str) -> Mapping[str, int]:
        """Names of models with a beginning, best first, and how many versions each has."""
        if len(beginning) <= MAX_BEGINNING:
            query = queries.term("begins", beginning)
        else:
            query = queries.prefix("spelled", beginning)
        if self.visible is not None:
            query = queries.all_of([query, self.visible])
        rows = self.reader.rows(Leg(query, RANK), None, EXAMINED)
        addresses, searcher = self.reader.addresses(rows), self.reader.searcher
        found: Counter[str] = Counter()
        for address, versions in zip(
            addresses, searcher.fast_field_values("siblings", addresses), strict=True
        ):
            found[read_stored(searcher.doc(address)).model] += int(versions or 0)
        return found


def suggest(vocabulary: Vocabulary, text: str) -> list[Suggestion]:
    """At most `MOST` completions of the last word of a text, each as the whole text with it."""
    found = _BEING_TYPED.search(text)
    typed = found[0] if found else ""
    before = text[: len(text) - len(typed)]
    if typed.startswith("-"):
        before, typed = before + "-", typed[1:]
    suggestions: dict[str, Suggestion] = {}
    for kind, label, completed, count in _completions(vocabulary, typed):
        suggestions.setdefault(completed, Suggestion(before + completed, kind, label, count))
        if len(suggestions) == MOST:
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
        if name in KEYED:
            yield from _keys(vocabulary, name, key.strip('"'))
        return
    for field in FIELDS:
        if field.startswith(name):
            completed = f"{field}." if field in KEYED else f"{field}:"
            yield "qualifier", completed, completed, 0


def _keys(vocabulary: Vocabulary, name: str, key: str) -> Iterator[tuple[str, str, str, int]]:
    beginning = fact(f"name of {name}", key)
    for term, count in vocabulary.starting("facts", beginning):
        found = term.partition(SEPARATOR)[2]
        completed = f"{name}.{_quoted(found, also=':')}:"
        yield "qualifier", completed, completed, count


def _values(
    vocabulary: Vocabulary, name: str, key: str | None, value: str
) -> Iterator[tuple[str, str, str, int]]:
    typed = value.strip('"').lstrip("(")
    if name in FLAGS:
        found: Iterable[tuple[str, int]] = (
            (flag, 0) for flag in FLAGS[name] if flag.startswith(typed.lower())
        )
    elif name in FACETS:
        found = vocabulary.starting_either(FACETS[name], fact(name, typed), fold(typed))
    elif name in _VALUED or (name in ("tag", "param") and key):
        bare = key.strip('"') if key else None
        beginning = fact(f"{name}.{bare}" if bare else name, typed)
        found = (
            (term.partition(SEPARATOR)[2], count) for term, count in vocabulary.starting("facts", beginning)
        )
    else:
        return
    head = f"{name}.{key}:" if key else f"{name}:"
    for text, count in found:
        yield "value", text, head + _quoted(text), count


def _models(vocabulary: Vocabulary, typed: str) -> Iterator[tuple[str, str, str, int]]:
    for name, count in vocabulary.named(fold(typed)).items():
        yield "model", name, _quoted(name, also=":"), count


def _quoted(text: str, also: str = "") -> str:
    """As the language wants it: in double quotes where it would not be one word."""
    if (
        _PLAIN.fullmatch(text)
        and not text.startswith(("-", ">", "<"))
        and not set(also) & set(text.lstrip("-"))
    ):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
