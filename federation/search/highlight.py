"""Where in a hit's texts the words of the query stand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from federation.search.answer import Highlight
from federation.search.document import Stored
from federation.search.plan import Slot
from federation.search.words import fold, parts, spans, within_one_edit

MAX_TEXT = 160


class Text(NamedTuple):
    """A text of a hit in which words may stand, as it is and folded."""

    field: str
    text: str
    folded: str


def texts_of(stored: Stored) -> tuple[Text, ...]:
    """The texts of a hit that are not empty: its name and title, tags, the description."""
    texts = [("model", stored.model), ("title", stored.title)]
    texts += [(f"tag.{key}", value) for key, value in sorted(stored.tags.items())]
    texts.append(("description", stored.description))
    return tuple([Text(field, text, fold(text)) for field, text in texts if text])


@dataclass(frozen=True, slots=True)
class Marker:
    """What of a query is looked for in a hit's texts: whole words, beginnings of words, words with a typo."""

    words: frozenset[str]
    beginnings: tuple[str, ...]
    fuzzy: frozenset[str]

    @classmethod
    def of(cls, slots: Iterable[Slot], alike: Callable[[str], Sequence[str] | None]) -> "Marker":
        """The marker of a query's words; `alike` lists the words a typo may have been, None if it cannot."""
        known = list(slots)
        words = {word for slot in known for way in slot.ways for word in way}
        fuzzy: set[str] = set()
        for slot in known:
            if slot.corrected and (meant := alike(slot.word)) is not None:
                words.update(meant)
            elif slot.corrected:
                fuzzy.add(slot.word)
        return cls(frozenset(words), tuple(slot.word for slot in known if slot.open), frozenset(fuzzy))

    def highlights(self, texts: Iterable[Text]) -> tuple[Highlight, ...]:
        """Those of a hit's texts in which a word was found."""
        found: list[Highlight] = []
        for field, text, folded in texts:
            if self.fuzzy or self._may_stand_in(folded):
                ranges = self._ranges(text)
                if ranges:
                    ranges = _merged(ranges) if len(ranges) > 1 else ranges
                    found.append(_clip(Highlight(field, text, tuple(ranges))))
        return tuple(found)

    def _may_stand_in(self, folded: str) -> bool:
        for word in self.words:  # noqa: SIM110  asked of every text of every hit: a generator costs more than it saves
            if word in folded:
                return True
        return False

    def _is_one_edit_away(self, word: str) -> bool:
        for typed in self.fuzzy:  # noqa: SIM110  as above
            if -2 < len(word) - len(typed) < 2 and within_one_edit(word, typed):
                return True
        return False

    def _ranges(self, text: str) -> list[tuple[int, int]]:
        ranges: list[tuple[int, int]] = []
        plain = text.isascii()
        for found in spans(text):
            written = found[0]
            word = written.lower() if plain else fold(written)
            if (
                word in self.words
                or (self.beginnings and word.startswith(self.beginnings))
                or (self.fuzzy and self._is_one_edit_away(word))
            ):
                ranges.append(found.span())
                continue
            if (plain and written.islower() and written.isalpha()) or not self._may_stand_in(word):
                continue  # in one piece
            for piece in parts(written):
                at = word.find(piece)
                if piece in self.words and at >= 0 and len(word) == len(written):
                    start = found.start()
                    ranges.append((start + at, start + at + len(piece)))
        return ranges


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _clip(found: Highlight) -> Highlight:
    """A long text becomes the stretch around its first hit."""
    if len(found.text) <= MAX_TEXT or not found.ranges:
        return found
    start = max(0, found.ranges[0][0] - 40)
    text = found.text[start : start + MAX_TEXT]
    inside = [(low - start, high - start) for low, high in found.ranges if high - start <= len(text)]
    return Highlight(found.field, text, tuple(inside))
