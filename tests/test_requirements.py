"""The locked requirements are complete, hashed, agree with each other and name no index."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt")


def pins(lock: str) -> dict[str, set[str]]:
    """Package name to its pinned versions (one per platform or Python, where they differ)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for e in extras for line in project["optional-dependencies"][e]]
    names = {re.split(r"[\[<>=;~ ]", line, maxsplit=1)[0].lower() for line in lines}
    return names - {"waypost"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_path(lock: str) -> None:
    assert not re.search(r"://|file:|--(extra-)?index|--find-links|/", (ROOT / lock).read_text())


def test_what_is_declared_is_locked() -> None:
    assert declared("mlflow", "sagemaker", "vertex", "postgres", "redis") <= pins("requirements.txt").keys()
    assert declared("dev", "demo") <= pins("requirements-dev.txt").keys()


def test_what_is_tested_is_what_is_shipped() -> None:
    tested = pins("requirements-dev.txt")
    assert {
        name: versions for name, versions in pins("requirements.txt").items() if tested.get(name) != versions
    } == {}
