"""What the files of vectors are called, and whether a generation of the index has them all."""

import json
from pathlib import Path

NAME = "wordllama l2_supercat 256"
"""What a file of vectors says that it was made with."""
PREFIX, ABOUT = "vectors.", "vectors.json"


def is_complete(generation: Path) -> bool:
    """Whether a generation has the vectors of all its models, made with our embeddings."""
    try:
        return bool(json.loads((generation / ABOUT).read_text()) == {"embedding": NAME})
    except (OSError, ValueError):
        return False
