"""Two public generators make a client of our description, by which a program asks what it asks (`make test` tries the
first). Both reach what the API itself says.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.served import Served, served
from tests.patience import until
from tests.vendors import HERE, environment

CONFIG = """
[[registries]]
name = "alpha"
kind = "memory"
team = "risk"
sync_every = 0
writable = true
"""
WITHIN = 300  # seconds
PACKAGE = "waypost_api"
PYTHON_CLIENT = (
    "openapi-python-client", "generate", "--path", "openapi.json", "--output-path", PACKAGE, "--meta", "none",
    "--fail-on-warning",
)  # fmt: skip
GENERATOR = ("openapi-generator-cli", "generate", "-i", "openapi.json", "-g", "python", "-o", ".")
CALLS = {
    "registries",
    "hits",
    "suggested",
    "versions",
    "tagged",
    "named",
    "shown",
    "spans",
    "differing",
    "refused",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that knows two models."""
    with served(tmp_path_factory.mktemp("gateway"), config=CONFIG) as running:
        for number in range(2):
            body = {"model": f"model-{number}", "source": f"s3://models/{number}"}
            running.client.post("/registries/alpha/versions", json=body).raise_for_status()
        until(lambda: running.client.get("/search").json()["models"] == 2, "the models are found")
        yield running


@pytest.mark.parametrize(
    ("command", "program"),
    [
        pytest.param(PYTHON_CLIENT, "openapi_python_user.py", marks=pytest.mark.sample, id="python-client"),
        pytest.param((*GENERATOR, "--package-name", PACKAGE), "openapi_generator_user.py", id="generator"),
    ],
)
def test_a_generated_client_says_what_the_api_says(
    command: tuple[str, ...], program: str, gateway: Served, tmp_path: Path
) -> None:
    python = environment("openapi")
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "openapi.json").write_text(gateway.client.get(f"{gateway.url}/openapi.json").text)
    run(str(python.parent / command[0]), *command[1:], folder=tmp_path, path=path)
    made = [file.stem for file in (tmp_path / PACKAGE / "models").glob("*.py")]
    assert [name for name in made if name.startswith("problem")] == ["problem"]
    assert not [name for name in made if "response" in name and "problem" in name]

    told = json.loads(
        run(str(python), str(HERE / program), str(tmp_path), gateway.url, folder=tmp_path, path=path)
    )
    assert told.keys() == CALLS
    ask = gateway.client.get
    shown = ask("/versions/alpha/model-0@champion").json()
    assert told == {
        "registries": ["alpha"],
        "hits": ["alpha/model-0:1", "alpha/model-1:1"],
        "suggested": [one["text"] for one in ask("/suggest?q=registry:al").json()["suggestions"]],
        "versions": ["alpha/model-0:1"],
        "tagged": ["set_tags", "alpha/model-0:1", "ok"],
        "named": "ok",
        "shown": [shown["ref"], {**shown["tags"], "color": "blue"}, ["champion"]],
        "spans": [one["value"] for one in ask("/timeline/alpha/model-0").json()["spans"]],
        "differing": sorted(ask("/diff?left=alpha/model-0:1&right=alpha/model-1:1").json()["differences"]),
        "refused": [404, ask("/versions/alpha/nobody:1").json()["type"], True],
    }


def run(*command: str, folder: Path, path: str) -> str:
    """What a program prints. It fails with what it says."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
