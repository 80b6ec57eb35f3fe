"""A plugin as its author and its user meet it: generated, built, installed beside the gateway, found by search."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.demo.servers import answers, reserved_port, server

ROOT = Path(__file__).parents[2]
TOKEN = "the-token-of-the-fake"
PATIENCE = 240.0


def command(*words: str | Path, folder: Path) -> str:
    """Run to its end; what it printed. Fails with everything it said."""
    # What this run is told to do is not for the stranger's tests, whose environment lacks its plugins.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wheel(source: Path, into: Path) -> Path:
    """The wheel of a source tree, built with what this environment has."""
    command(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into, folder=source)
    return max(into.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


def install(python: Path, *what: str | Path) -> None:
    """Install into the environment of this interpreter: out of uv's cache where it has everything."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *what]
    try:
        command(*uv, "--offline", folder=ROOT)
    except AssertionError:
        command(*uv, folder=ROOT)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The programs of a fresh environment with Waypost's wheel and its locked requirements, nothing else."""
    command(sys.executable, "-m", "uv", "venv", "--quiet", tmp_path / "env", folder=tmp_path)
    programs = tmp_path / "env" / "bin"
    waypost = wheel(ROOT, tmp_path / "dist")
    install(programs / "python", "-r", ROOT / "requirements.txt")
    install(programs / "python", "--no-deps", waypost)
    return programs


@contextmanager
def fake(programs: Path, folder: Path) -> Iterator[str]:
    """The generated package's own fake, as a process; its address."""
    with reserved_port() as port:
        words = [str(programs / "python"), "-m", "waypost_acme.fake", str(port), TOKEN]
        address = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            try:
                return httpx.get(f"{address}/info", trust_env=False, timeout=10).status_code in (200, 401)
            except httpx.HTTPError:
                return False

        with server("the fake", words, port=port, log=folder / "fake.log", ready=ready):
            yield address


@pytest.mark.timeout(600)
def test_a_generated_plugin_is_installed_and_its_models_are_found(environment: Path, tmp_path: Path) -> None:
    waypost, python = environment / "waypost", environment / "python"
    command(waypost, "adapters", "new", "acme", folder=tmp_path)
    package = tmp_path / "waypost-acme"
    install(python, "--no-deps", wheel(package, tmp_path / "dist"))
    install(python, "-c", ROOT / "requirements-dev.txt", "pytest")

    assert " passed" in command(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=package)
    checked = command(waypost, "adapters", "check", "acme", "--only", "import_is_light", folder=tmp_path)
    assert checked.startswith("ok ")
    listed = json.loads(command(waypost, "adapters", "list", "--json", folder=tmp_path))
    assert [one["source"].split(",")[0] for one in listed if one["kind"] == "acme"] == ["waypost-acme"]

    token = tmp_path / "acme-token"
    token.write_text(TOKEN)
    with fake(environment, tmp_path) as address, reserved_port() as port:
        file = tmp_path / "waypost.toml"
        file.write_text(
            f'[server]\nport = {port}\n\n[[registries]]\nname = "house"\nkind = "acme"\nteam = "house"\n'
            f'sync_every = 1\nconfig = {{ url = "{address}", token = "file:{token}" }}\n'
        )
        log, url = tmp_path / "gateway.log", f"http://127.0.0.1:{port}"
        serve = [str(waypost), "serve", "--config", str(file)]
        with server(
            "Waypost", serve, port=port, log=log, ready=lambda: answers(f"{url}/health/ready"), patience=120
        ):
            command(waypost, "sync", "house", "--url", url, folder=tmp_path)
            words = ["search", "churn stage:production", "--url", url, "--json"]
            found = json.loads(command(waypost, *words, folder=tmp_path))
    assert [hit["ref"] for hit in found["hits"]] == ["house/churn:2"]
