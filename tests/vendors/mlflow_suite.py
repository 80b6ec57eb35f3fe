"""The conftest.py under which MLflow's own tests ask a server over REST, whichever it is.

`test_mlflow.py` puts it beside them, in a process where `tests` is MLflow's package of that name.

A server takes no path of its own machine as a source, and no run that it does not know; the tests were written for
stores without a server, which take any text and say numbers and None where REST says texts and nothing. So sources are
put below an address of an object store on their way out and taken from there on their way back, whoever answers.
"""

import json
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.protos.model_registry_pb2 import CreateModelVersion
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds

URL = os.environ["SUITE_URL"]
BELOW = "s3://suite/"
PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"
_SOURCE = re.compile(r"(source_path\s*=\s*')([^']*)'")
_told: dict[str, str] = {}
_call = RestStore._call_endpoint


def _called(self: RestStore, api: Any, json_body: str, *args: Any, **named: Any) -> Any:
    """A call with sources below `BELOW`, which nobody who asks sees."""
    body = json.loads(json_body)
    if api is CreateModelVersion and not body.get("source", "models:").startswith("models:"):
        body["source"] = BELOW + quote(body["source"], safe="/")
    if "filter" in body:
        body["filter"] = _SOURCE.sub(
            lambda found: f"{found[1]}{BELOW}{quote(found[2], safe='/')}'", body["filter"]
        )
    answer = _call(self, api, json.dumps(body), *args, **named)
    for one in _holding(answer):
        for name in ("source", "artifact_uri"):
            if getattr(one, name, "").startswith(BELOW):
                setattr(one, name, unquote(getattr(one, name).removeprefix(BELOW)))
    return answer


def _holding(answer: Any) -> Iterator[Any]:
    """What may hold a source: the answer, its versions, and the newest versions of its models."""
    yield answer
    for name in ("model_version", "registered_model"):
        if name in answer.DESCRIPTOR.fields_by_name:
            yield from _holding(getattr(answer, name))
    for name in ("model_versions", "registered_models", "latest_versions"):
        for one in getattr(answer, name, ()):
            yield from _holding(one)


RestStore._call_endpoint = _called


class AsSql(RestStore):  # type: ignore[misc]
    """A registry over REST that answers as the store in SQL does, for which the tests were written."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        return lambda *args, **named: _plain(found(*args, **named))


def _plain(value: Any) -> Any:
    if isinstance(value, PagedList):
        return PagedList([_plain(one) for one in value], value.token or None)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, ModelVersion):
        value._version = int(value.version)
        value._description = value.description or None
        value._run_link = value.run_link or None
    if hasattr(value, "latest_versions"):
        value._description = value.description or None
        value._latest_version = [_plain(one) for one in value.latest_versions]
        value._aliases = {alias: int(version) for alias, version in value.aliases.items()}
    return value


@pytest.fixture
def client(registry: AsSql) -> MlflowClient:
    """What MLflow's tests of its client ask."""
    return MlflowClient(URL, URL)


@pytest.fixture
def store(registry: AsSql) -> AsSql:
    """What MLflow's tests of its store ask."""
    return registry


@pytest.fixture
def registry() -> Iterator[AsSql]:
    """An empty registry."""
    store = AsSql(lambda: MlflowHostCreds(URL))
    yield store
    for asked in (None, PROMPTS):
        for model in store.search_registered_models(filter_string=asked, max_results=1000):
            store.delete_registered_model(model.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how each test ended, and why."""
    report = yield
    if report.when == "call" or report.failed:
        name = item.nodeid.rpartition("::")[2]
        if not _told.get(name):
            why = "" if call.excinfo is None else call.excinfo.exconly()[:600]
            _told[name] = why or ("" if report.passed else report.outcome)
    return report


def pytest_sessionfinish() -> None:
    Path(os.environ["SUITE_TOLD"]).write_text(json.dumps(_told))
