"""What is left of a word without its endings, as the engine's stemmers (Snowball) take them off."""

from functools import cache, lru_cache

import tantivy

LANGUAGES = ("english", "german", "french")
MIN_STEM = 4
"""A shorter stem says too little: words of it are left as they are."""
_ENDINGS = frozenset(
    ["ul", "ulent", "er", "or", "ion", "ation", "ator", "al", "ment", "iv", "abl", "ibl", "ist", "ism", "ic", "ant",
     "ent", "ness", "ship", "ful", "ier", "iz", "ung", "eur"]
)  # fmt: skip
"""What words of one family have behind the stem that they share, after stemming: `fraud` and `fraudul(ent)`."""


@cache
def _analyzer(language: str) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.stemmer(language)).build()


@lru_cache(65_536)
def stem(word: str, language: str = "english") -> str:
    """The stem of a folded word."""
    if not word.isalpha():
        return word
    found = _analyzer(language).analyze(word)
    return found[0] if len(found) == 1 else word


@lru_cache(16_384)
def beginning(word: str) -> str:
    """What every form of a word begins with; empty where it has none but itself."""
    if not word.isalpha() or len(word) <= MIN_STEM:
        return ""
    shortest = min((stem(word, language) for language in LANGUAGES), key=len)
    root = next((shortest[: -len(end)] for end in _ENDINGS if _is_ending(shortest, end)), shortest)
    return root if len(root) >= MIN_STEM and word.startswith(root) else ""


def _is_ending(word: str, end: str) -> bool:
    return word.endswith(end) and len(word) - len(end) > MIN_STEM


def are_forms(left: str, right: str) -> bool:
    """Whether two words are forms of one, by one of the languages: `detects`, `detector` and `detection`."""
    return any(_are_forms(*_stems(left, right, language)) for language in LANGUAGES)


def _stems(left: str, right: str, language: str) -> tuple[str, str]:
    """Of names of things, `celeba`, nothing is taken off but what other languages have for endings as well."""
    found = stem(left, language), stem(right, language)
    ends = (left.removeprefix(found[0]), right.removeprefix(found[1]))
    return (left, right) if {"a", "i", "o"} & set(ends) else found


def _are_forms(left: str, right: str) -> bool:
    short, long = sorted((left, right), key=len)
    if short == long:
        return True
    return len(short) > MIN_STEM and long.startswith(short) and long[len(short) :] in _ENDINGS
