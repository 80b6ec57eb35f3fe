"""The demo's models are real: the lines that each one's page offers are copied, pasted and run, and the model says
something (`make test` runs a sample). The others say on their page what loading them takes.
"""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.demo.models import REGISTRIES
from tests.patience import until
from waypost.client import Client, Version

pytestmark = [pytest.mark.sample, pytest.mark.xdist_group("demo")]
REAL = [
    f"{registry.name}/{model.name}" for registry in REGISTRIES for model in registry.models if model.recipe
]
SAMPLE = ("fraud/card-fraud-scorer", "search/review-sentiment", "search/catalogue-deduplicator")
INPUTS = {
    f"{registry.name}/{model.name}": dict(model.inputs)
    for registry in REGISTRIES
    for model in registry.models
}
STUBS = [
    f"{registry.name}/{model.name}"
    for registry in REGISTRIES
    for model in registry.models
    if not model.recipe
]
RUN = """
import json, os, sys, traceback, warnings
warnings.simplefilter("ignore")
import mlflow.pyfunc, mlflow.sklearn, pandas, sklearn.linear_model

def paste(ref, title, code, columns):
    scope = {}
    exec(code, scope)
    row = {name: "x" if kind == "string" else 1.0 if kind == "double" else 1 for name, kind in columns.items()}
    assert len(scope["model"].predict(pandas.DataFrame([row]))) == 1

for ref, title, code, columns in json.load(sys.stdin):
    child = os.fork()  # what one snippet sets is not there for the next
    if not child:
        try:
            paste(ref, title, code, columns)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print("ran" if os.waitpid(child, 0)[1] == 0 else "failed", ref, title, flush=True)
"""


def offered(client: Client, ref: str) -> Version:
    """The version whose lines a model's page shows."""
    versions = client.model(ref).versions
    return client.show(next((one for one in versions if one["stage"] == "production"), versions[0])["ref"])


def pasted(client: Client, ref: str) -> list[tuple[str, str, str, Mapping[str, str]]]:
    """The Python that a model's page offers, with what the model takes."""
    found: list[Mapping[str, Any]] = client.get(f"/snippets/{offered(client, ref).ref}")["snippets"]
    takes = INPUTS[ref]
    return [(ref, one["title"], one["code"], takes) for one in found if one["language"] == "python"]


def test_the_lines_of_real_models_run(demo_gateway: dict[str, str], pytestconfig: pytest.Config) -> None:
    import json

    assert len(REAL) >= 12
    with Client(demo_gateway["WAYPOST_URL"]) as client:
        every = {ref: pasted(client, ref) for ref in REAL}
        assert all(len(mine) >= 2 for mine in every.values())
        lines = [one for mine in every.values() for one in mine]
        if not pytestconfig.getoption("--vendors"):
            lines = [every[one][0] for one in SAMPLE] + every[SAMPLE[0]][1:2]
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps(lines), capture_output=True, text=True, check=False
    )
    assert "failed" not in done.stdout, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("ran ") == len(lines), done.stderr[-3000:]
    with Client(demo_gateway["WAYPOST_URL"]) as client:
        for ref in SAMPLE:  # files are read after the first listing
            until(lambda ref=ref: offered(client, ref).data["schema"] and offered(client, ref).metrics)  # type: ignore[misc]


def test_the_others_say_what_loading_them_takes(demo_gateway: dict[str, str]) -> None:
    with Client(demo_gateway["WAYPOST_URL"]) as client:
        for ref in STUBS:
            assert "a stand-in: to load it takes" in client.model(ref).data["description"], ref
