"""What the front matter of a model card says (`README.md` of the Hugging Face Hub, and of what was taken from there).

Nothing of it is certain: strangers wrote it. The keys are those of the Hub's documentation of model cards.
"""

import math
from collections.abc import Iterator
from typing import Any

from adapters.payloads import Raw, parts, text
from adapters.records import Dataset, ParentKind

RELATIONS: dict[str | None, ParentKind] = {
    "finetune": "fine_tuned", "adapter": "parent", "quantized": "quantised", "merge": "base",
}  # fmt: skip
"""What a model is to the one that its card calls its base model, by `base_model_relation`."""


def texts(raw: Raw, name: str) -> list[str]:
    """A text, or the texts of a list: cards have either."""
    value = raw.get(name)
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one]


def license_of(card: Raw) -> str | None:
    """The licence; where it is none of the known ones, its name."""
    known = ", ".join(texts(card, "license"))
    return (text(card, "license_name") if known == "other" else None) or known or None


def own_results(card: Raw, name: str) -> list[Raw]:
    """The results of `model-index` that are this model's (ORGANISATION/NAME): a card is often a copy of the one of the
    model that it was made from, with that one's results.
    """
    entries = list(parts(card, "model-index"))
    mine = {_plain(name), _plain(name.rpartition("/")[2])}
    return [
        result
        for entry in entries
        if _plain(text(entry, "name") or "") in mine or (len(entries) == 1 and not text(entry, "name"))
        for result in parts(entry, "results")
    ]


def metrics_of(results: list[Raw]) -> dict[str, float]:
    """Figures by the metric's type; where it was taken more than once, each of the others with its data."""
    found: dict[str, float] = {}
    for result in results:
        for metric in parts(result, "metrics"):
            name, value = text(metric, "type"), _number(metric.get("value"))
            if name is None or value is None:
                continue
            place = (_data(result), text(result, "dataset", "config"), text(result, "dataset", "split"))
            found.setdefault(
                name if name not in found else f"{name} ({'/'.join(filter(None, place))})", float(value)
            )
    return found


def datasets_of(card: Raw, results: list[Raw], page: str) -> tuple[Dataset, ...]:
    """What the model was trained on, and what these results were measured on. `page` is what data sets' addresses begin
    with.
    """
    trained = (Dataset(name, uri=page + name, role="training") for name in texts(card, "datasets"))
    return tuple(dict.fromkeys((*trained, *_measured(results))))


def _measured(results: list[Raw]) -> Iterator[Dataset]:
    for result in results:
        if name := _data(result):
            yield Dataset(name, text(result, "dataset", "revision"), role="evaluation")


def _data(result: Raw) -> str | None:
    return text(result, "dataset", "type") or text(result, "dataset", "name")


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_one else None


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum() or each == "/")
