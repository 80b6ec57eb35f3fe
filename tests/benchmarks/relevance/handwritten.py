"""Requests written by hand, for people of several trades, by somebody who knew neither the vocabulary nor how search
works; for each the models that answer it, told from their facts."""

import json
from pathlib import Path

from tests.benchmarks.relevance.models import records
from tests.benchmarks.relevance.request import NOTHING, JudgedRequest

DATA = Path(__file__).with_name("requests-by-hand.jsonl")
KINDS = {"names": "names", "words": "words", "properties": "properties", "everyday": "everyday words"}


def requests() -> list[JudgedRequest]:
    """In the order of the file. Errors: `ValueError` for an answer that is no model, or for one where there is none."""
    known = {record["name"] for record in records()}
    found = []
    with DATA.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            answers = frozenset(row["answers"])
            if answers - known or (row["kind"] == "nothing") != (not answers):
                raise ValueError(f"{row['request']!r} has answers that are none: {sorted(answers - known)}")
            kind = NOTHING if row["kind"] == "nothing" else f"{KINDS[row['kind']]}, by hand"
            found.append(JudgedRequest(number, kind, row["request"], answers))
    return found
