"""Where versions come from: their runs and logged models, and which of a run's figures are a version's own.

A run of MLflow 3 may log several models. Each has metrics of its own; the run keeps the last of all of them.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.errors import RejectedError
from adapters.mlflow.client import SAFE_ID, MlflowClient
from adapters.payloads import Raw, integer, parts, text

LOGGED_MODEL = re.compile(r"^models:/(m-[A-Za-z0-9_-]{1,120})/?$")
LOGGED_FILES = re.compile(r"/models/(m-[A-Za-z0-9_-]{1,120})/artifacts/?$")
"""Where MLflow keeps the files of a logged model: the source of a version may be that, or of what it is a copy of."""
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """What is known of where one version comes from: its run and its own logged model, empty where it has none.

    `unread_run` and `unread_model` say why the one or the other could not be read.
    """

    run: Raw = field(default_factory=dict)
    logged: Raw = field(default_factory=dict)
    run_id: str | None = None
    model_id: str | None = None
    unread_run: str | None = None
    unread_model: str | None = None


NOWHERE = RunOrigin()


@dataclass(frozen=True, slots=True)
class RunOrigins:
    """Where the versions of one page come from, by name and number."""

    of: Mapping[tuple[Any, Any], RunOrigin] = field(default_factory=dict)

    def __getitem__(self, raw: Raw) -> RunOrigin:
        return self.of.get((raw.get("name"), raw.get("version")), NOWHERE)


class OriginReader:
    """Reads runs and logged models of many versions at once. Keeps where versions have their files: it stays."""

    def __init__(self, api: MlflowClient) -> None:
        self._api = api
        self._addresses: OrderedDict[tuple[Any, ...], str | None] = OrderedDict()

    def read(self, rows: Sequence[Any]) -> RunOrigins:
        """Where these versions come from. Errors: a `TransientError` that concerns all of them."""
        versions = [row for row in rows if isinstance(row, dict)]
        named = {id(row): logged_model_id(row) for row in versions}
        logged = self._api.logged_models([each for each in named.values() if each and SAFE_ID.match(each)])
        run_ids = {id(row): _run_id(row, logged.found.get(named[id(row)] or "")) for row in versions}
        runs = self._api.runs([each for each in run_ids.values() if each and SAFE_ID.match(each)])
        indirect = {
            id(row): found
            for row in versions
            if not named[id(row)]
            and (found := self._through_the_run(row, runs.found.get(run_ids[id(row)] or "")))
        }
        more = self._api.logged_models(sorted(set(indirect.values())))
        logged.found.update(more.found)
        logged.failed.update(more.failed)
        origins: dict[tuple[Any, Any], RunOrigin] = {}
        for row in versions:
            run_id, model_id = run_ids[id(row)], named[id(row)] or indirect.get(id(row), "")
            origins[row.get("name"), row.get("version")] = RunOrigin(
                runs.found.get(run_id or "", {}),
                logged.found.get(model_id, {}),
                run_id,
                model_id or None,
                runs.failed.get(run_id or ""),
                logged.failed.get(model_id),
            )
        return RunOrigins(origins)

    def _through_the_run(self, row: Raw, run: Raw | None) -> str | None:
        """The logged model of a version whose source does not name it, such as a copy: the run's only one, else the
        one whose files it has.
        """
        made = outputs(run or {})
        if not made or not (text(row, "source") or "").startswith("models:/"):
            return None
        if len(made) == 1:
            return made[0]
        where = self.address(text(row, "name") or "", str(row.get("version")), row.get("creation_timestamp"))
        address = LOGGED_FILES.search(where or "")
        return address.group(1) if address and address.group(1) in made else None

    def address(self, name: str, version: str, created: Any) -> str | None:
        """Where the files of a version are, by MLflow's own resolution; None where it cannot say."""
        key = (name, version, integer(created))
        if key in self._addresses:
            return self._addresses.get(key)
        try:
            found = self._addresses[key] = self._api.download_uri(name, version)
        except RejectedError:
            return None
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return found


def logged_model_id(raw: Raw) -> str | None:
    """The logged model a version was registered from. MLflow leaves `model_id` empty; the source has it."""
    source = text(raw, "source") or ""
    found = LOGGED_MODEL.match(source) or LOGGED_FILES.search(source)
    return text(raw, "model_id") or (found.group(1) if found else None)


def outputs(run: Raw) -> list[str]:
    """The logged models that a run made, in order."""
    found = (text(each, "model_id") for each in parts(run, "outputs", "model_outputs"))
    return sorted({each for each in found if each and SAFE_ID.match(each)})


def figures(origin: RunOrigin) -> tuple[dict[str, float], list[Any]]:
    """A version's metrics, and the entries of MLflow that they leave out: those of the run that are not known to be its
    own, and those that are no finite number.

    What was measured on its own logged model comes first. The run's figures are its own where it made no other model.
    """
    mine, odd = measured([*parts(origin.logged, "data", "metrics")])
    of_run, made = [*parts(origin.run, "data", "metrics")], outputs(origin.run)
    if len(made) > 1 or (origin.model_id and made != [origin.model_id]):
        return mine, [*odd, *of_run]
    theirs, also_odd = measured(of_run)
    return {**theirs, **mine}, [*odd, *also_odd]


def measured(entries: Sequence[Raw]) -> tuple[dict[str, float], list[Raw]]:
    """Metrics by name, and the entries that are no finite number.

    Of several steps the highest counts, as for a run's own. What was measured on a data set is `NAME@DATASET`, and also
    `NAME` where it was measured on one data set only.
    """
    newest: dict[tuple[str, str], Raw] = {}
    odd = []
    for entry in entries:
        name, value = text(entry, "key"), entry.get("value", 0.0)
        if name is None or not isinstance(value, int | float) or not math.isfinite(value):
            odd.append(entry)
            continue
        key = (name, text(entry, "dataset_name") or "")
        if key not in newest or _moment(newest[key]) <= _moment(entry):
            newest[key] = entry
    found: dict[str, float] = {}
    for (name, dataset), entry in newest.items():
        value = float(entry.get("value", 0.0))
        if dataset:
            found[f"{name}@{dataset}"] = value
        if not dataset or sum(key[0] == name for key in newest) == 1:
            found[name] = value
    return found, odd


def _moment(entry: Raw) -> tuple[int, int]:
    return integer(entry.get("step")) or 0, integer(entry.get("timestamp")) or 0


def _run_id(row: Raw, logged: Raw | None) -> str | None:
    return text(row, "run_id") or text(logged, "info", "source_run_id")
