"""What was meant by words that were mistyped, as hits have them."""

from collections.abc import Iterable, Sequence

from federation.search.answer import Correction, Hit
from federation.search.words import fold, parts, spans, within_one_edit


def corrections(hits: Sequence[Hit], corrected: frozenset[str]) -> tuple[Correction, ...]:
    """For each mistyped word, the word that the best hit has instead."""
    found: list[Correction] = []
    for word in sorted(corrected):
        instead = next(
            (
                other
                for hit in hits
                for other in _words_of(hit)
                if other != word and within_one_edit(other, word)
            ),
            None,
        )
        if instead is not None:
            found.append(Correction(word, instead))
    return tuple(found)


def _words_of(hit: Hit) -> Iterable[str]:
    for highlight in hit.highlights:
        for start, end in highlight.ranges:
            yield fold(highlight.text[start:end])
    for text in (hit.model, hit.title, hit.team, hit.owner, hit.framework):
        for found in spans(text):
            yield fold(found[0])
            yield from parts(found[0])
