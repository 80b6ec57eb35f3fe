"""How names and texts become words: split at everything that is no letter or digit, at case changes and
between
letters and digits; kept whole, in parts, and (in names) joined with the neighbour, so that `ResNet-50`,
`resnet50`
and `resnet 50` find each other."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, islice, pairwise

MAX_WORD = 80
MAX_ORDERED = 8
_CHUNK = re.compile(r"[^\W_]+")
_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS = re.compile(r"(?<=\D)(?=\d)|(?<=\d)(?=\D)")


def fold(text: str) -> str:
    """Without case, accents and compatibility forms."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return folded.encode("utf-8", "replace").decode()


def chunks(text: str) -> list[str]:
    """The folded words of a text, in order, nothing split further."""
    return [fold(found)[:MAX_WORD] for found in _CHUNK.findall(text)]


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each word stands in a text, with the word as written."""
    for found in _CHUNK.finditer(text):
        yield found.start(), found.end(), found[0]


def squeeze(text: str) -> str:
    """A name without its separators: what is left to compare two spellings of it."""
    return "".join(chunks(text))[: 2 * MAX_WORD]


@lru_cache(65_536)
def parts(word: str) -> tuple[str, ...]:
    """The pieces of one word as written, folded: by case and by digits. Single letters are no pieces."""
    pieces: list[str] = []
    cased = _CASE.split(word)
    if len(cased) > 1:
        pieces += cased
    for piece in (word, *cased) if len(cased) > 1 else (word,):
        split = _DIGITS.split(piece)
        if len(split) > 1:
            pieces += split
    folded = (fold(piece)[:MAX_WORD] for piece in pieces)
    return tuple(dict.fromkeys(piece for piece in folded if len(piece) > 1 or piece.isdigit()))


@lru_cache(65_536)
def text_words(text: str) -> tuple[str, ...]:
    """Words of a text with their pieces: what a tag, a team or a description is found by."""
    words: dict[str, None] = {}
    for found in _CHUNK.findall(text):
        words[fold(found)[:MAX_WORD]] = None
        words.update(dict.fromkeys(parts(found)))
    return tuple(words)


@lru_cache(65_536)
def name_words(name: str) -> tuple[str, ...]:
    """Words of a name: whole, in pieces, and each `joined` with the one after it."""
    words = dict.fromkeys(text_words(name))
    for left, right in pairwise(chunks(name)):
        words[joined(left + right)] = None
    return tuple(words)


def joined(word: str) -> str:
    """A word that stands as two in a name: marked, because otherwise each would be found as a longer first one."""
    return f"+{word}"[:MAX_WORD]


@lru_cache(65_536)
def name_order(name: str) -> tuple[str, ...]:
    """Each pair of words of which one stands before the other in a name, near its beginning; what it, or its last
    segment, begins with stands after nothing."""
    words = chunks(name)[:MAX_ORDERED]
    heads = [*_head(name), *_head(name.rpartition("/")[2])]
    pairs = [*combinations(words, 2), *(("", head) for head in heads)]
    return tuple(dict.fromkeys(ordered(left, right) for left, right in pairs))


def _head(name: str) -> Iterator[str]:
    """The word a name begins with, and the first piece of that."""
    for _, _, written in islice(spans(name), 1):
        yield fold(written)[:MAX_WORD]
        yield from parts(written)[:1]


def ordered(left: str, right: str) -> str:
    """The one word that says that a word stands before another."""
    return f"{left}>{right}"


@lru_cache(65_536)
def whole_names(registry: str, name: str) -> tuple[str, ...]:
    """The squeezed forms by which a name is matched whole: all of it, its last segment, with its registry."""
    forms = (squeeze(name), squeeze(name.rpartition("/")[2]), squeeze(f"{registry}/{name}"))
    return tuple(dict.fromkeys(form for form in forms if form))


def variants(word: str) -> tuple[str, ...]:
    """The word and its other number: `embeddings` and `embedding`."""
    if len(word) < 4 or not word.isalpha():
        return (word,)
    if word.endswith("ies"):
        return (word, word[:-3] + "y")
    if word.endswith("ss"):
        return (word,)
    if word.endswith("s"):
        return (word, word[:-1])
    return (word, word[:-1] + "ies") if word.endswith("y") else (word, word + "s")
