"""Which files hold the vectors of a generation of the index, and whether they may be used.

They are opened when something is compared with them: that takes NumPy, which a search for words does without.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from federation.search.vectors.layout import PREFIX, is_complete

if TYPE_CHECKING:
    from federation.search.vectors.store import Vectors


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
