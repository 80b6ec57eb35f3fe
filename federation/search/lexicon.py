"""What the words of requests mean: synonyms, tasks, languages, licences, frameworks, metrics and filler words.

The files `synonyms.toml` and `lexicon.toml` beside this module say it; an operator's `search.synonyms` takes the place
of the one, an operator's `search.lexicon` is added to the other.
"""

import itertools
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

from federation.errors import SetupError
from federation.search.words import chunks, singular

Phrase: TypeAlias = tuple[str, ...]
Kind: TypeAlias = Literal["task", "language", "license", "framework"]
CODE = 2
"""Letters of the code of a language."""
MIN_NAME = 4
"""Names of languages are understood from so many letters on, and codes of two: `cat` is no language."""


ARTICLES = frozenset({"a", "an", "the"})
AGENTS = {"classification": "classifier", "detection": "detector", "recognition": "recognizer",
          "segmentation": "segmenter", "generation": "generator", "summarization": "summarizer",
          "translation": "translator", "estimation": "estimator", "synthesis": "synthesizer"}  # fmt: skip
"""What does a task, by the last word of the task."""


class LexiconError(SetupError):
    """A file of synonyms or the lexicon cannot be used; the message says where and what it should look like."""


@dataclass(frozen=True, slots=True)
class Concept:
    """What a phrase means: one of `values` of the field `kind` (`*` at the end: what begins so); `words` are other
    words for it."""

    kind: Kind
    values: tuple[str, ...]
    words: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Phrases of folded words and what they mean; equal only to itself. `others`: for each phrase the other phrases of
    its groups. `concepts` are found by the singulars of their words. `metrics`: for each whether more is better."""

    others: Mapping[Phrase, tuple[Phrase, ...]] = field(default_factory=dict)
    concepts: Mapping[Phrase, tuple[Concept, ...]] = field(default_factory=dict)
    metrics: Mapping[Phrase, bool] = field(default_factory=dict)
    filler: frozenset[str] = frozenset()
    vague: frozenset[str] = frozenset()
    longest: int = 0

    def at(self, words: Sequence[str], start: int) -> tuple[int, tuple[Phrase, ...]]:
        """The longest phrase that begins at `start`: how many words it has, and what else it may be called."""
        return self._longest(self.others, words, start, tuple)

    def meant(self, words: Sequence[str], start: int) -> tuple[int, tuple[Concept, ...]]:
        """The longest phrase with a meaning that begins at `start`: how many words it has, and what it means."""
        if words[start] in ARTICLES:
            return 1, ()
        return max(
            self._longest(self.concepts, words, start, singulars), self._turned(words, start), key=_length
        )

    def metric(self, words: Sequence[str]) -> bool | None:
        """Whether more of the metric of this name is better; None for what is none."""
        return self.metrics.get(tuple(words))

    def _longest(
        self, held: Mapping[Phrase, tuple[Any, ...]], words: Sequence[str], start: int,
        key: Callable[[Sequence[str]], Phrase],
    ) -> tuple[int, tuple[Any, ...]]:  # fmt: skip
        for length in range(min(self.longest, len(words) - start), 0, -1):
            found = held.get(key(words[start : start + length]))
            if found:
                return length, found
        return 1, ()

    def _turned(self, words: Sequence[str], start: int) -> tuple[int, tuple[Concept, ...]]:
        """What `classification of images` means: `image classification`."""
        stretch = list(words[start : start + self.longest])
        for of in range(1, len(stretch) - 1):
            if stretch[of] != "of":
                continue
            for end in range(min(of + 4, len(stretch)), of + 1, -1):
                turned = [*stretch[: of - 1], *stretch[of + 1 : end], stretch[of - 1]]
                if found := self.concepts.get(singulars(turned)):
                    return end, found
        return 1, ()


def singulars(words: Sequence[str]) -> Phrase:
    """The words, each as one of what it means, without articles."""
    return tuple([singular(word) for word in words if word not in ARTICLES] or words)


def _length(found: tuple[int, tuple[Concept, ...]]) -> tuple[int, bool]:
    return found[0], bool(found[1])


def load(synonyms: Path | None = None, lexicon: Path | None = None) -> Lexicon:
    """The lexicon of the files that come along and those of the operator. Errors: `LexiconError`."""
    return _ours() if synonyms is None and lexicon is None else _loaded(synonyms, lexicon)


class LexiconFiles:
    """An operator's files of the lexicon, read again when they are edited."""

    def __init__(self, synonyms: Path | None, lexicon: Path | None) -> None:
        self._paths = synonyms, lexicon
        self._seen: Sequence[int] = ()

    def load(self) -> Lexicon:
        """The lexicon of the files that come along and these. Errors: `LexiconError`."""
        self._seen = self._modified()
        return load(*self._paths)

    def are_edited(self) -> bool:
        """Whether one of them is not what was loaded last."""
        return self._modified() != self._seen

    def _modified(self) -> Sequence[int]:
        return [_modified(path) for path in self._paths]


def _modified(path: Path | None) -> int:
    """When a file was written last, 0 for none."""
    try:
        return 0 if path is None else path.stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _ours() -> Lexicon:
    """What comes along, made once in a process."""
    return _loaded(None, None)


def _loaded(synonyms: Path | None, lexicon: Path | None) -> Lexicon:
    groups = _read(synonyms or "synonyms.toml").get("groups")
    if not isinstance(groups, list) or not all(_is_texts(group) for group in groups):
        raise LexiconError(
            f'{synonyms}: groups must be a list of lists of texts, as in [["nlp", "language"]]'
        )
    tables = [_read("lexicon.toml"), *([] if lexicon is None else [_read(lexicon)])]
    return collect(groups, tables)


