"""Versions beside each other: what is not alike, under heads, what is nested in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.pages.words import clock, number

SMALLER_IS_BETTER = (
    "loss", "error", "latency", "rmse", "mae", "mse", "mape", "brier", "perplexity", "wer", "cer", "fpr", "time",
)  # fmt: skip
HEADS: Mapping[str, str] = {
    "metrics": "Metrics",
    "schema": "Schema",
    "lineage": "Made from",
    "environment": "Software",
    "params": "Parameters",
    "tags": "Tags",
}
"""The heads of a page, in their order, by the first word of a field; what is under none comes first."""
TIMES = frozenset({"created_at", "updated_at"})
Beside = tuple[str, Sequence[Any]]
"""A field, and what each version has there; None where it is absent."""


def in_words(fields: Mapping[str, Sequence[Any]]) -> dict[str, list[Beside]]:
    """Fields of versions under the heads of the page, those that have any."""
    groups: dict[str, list[Beside]] = {"": [], **{head: [] for head in HEADS.values()}}
    for name, values in fields.items():
        head, _, rest = name.partition(".")
        if name == "schema":
            groups["Schema"] = _columns(values)
        elif name == "lineage.datasets":
            groups["Made from"].append(("data", [_datasets(one) for one in values]))
        elif name == "environment.images":
            groups["Software"].append(("images", [_images(one) for one in values]))
        elif name in TIMES:
            groups[""].append((name, [None if one is None else clock(one) for one in values]))
        elif head not in HEADS or not rest:
            groups[""].append((name, values))
        else:
            groups[HEADS[head]].append((rest, values))
    return {head: rows for head, rows in groups.items() if rows}


def is_falling(metric: str) -> bool:
    """Whether less is better, by a metric's name: of a loss, an error or a duration; of everything else more is."""
    parts = metric.lower().replace("-", "_").split("_")
    return any(part.startswith(word) for part in parts for word in SMALLER_IS_BETTER)


def _columns(schemas: Sequence[Any]) -> list[Beside]:
    """The columns that are not alike in all of the schemas, in words."""
    found = [_by_column(one) for one in schemas]
    names = dict.fromkeys(name for one in found for name in one)
    rows = [(name, [one.get(name) for one in found]) for name in names]
    changed: list[Beside] = [(name, values) for name, values in rows if len(set(values)) > 1]
    return changed or [("order of the columns", [list(one) for one in found])]


def _by_column(schema: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for side, columns in (("input", "inputs"), ("output", "outputs"), ("param", "params")):
        for place, column in enumerate((schema or {}).get(columns) or (), 1):
            words = [str(column["type"]), "" if column["required"] or side == "param" else "optional"]
            if column["positional"]:
                words.append("told by its place")
            if column["shape"] is not None:
                words.append(f"shape {column['shape']}")
            if column["minimum"] is not None or column["maximum"] is not None:
                words.append(f"from {_bound(column['minimum'])} to {_bound(column['maximum'])}")
            if column["default"] is not None:
                words.append(f"default {column['default']}")
            found[f"{side} {column['name'] or place}"] = ", ".join(word for word in words if word)
    return found


def _bound(value: float | None) -> str:
    """A bound, or that there is none."""
    return "any" if value is None else number(value)


def _datasets(found: Any) -> list[str] | None:
    return [
        f"{one['name']} #{one['digest']}" if one["digest"] else one["name"] for one in found or ()
    ] or None


def _images(found: Any) -> list[str] | None:
    return [one["address"] + (f" {one['digest']}" if one["digest"] else "") for one in found or ()] or None
