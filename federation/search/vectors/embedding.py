"""Vectors of texts, from static word embeddings that a package brings with it: the extra `hybrid`.

A text's vector is the mean of those of its pieces of words, which takes less than a millisecond and no model run. Of
`wordllama` only the files are used: its loader would ask a hub for the tokenizer that lies beside the weights, keeps
them twice, and sets up logging. The weights stay in the file, and of it in memory what was looked up.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from federation.logs import Log
from federation.search.vectors.pieces import Pieces
from federation.search.words import chunks

log = Log(__name__)
PACKAGE, WEIGHTS = "wordllama", "weights/l2_supercat_256.safetensors"
TOKENIZER, TENSOR = "tokenizers/l2_supercat_tokenizer_config.json", "embedding.weight"
DIMENSIONS = 256
SCALE = 256
"""A vector has length 1 before it is quantised: 1 becomes this."""
LEAST_LENGTH = 1e-9
LONGEST = 2_000
"""Characters of a text that count."""
Quantised: TypeAlias = NDArray[np.int8]
_SIGN_AND_REST = np.int32(-0x7000_2000)
"""The bits of single precision that a number of half precision fills: sign, the end of the exponent, and on."""


def dots(rows: Quantised, vector: Quantised) -> NDArray[np.int32]:
    """The product of each row with a vector, in whole numbers: no copy of the rows, and no thread for it."""
    found: NDArray[np.int32] = np.einsum("ij,j->i", rows, vector, dtype=np.int32)
    return found


@dataclass(frozen=True, slots=True)
class Embedding:
    """The pieces of words, and what each means. Used by many threads."""

    weights: NDArray[np.int16]
    """A row for each piece, in the bits of half precision."""
    pieces: Pieces

    def vectors(self, texts: Sequence[str]) -> Quantised:
        """One row of `DIMENSIONS` for each text, of whole numbers, so that what is counted with them is the same
        wherever it is counted. All zeros for a text without a word."""
        found = np.zeros((len(texts), DIMENSIONS), np.int8)
        for row, text in enumerate(texts):
            if ids := [id_ for word in chunks(text[:LONGEST]) for id_ in self.pieces.of(word)]:
                total = single(self.weights[np.array(ids)]).sum(0)
                unit = total / max(float(np.sqrt(total @ total)), LEAST_LENGTH)
                found[row] = np.clip(np.rint(unit * SCALE), -127, 127)
        return found


def single(halves: NDArray[np.int16]) -> NDArray[np.float32]:
    """Finite numbers of half precision, given as their bits: NumPy's own conversion takes three times as long."""
    bits = halves.astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    singles = bits.view(np.float32)
    singles *= np.float32(2.0**112)  # the exponents begin elsewhere
    return singles


@cache
def embedding() -> Embedding | None:
    """The embedding of this installation; None without the extra, and where its files cannot be read: that is logged.

    It is loaded once for each process.
    """
    folder = package_folder()
    if folder is None:
        return None
    try:
        return Embedding(_weights(folder / WEIGHTS), Pieces.read(folder / TOKENIZER))
    except (
        OSError,
        ValueError,
        LookupError,
        msgspec.MsgspecError,
    ) as error:  # damaged, or of another version
        log.error("the word embeddings cannot be used", package=PACKAGE, error=str(error)[:200])
        return None


def is_installed() -> bool:
    """Whether the extra is there; nothing of it is loaded."""
    return package_folder() is not None


def package_folder() -> Path | None:
    """Where the package lies, which is not imported."""
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    folder = Path(places[0]) if places else None
    return (
        folder
        if folder is not None and (folder / WEIGHTS).is_file() and (folder / TOKENIZER).is_file()
        else None
    )


def _weights(path: Path) -> NDArray[np.int16]:
    """The tensor in a file of the format safetensors: eight bytes of length, a head in JSON, the numbers. Errors:
    `OSError`, `ValueError`, `LookupError`."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(size))[TENSOR]
    rows, columns = about["shape"]
    if about["dtype"] != "F16" or columns != DIMENSIONS:
        raise ValueError(f"{path.name} holds {about['dtype']} in {columns} columns")
    begin = 8 + size + about["data_offsets"][0]
    # As a plain array: each row that is taken out of a memmap would be one again.
    return np.asarray(np.memmap(path, np.int16, "r", begin, (rows, columns)))
