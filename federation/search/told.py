"""What registries say in tags and parameters of their own naming: the task, the languages, the data sets of a model."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal[
    "publisher", "task", "language", "dataset", "parent", "framework", "license", "released", "parameters"
]
ROLES: Mapping[Role, tuple[str, ...]] = {
    "task": ("task", "tasks", "pipeline_tag", "task_type", "task_name", "problem_type", "use_case", "ml_task",
             "modality", "pipeline", "task_ids", "task_categories"),
    "publisher": ("publisher", "organization", "organisation", "org", "author", "authors", "vendor", "provider",
                  "developer", "company", "created_by", "made_by", "maintainer", "owner", "namespace", "uploader"),
    "language": ("language", "languages", "lang", "langs", "locale", "locales", "language_code", "language_codes"),
    "dataset": ("dataset", "datasets", "data_set", "data_sets", "training_data", "training_dataset",
                "training_datasets", "train_data", "trained_on", "training_set", "data"),
    "parent": ("base_model", "base_models", "parent", "parents", "parent_model", "finetuned_from",
               "fine_tuned_from", "derived_from", "quantized_from", "distilled_from", "base", "adapter_for",
               "origin_model"),
    "framework": ("framework", "frameworks", "library", "library_name", "libraries", "ml_framework", "flavor"),
    "license": ("license", "licence", "licenses", "licences", "license_name", "licence_name", "license_id", "spdx"),
    "released": ("released", "release_date", "released_at", "release", "published", "published_at",
                 "publication_date", "date", "created", "created_at", "created_on", "available_since"),
    "parameters": ("parameters", "params", "parameter_count", "num_parameters", "number_of_parameters", "n_params",
                   "n_parameters", "num_params", "param_count", "model_size", "size", "total_parameters"),
}  # fmt: skip
"""For each fact, the names under which registries hold it, without case and with `_` between words."""
MOST = 60
"""So many values of a list are read."""
Told: TypeAlias = Mapping[Role, tuple[str, ...]]
_ROLE_OF: Mapping[str, Role] = {name: role for role, names in ROLES.items() for name in names}
_LISTED = re.compile(r"[,;|\n]")
_BETWEEN_WORDS = re.compile(r"[\s\-]+")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?!\d)")
_SIZE = re.compile(
    r"(\d+(?:\.\d+)?)\s*([kmbt]?)(?:n|illion|rillion)?(?:\s*param(?:eter)?s?)?\Z", re.IGNORECASE
)
SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_NOTHING: Told = {}


def told(*held: Mapping[str, Any]) -> Told:
    """What tags and parameters say of each role, those that come first before the others. Lists, as JSON or with commas
    between, are taken apart."""
    found: dict[Role, dict[str, None]] = {}
    for entries in held:
        for name, value in entries.items():
            if (role := _role(name)) is not None:
                found.setdefault(role, {}).update(dict.fromkeys(_values(str(value))))
    return {role: tuple(values) for role, values in found.items()} if found else _NOTHING


@lru_cache(16_384)
def _role(name: str) -> Role | None:
    plain = _BETWEEN_WORDS.sub("_", name.strip().lower())
    last = re.split(r"[./:]", plain)[-1]
    return _ROLE_OF.get(plain) or _ROLE_OF.get(last)


@lru_cache(16_384)
def _values(text: str) -> tuple[str, ...]:
    return tuple([value for value in map(str.strip, _taken_apart(text)) if value][:MOST])


def _taken_apart(text: str) -> Iterable[str]:
    if text[:1] == "[":
        try:
            listed = json.loads(text)
        except ValueError:
            return [part.strip("[]'\" ") for part in _LISTED.split(text)]
        return [str(value) for value in listed if isinstance(value, str | int | float)]
    return _LISTED.split(text)


def spellings(values: Iterable[str]) -> Iterator[str]:
    """Each value as it is and, where that is something else, with `-` between its words."""
    for value in values:
        yield value
        hyphened = re.sub(r"[\s_]+", "-", value)
        if hyphened != value:
            yield hyphened


def moment(values: Iterable[str]) -> datetime | None:
    """The first date that is told, UTC; a month counts from its first day, a year from January."""
    for value in values:
        found = _DATE.match(value)
        if found:
            try:
                return datetime(int(found[1]), int(found[2] or 1), int(found[3] or 1), tzinfo=UTC)
            except ValueError:
                continue
    return None


def quantity(text: str) -> float | None:
    """A number of parameters as people write it: `7b`, `1.5 B`, `350M`, `7241732096`. None for anything else."""
    found = _SIZE.match(text.strip().replace("_", ""))
    return float(found[1]) * SCALE[found[2].lower()] if found else None


def count_of(values: Iterable[str], numbers: Mapping[str, float]) -> float | None:
    """How many parameters a version has, by what is told and by its metrics."""
    for value in values:
        count = quantity(value)
        if count is not None and count >= 1_000:
            return count
    return next(
        (number for name, number in numbers.items() if _role(name) == "parameters" and number >= 1_000), None
    )
