"""Which files hold the vectors of a generation of the index, and whether they may be used.

They are opened when something is compared with them: that takes NumPy, which a search for words does without.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.search.vectors.store import Vectors

NAME = "wordllama l2_supercat 256"
"""What a file of vectors says that it was made with."""
PREFIX, ABOUT = "vectors.", "vectors.json"


def is_complete(generation: Path) -> bool:
    """Whether a generation has the vectors of all its models, made with our embeddings."""
    try:
        return bool(json.loads((generation / ABOUT).read_text()) == {"embedding": NAME})
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class VectorFiles:
    """The files of one generation, as long as they are now."""

    generation: Path
    size: int
    """Bytes of the column of models."""

    @classmethod
    def of(cls, generation: Path, known: "VectorFiles | None" = None) -> "VectorFiles | None":
        """Those of a generation: the known ones while they have all rows. None where there are none, not all of them
        yet, or of other embeddings."""
        try:
            found = cls(generation, (generation / f"{PREFIX}models").stat().st_size)
        except OSError:
            return None
        if found == known:
            return known
        return found if is_complete(generation) else None

    @cached_property
    def opened(self) -> "Vectors":
        """What is in them. Errors: `OSError`, `ValueError`; then it is tried again the next time."""
        from federation.search.vectors.store import Vectors

        return Vectors.open(self.generation)
