"""Versions that no search of MLflow's shows: those of a model that were registered under a prompt's name, and all of a
model of which one has a prompt's tag.

MLflow's searches leave them out, whatever the filter; each is only behind its number and its aliases.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from adapters.errors import BadRecordError, NotFoundError, RejectedError
from adapters.mlflow.client import PROMPT_TAG, MlflowClient
from adapters.mlflow.records import model_identity
from adapters.payloads import Raw, pairs, parts, text

MOST_ASKED = 200
"""Numbers of one prompt that are asked for in one scan."""
MOST_MODELS = 50
"""Models whose hidden versions are asked for in one scan."""
MOST_GONE = 100_000


def with_versions(models: Sequence[Any]) -> set[str]:
    """The names of these models that say that they have versions."""
    return {text(row, "name") or "" for row in models if isinstance(row, dict) and any(_named(row))}


def numbers_in(rows: Sequence[Any]) -> dict[str, set[str]]:
    """The numbers of these versions, by model."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if isinstance(row, dict):
            found[text(row, "name") or ""].add(str(row.get("version")))
    return found


class Hidden:
    """Finds them. Remembers which numbers are gone for good: MLflow gives only the highest one again."""

    def __init__(self, api: MlflowClient) -> None:
        self._api = api
        self._gone: set[tuple[int, str, int]] = set()

    def rows(self, prompt: Raw, listed: Collection[str]) -> tuple[list[Raw], list[BadRecordError]]:
        """The versions of a prompt or model that a whole listing of them, `listed`, lacks, and what had to be left.

        Errors: any `AdapterError` but `NotFoundError`.
        """
        try:
            model = model_identity(prompt)
        except BadRecordError:
            return [], []  # the prompt itself is set aside
        known = {int(number) for number in listed if number.isdecimal()}
        named = {int(number) for number in _named(prompt) if number.isdecimal()}
        highest = max(known | named, default=0)
        missing = [
            number
            for number in sorted({*range(1, highest + 1)} - known, reverse=True)
            if (model.created, model.name, number) not in self._gone
        ]
        found: list[Raw] = []
        for number in sorted(missing[:MOST_ASKED], key=lambda number: number not in named):
            try:
                found.append(self._api.version(model.name, str(number)))
            except NotFoundError:
                if number < highest:
                    self._remember((model.created, model.name, number))
        return found, list(_left(model.name, len(missing) - MOST_ASKED))

    def behind(
        self, models: Collection[str], listed: Mapping[str, Collection[str]]
    ) -> tuple[list[Raw], list[BadRecordError]]:
        """The versions of models of which no listing gave any, `listed` apart, and what had to be left.

        Errors: `TransientError`.
        """
        names = sorted(models)
        found: list[Raw] = []
        bad: list[BadRecordError] = []
        for name in names[:MOST_MODELS]:
            try:
                more, left = self.rows(self._api.model(name), listed.get(name, ()))
            except NotFoundError:
                continue  # deleted meanwhile
            except RejectedError as error:
                more, left = (
                    [],
                    [BadRecordError(f"{name} has versions that no listing gave: {error}", native=name)],
                )
            found, bad = [*found, *more], [*bad, *left]
        if (number := len(names) - MOST_MODELS) > 0:
            what = f"{number} models have versions that no listing gave and that were not asked for"
            bad.append(BadRecordError(f"{what}: the next full scan asks on", native="models"))
        return found, bad

    def _remember(self, gone: tuple[int, str, int]) -> None:
        if len(self._gone) >= MOST_GONE:
            self._gone.clear()
        self._gone.add(gone)


def is_prompt(model: Raw) -> bool:
    """Whether a registered model is a prompt."""
    return any(
        text(tag, "key") == PROMPT_TAG and text(tag, "value") == "true" for tag in parts(model, "tags")
    )


def _named(prompt: Raw) -> Iterator[str]:
    """The numbers that the model or prompt itself names: of its aliases and of the newest version in each stage."""
    yield from pairs(prompt.get("aliases"), "alias", "version").values()
    newest: Any = prompt.get("latest_versions")
    for row in newest if isinstance(newest, list) else ():
        yield text(row, "version") or ""


def _left(name: str, count: int) -> Iterator[BadRecordError]:
    if count > 0:
        yield BadRecordError(
            f"{name} lacks {count + MOST_ASKED} numbers, of which {MOST_ASKED} were asked for: models that were "
            "registered under its name may be missing; the next full scan asks on",
            native=f"numbers of {name}",
        )
