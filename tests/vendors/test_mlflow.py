"""MLflow judges the façade: its own tests of its registry's client and store pass over it as they pass over the server
behind it, and the newest client that installs does what ours does.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest

from gateway.demo.servers import Server, mlflow_server
from tests.gateway.mlflow.client import mlflow_client
from tests.gateway.mlflow.test_real import LOG, story
from tests.gateway.served import Served, served
from tests.vendors import ENVIRONMENTS, environment

COMMIT = "a89bed67689f916c79a8e1c1ad6cfb5cd7649c77"
"""Of github.com/mlflow/mlflow: the tests of April 2026, between 3.11.1 and 3.12."""
SOURCE = f"https://raw.githubusercontent.com/mlflow/mlflow/{COMMIT}"
FILES = {
    "tests/helper_functions.py": "5353e4e8f49ec4743a6078e05bb5b46d1b5bfb0103456a2baf3937d0af83c8dd",
    "tests/tracking/integration_test_utils.py": "9088dd9606246206a52dd75c12d78abd0cfb653bce5530f8580bb7065fe42209",
    "tests/tracking/test_model_registry.py": "2bc7e310b591e204b957c5220eee99ce9083fffd09fcd382c36f6d6d87d63433",
    "tests/store/model_registry/test_sqlalchemy_store.py": (
        "597e923853d1300840dd523c1a77ade668c8c0c2a847f23d936713814f951989"
    ),
}
"""With their SHA-256."""
KEPT = ENVIRONMENTS / "mlflow-tests"
"""Where they are kept once they were fetched; a folder with a checkout's `tests` may be put here as well."""
SUITE = Path(__file__).with_name("mlflow_suite.py")
WITHOUT_FIXTURES = """
from {module} import *
del {fixtures}
"""
MODULES = {
    "test_client.py": ("tests.tracking.test_model_registry", "client"),
    "test_store.py": ("tests.store.model_registry.test_sqlalchemy_store", "store, workspaces_enabled"),
}
"""The modules whose tests are run, without the fixtures that make servers and stores of their own."""
CHOSEN = "not webhook"
"""Webhooks of MLflow's are not here: Waypost has its own, over all registries."""
WITHIN = 1800
"""Seconds that one run of all of them may take."""
DIFFERENCES = Path(__file__).parents[2] / "config" / "docs" / "mlflow.md"
CONFIG = """
[[registries]]
name = "real"
kind = "mlflow"
team = "t"
sync_every = 0
writable = true
config = {{ url = "{url}" }}
"""


@pytest.fixture(scope="module")
def mlflow_tests() -> Path:
    """The folder in which MLflow's tests are, as they are. Skips where they cannot be fetched."""
    for name, digest in FILES.items():
        path = KEPT / name
        if not path.exists():
            try:
                content = httpx.get(f"{SOURCE}/{name}", timeout=60).raise_for_status().content
            except httpx.HTTPError as error:
                pytest.skip(f"{SOURCE}/{name}: {type(error).__name__}; or put a checkout's files into {KEPT}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for folder in path.relative_to(KEPT).parents[:-1]:
            (KEPT / folder / "__init__.py").touch()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, f"{path} is another than was pinned"
    return KEPT


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Server]]:
    folder = tmp_path_factory.mktemp("suite")
    with (
        mlflow_server(folder / "mlflow") as server,
        served(folder / "gateway", config=CONFIG.format(url=server.url)) as gateway,
    ):
        yield gateway, server


def ended(tests: Path, folder: Path, url: str) -> dict[str, str]:
    """How each of MLflow's tests ends at a server: the empty text where it passes, else why not."""
    folder.mkdir()
    (folder / "conftest.py").write_text(SUITE.read_text())
    for name, (module, fixtures) in MODULES.items():
        (folder / name).write_text(WITHOUT_FIXTURES.format(module=module, fixtures=fixtures))
    (folder / "pytest.ini").write_text("[pytest]\n")
    told = folder / "told.json"
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-k", CHOSEN]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(tests), "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "SUITE_URL": url, "SUITE_TOLD": str(told),
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        subprocess.run(
            command, cwd=folder, env=environment, timeout=WITHIN, check=False, stdout=log, stderr=log
        )
    found: dict[str, str] = json.loads(told.read_text())
    return found


def named() -> dict[str, str]:
    """The tests that the documentation names as different, with why; a name may be a pattern."""
    rows = re.findall(r"^\| `(test_[^`]+)` \| (.+) \|$", DIFFERENCES.read_text(), re.MULTILINE)
    return dict(rows)


@pytest.mark.timeout(2 * WITHIN)
def test_mlflows_own_tests_pass_over_the_facade_as_over_the_server(
    mlflow_tests: Path, world: tuple[Served, Server], tmp_path: Path
) -> None:
    gateway, server = world
    theirs = ended(mlflow_tests, tmp_path / "direct", server.url)
    ours = ended(mlflow_tests, tmp_path / "facade", f"{gateway.url}/mlflow/real")
    passing = [test for test, why in theirs.items() if not why]
    assert len(passing) >= 79, theirs
    different = {test: ours.get(test, "not run") for test in passing if ours.get(test, "not run")}
    unnamed = {
        test: why for test, why in different.items() if not any(fnmatch(test, name) for name in named())
    }
    assert not unnamed, "\n".join(f"{test}: {why}" for test, why in unnamed.items())
    idle = [name for name in named() if not any(fnmatch(test, name) for test in different)]
    assert not idle, f"named as different, and are not: {idle}"


def test_the_newest_client_is_told_what_ours_is_and_loads_models(
    world: tuple[Served, Server], tmp_path: Path
) -> None:
    """The newest that installs is what `make lock-vendors ONLY=mlflow ARGS=--upgrade` finds, without a server."""
    gateway, server = world
    with (
        mlflow_client(str(tmp_path), str(environment("mlflow"))) as newest,
        mlflow_client(str(tmp_path)) as ours,
    ):
        here = f"{gateway.url}/mlflow/real"
        told = list(story(newest.at(here)))
        assert told == list(story(ours.at(here)))
        ours.at(server.url)("execute", LOG, "")
        run = gateway.client.post("/registries/real/sync", json={}).raise_for_status().json()["id"]
        while gateway.client.get(f"/syncs/{run}").json()["finished_at"] is None:
            pass
        newest.at(here)("set_registered_model_alias", "line", "champion", "1")
        for uri in ("models:/line/1", "models:/line@champion", "models:/line/latest"):
            assert newest.at(here)("predict", uri, [[3.0]]) == pytest.approx([7.0])
