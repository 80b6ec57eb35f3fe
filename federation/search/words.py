"""How names and texts become words.

They are split at everything that is no letter or digit, at case changes and between letters and digits; kept whole, in
parts, and (in names) joined with the neighbour, so that `ResNet-50`, `resnet50` and `resnet 50` find each other.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, islice, pairwise
from string import ascii_lowercase, digits

MAX_WORD = 80
KEPT = 16_384
"""The pieces of so many words are kept."""
MAX_ORDERED = 8
_CHUNK = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"[^A-Z0-9\u0080-\U0010ffff]*")
"""What has words without pieces, written as they are found."""
_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS = re.compile(r"\d+|\D+")
LATIN = frozenset(ascii_lowercase + digits + "æøœđłıðþŋħ")
"""What a folded word of a Latin script may consist of."""
MAX_LISTED = 24
"""A word with more letters has too many others beside it to list them."""


def fold(text: str) -> str:
    """Without case, accents and compatibility forms."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return folded.encode("utf-8", "replace").decode()


def chunks(text: str) -> list[str]:
    """The folded words of a text, in order, nothing split further."""
    if text.isascii() and len(text) <= MAX_WORD:
        found: list[str] = _CHUNK.findall(text.lower())
        return found
    return [fold(found)[:MAX_WORD] for found in _CHUNK.findall(text)]


def spans(text: str) -> Iterator[re.Match[str]]:
    """Each word of a text as it is written, with where it stands."""
    return _CHUNK.finditer(text)


def squeeze(text: str) -> str:
    """A name without its separators: what is left to compare two spellings of it."""
    return "".join(chunks(text))[: 2 * MAX_WORD]


@lru_cache(KEPT)
def parts(word: str) -> tuple[str, ...]:
    """The pieces of one word as written, folded: by case and by digits. Single letters are no pieces."""
    if word.islower() and word.isascii():
        pieces = _DIGITS.findall(word)
        if len(pieces) < 2:
            return ()
        return tuple(
            dict.fromkeys([piece[:MAX_WORD] for piece in pieces if len(piece) > 1 or piece.isdigit()])
        )
    pieces = []
    cased = _CASE.split(word)
    if len(cased) > 1:
        pieces += cased
    for piece in (word, *cased) if len(cased) > 1 else (word,):
        split = _DIGITS.findall(piece)
        if len(split) > 1:
            pieces += split
    folded = [fold(piece)[:MAX_WORD] for piece in pieces]
    return tuple(dict.fromkeys([piece for piece in folded if len(piece) > 1 or piece.isdigit()]))


def text_words(text: str) -> tuple[str, ...]:
    """Words of a text with their pieces: what a tag, a team or a description is found by."""
    found = _CHUNK.findall(text)
    if _PLAIN.fullmatch(text):
        return tuple(dict.fromkeys(found if len(text) <= MAX_WORD else [word[:MAX_WORD] for word in found]))
    words: dict[str, None] = {}
    for word in found:
        words[fold(word)[:MAX_WORD]] = None
        if len(found) == 1 or not _PLAIN.fullmatch(word):
            for piece in parts(word):
                words[piece] = None
    return tuple(words)


def name_words(name: str) -> tuple[str, ...]:
    """Words of a name: whole, in pieces, and each `joined` with the one after it."""
    words = dict.fromkeys(text_words(name))
    for left, right in pairwise(chunks(name)):
        words[joined(left + right)] = None
    return tuple(words)


def joined(word: str) -> str:
    """A word that stands as two in a name: marked, because otherwise each would be found as a longer first one."""
    return f"+{word}"[:MAX_WORD]


def name_order(name: str) -> tuple[str, ...]:
    """Each pair of words of which one stands before the other in a name, near its beginning; what it, or its last
    segment, begins with stands after nothing."""
    pairs = [ordered(left, right) for left, right in combinations(chunks(name)[:MAX_ORDERED], 2)]
    for begun in {name: None, name.rpartition("/")[2]: None}:
        pairs += [ordered("", head) for head in _head(begun)]
    return tuple(dict.fromkeys(pairs))


def _head(name: str) -> Iterator[str]:
    """The word a name begins with, and the first piece of that."""
    for found in islice(spans(name), 1):
        yield fold(found[0])[:MAX_WORD]
        yield from parts(found[0])[:1]


def ordered(left: str, right: str) -> str:
    """The one word that says that a word stands before another."""
    return f"{left}>{right}"


def whole_names(registry: str, name: str) -> tuple[str, ...]:
    """The squeezed forms by which a name is matched whole: all of it, its last segment, with its registry."""
    whole = squeeze(name)
    last = squeeze(name.rpartition("/")[2]) if "/" in name else whole
    forms = (whole, last, squeeze(f"{registry}/{name}"))
    return tuple(dict.fromkeys([form for form in forms if form]))


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


@lru_cache(KEPT)
def singular(word: str) -> str:
    """The word without the ending of a plural, right or not: two words that differ in number have the same."""
    if len(word) < 4 or not word.isalpha() or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")


@lru_cache(KEPT)
def within_one_edit(left: str, right: str) -> bool:
    """Whether two words differ by one letter too many, too few, wrong, or two neighbours swapped."""
    if left == right or abs(len(left) - len(right)) > 1:
        return left == right
    if len(left) > 2 and left[:1] != right[:1] and left[-1:] != right[-1:]:
        return False  # one edit leaves the first letter or the last where it was
    at = next(
        (index for index, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None
    )
    if at is None:
        return True
    if len(left) == len(right):
        swapped = left[at : at + 2] == right[at : at + 2][::-1] and left[at + 2 :] == right[at + 2 :]
        return left[at + 1 :] == right[at + 1 :] or swapped
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    return longer[at + 1 :] == shorter[at:]


def edits_are_few(word: str) -> bool:
    """Whether the words one edit away from this one can all be listed: a thousand or two."""
    return len(word) <= MAX_LISTED and LATIN.issuperset(word)


def edits(word: str) -> set[str]:
    """All Latin words with one letter too many, too few or wrong, or two neighbours swapped; the word itself too."""
    splits = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    found = {before + after[1:] for before, after in splits}
    found |= {before + after[1::-1] + after[2:] for before, after in splits}
    found |= {before + letter + after for before, after in splits for letter in LATIN}
    found |= {before + letter + after[1:] for before, after in splits[:-1] for letter in LATIN}
    return found
