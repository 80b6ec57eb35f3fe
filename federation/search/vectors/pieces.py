"""Words in pieces, as the word embeddings were trained: byte-pair encoding over the vocabulary that the package brings.

The tokenizer that the package would use keeps thirty megabytes in each process, most of them for pairs; which pair goes
first is told by the place of what it makes in the vocabulary.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import msgspec

BEGIN = "▁"
"""What a word begins with."""
KEPT = 16_384
"""The pieces of so many words are kept."""


class _TokenizerModel(msgspec.Struct):
    vocab: dict[str, int]


class _TokenizerFile(msgspec.Struct):
    model: _TokenizerModel


class Pieces:
    """The vocabulary: each piece of a word with its number, the more frequent before the others. Used by many
    threads."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self.of = lru_cache(KEPT)(self._of)
        """The numbers of a word's pieces. It takes the square of the word's length: words are those of `chunks`."""

    @classmethod
    def read(cls, path: Path) -> "Pieces":
        """From a file of a tokenizer, in JSON. Errors: `OSError`, `msgspec.MsgspecError`."""
        return cls(msgspec.json.decode(path.read_bytes(), type=_TokenizerFile).model.vocab)

    def _of(self, word: str) -> tuple[int, ...]:
        held, none = self._vocabulary, len(self._vocabulary)
        pieces = [BEGIN, *word]
        made = [held.get(first + second, none) for first, second in pairwise(pieces)]
        while made and (best := min(made)) != none:
            at = made.index(best)
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            del made[at]
            for place in range(max(at - 1, 0), min(at + 1, len(made))):
                made[place] = held.get(pieces[place] + pieces[place + 1], none)
        return tuple(number for piece in pieces for number in self._numbers(piece))

    def _numbers(self, piece: str) -> list[int]:
        """A letter that is no piece is as many as it has bytes."""
        if piece in self._vocabulary:
            return [self._vocabulary[piece]]
        return [self._vocabulary[f"<0x{byte:02X}>"] for byte in piece.encode("utf-8", "replace")]
