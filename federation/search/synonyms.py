"""Words that mean the same, from a file that an operator can edit. The default is `synonyms.toml` beside
this module."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from federation.errors import SetupError
from federation.search.words import chunks

Phrase = tuple[str, ...]


class SynonymsError(SetupError):
    """The file of synonyms cannot be used; the message says where and what it should look like."""


@dataclass(frozen=True, slots=True, eq=False)
class Synonyms:
    """For each phrase (a tuple of folded words) the other phrases of its groups. Equal only to itself."""

    others: Mapping[Phrase, tuple[Phrase, ...]]
    longest: int

    def at(self, words: Sequence[str], start: int) -> tuple[int, tuple[Phrase, ...]]:
        """The longest phrase that begins at `start`: how many words it has, and what else it may be called."""
        for length in range(min(self.longest, len(words) - start), 0, -1):
            found = self.others.get(tuple(words[start : start + length]))
            if found:
                return length, found
        return 1, ()


def load(path: Path | None = None) -> Synonyms:
    """The synonyms of a file, or the default ones. Errors: `SynonymsError`."""
    source = path or resources.files("federation.search").joinpath("synonyms.toml")
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SynonymsError(f"{source}: {error}") from None
    groups = content.get("groups")
    if not isinstance(groups, list) or not all(_is_group(group) for group in groups):
        raise SynonymsError(f'{source}: groups must be a list of lists of texts, as in [["nlp", "language"]]')
    return collect(groups)


def collect(groups: Iterable[Iterable[str]]) -> Synonyms:
    """Synonyms from groups of phrases; a phrase may stand in several groups."""
    others: dict[Phrase, dict[Phrase, None]] = {}
    for group in groups:
        phrases = [tuple(chunks(text)) for text in group]
        for phrase in filter(None, phrases):
            others.setdefault(phrase, {}).update(
                dict.fromkeys(other for other in phrases if other and other != phrase)
            )
    longest = max(map(len, others), default=0)
    return Synonyms({phrase: tuple(names) for phrase, names in others.items()}, longest)


def _is_group(group: object) -> bool:
    return isinstance(group, list) and all(isinstance(text, str) for text in group)
