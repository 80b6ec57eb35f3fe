"""The facts of the public models, and what holds of them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

Record = dict[str, Any]
DATA = Path(__file__).with_name("public-models.jsonl")

# What people say for the two-letter codes of the languages that occur most.
LANGUAGES = {
    "zh": "chinese", "fr": "french", "es": "spanish", "de": "german", "ja": "japanese", "it": "italian",
    "pt": "portuguese", "ko": "korean", "ar": "arabic", "ru": "russian", "hi": "hindi", "th": "thai",
    "vi": "vietnamese", "pl": "polish", "nl": "dutch", "fa": "persian", "da": "danish", "uk": "ukrainian",
    "tr": "turkish", "cs": "czech", "sv": "swedish", "fi": "finnish", "el": "greek", "he": "hebrew",
}  # fmt: skip


@cache
def records() -> list[Record]:
    """The public models, in the order of the file."""
    with DATA.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def lower_names() -> list[str]:
    """Their names without case, in the same order."""
    return [record["name"].lower() for record in records()]


def facts(record: Record) -> set[str]:
    """What a record says, each as `field=value`: tags, data sets, languages, publisher, library, license, task."""
    said = {f"tag={tag}" for tag in record["tags"]}
    said |= {f"dataset={dataset}" for dataset in record["datasets"]}
    said |= {f"language={code}" for code in record["languages"] if code in LANGUAGES}
    single = ("publisher", "library", "license", "task")
    return said | {f"{field}={record[field]}" for field in single if record[field]}


@cache
def having() -> dict[str, set[int]]:
    """For each fact the places of the records that have it."""
    found: dict[str, set[int]] = {}
    for index, record in enumerate(records()):
        for fact in facts(record):
            found.setdefault(fact, set()).add(index)
    return found


@cache
def texts() -> list[str]:
    """Everything that each record says, name too, as one text without case."""
    return [_text(record) for record in records()]


def _text(record: Record) -> str:
    fields = ("name", "publisher", "task", "library", "license", "released")
    lists = ("tags", "base_models", "datasets", "languages")
    said = [record[field] for field in fields] + [value for field in lists for value in record[field]]
    return " ".join(filter(None, said)).lower()