def collect(groups: Iterable[Sequence[str]], tables: Iterable[Mapping[str, Any]] = ()) -> Lexicon:
    """A lexicon of groups of synonyms and of tables as the file has them. Errors: `LexiconError`."""
    others = _others(groups)
    concepts: dict[Phrase, dict[Concept, None]] = {}
    metrics: dict[Phrase, bool] = {}
    filler: set[str] = set()
    vague: set[str] = set()
    for table in tables:
        for phrase, concept in _concepts(table):
            concepts.setdefault(singulars(phrase), {})[concept] = None
        for name in ("more", "less"):
            held = _texts(table.get("metrics", {}).get(name, []), f"metrics.{name}")
            metrics |= {tuple(chunks(text)): name == "more" for text in held}
        filler |= {word for text in _texts(table.get("filler", []), "filler") for word in chunks(text)}
        vague |= {singular(word) for text in _texts(table.get("vague", []), "vague") for word in chunks(text)}
    codes = {
        (phrase[0],) for phrase, held in concepts.items() if len(phrase[0]) == CODE and _is_language(held)
    }
    others = {
        phrase: names
        if codes.isdisjoint(names) or _is_language(concepts.get(phrase, ()))
        else tuple(one for one in names if one not in codes)
        for phrase, names in others.items()
    }
    each = {id(one): one for found in concepts.values() for one in found}
    plain = {ident: _without(codes, one) for ident, one in each.items()}
    return Lexicon(
        others,
        {phrase: tuple([plain[id(one)] for one in found]) for phrase, found in concepts.items()},
        metrics,
        frozenset(filler),
        frozenset(vague),
        max(map(len, [*others, *concepts, *metrics]), default=0),
    )


def _is_language(concepts: Iterable[Concept]) -> bool:
    return any(one.kind == "language" for one in concepts)


def _without(codes: Collection[Phrase], concept: Concept) -> Concept:
    """What is no language is not found by the code of one: `pt` in a list of languages says nothing of PyTorch."""
    if concept.kind == "language":
        return concept
    return replace(concept, words=tuple(words for words in concept.words if words not in codes))


def _others(groups: Iterable[Sequence[str]]) -> dict[Phrase, tuple[Phrase, ...]]:
    others: dict[Phrase, dict[Phrase, None]] = {}
    for group in groups:
        phrases = [tuple(chunks(text)) for text in group]
        for phrase in filter(None, phrases):
            others.setdefault(phrase, {}).update(
                dict.fromkeys(other for other in phrases if other and other != phrase)
            )
    return {phrase: tuple(names) for phrase, names in others.items()}


def _concepts(table: Mapping[str, Any]) -> Iterator[tuple[Phrase, Concept]]:
    for name, said in _table(table, "tasks").items():
        names = [name, *_texts(said.get("names", []) if isinstance(said, dict) else said, f"tasks.{name}")]
        spelled = dict.fromkeys("-".join(chunks(text)) for text in names)
        concept = Concept("task", tuple(spelled), tuple(dict.fromkeys(tuple(chunks(text)) for text in names)))
        asked = [*names, *_texts(said.get("said", []) if isinstance(said, dict) else [], f"tasks.{name}")]
        for phrase in (tuple(chunks(text)) for text in asked):
            yield phrase, concept
            if agent := AGENTS.get(phrase[-1]):
                yield (*phrase[:-1], agent), concept
    for code, names in _table(table, "languages").items():
        known = [code, *_texts(names, f"languages.{code}")]
        plain = [text for text in known if len(text) >= MIN_NAME or text == code]
        words = tuple(dict.fromkeys(tuple(chunks(text)) for text in plain))
        concept = Concept("language", tuple(known), words)
        yield from ((words_, concept) for words_ in words if len(words_[0]) != MIN_NAME - 1)
    for name, said in _table(table, "licenses").items():
        ids = _texts(said.get("ids", []) if isinstance(said, dict) else said, f"licenses.{name}")
        asked = [*_texts(said.get("said", []) if isinstance(said, dict) else [], f"licenses.{name}")]
        concept = Concept("license", tuple(ids))
        for phrase in (tuple(chunks(text)) for text in asked):
            yield from ((words, concept) for words in (phrase, *_as_licenses(phrase)))
    for name, names in _table(table, "frameworks").items():
        known = [name, *_texts(names, f"frameworks.{name}")]
        words = tuple(dict.fromkeys(tuple(chunks(text)) for text in known))
        spelled = dict.fromkeys([*known, *("-".join(phrase) for phrase in words)])
        yield from ((phrase, Concept("framework", tuple(spelled), words)) for phrase in words)


def _as_licenses(phrase: Phrase) -> Iterator[Phrase]:
    """`apache license 2 0` of `apache 2 0`."""
    head = tuple(itertools.takewhile(lambda word: not word.isdigit(), phrase))
    tail = phrase[len(head) :]
    if head and tail:
        yield from (
            (*head, word, *more, *tail) for word in ("license", "licence") for more in ((), ("version",))
        )


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise LexiconError(f"lexicon: {name} must be a table, as [{name}] begins one")
    return found


def _texts(value: object, where: str) -> Sequence[str]:
    """A list of texts, which may be one text with commas between them: that is read in a fraction of the time."""
    if isinstance(value, str):
        return [text.strip() for text in value.split(",")]
    if not _is_texts(value):
        raise LexiconError(f'lexicon: {where} must be a list of texts, as in ["speech to text"]')
    assert isinstance(value, list)
    return value


def _read(source: Path | str) -> Mapping[str, Any]:
    path = resources.files("federation.search").joinpath(source) if isinstance(source, str) else source
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LexiconError(f"{source}: {error}") from None


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
