"""The locked requirements are complete, hashed, agree with each other and name no index."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
VENDORS = tuple(f"tests/vendors/{path.name}" for path in sorted((ROOT / "tests/vendors").glob("*.txt")))
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt", *VENDORS)


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
    assert declared("serve", "sagemaker", "vertex", "postgres", "redis") <= pins("requirements.txt").keys()
    assert declared("dev", "demo") <= pins("requirements-dev.txt").keys()


def test_what_is_tested_is_what_is_shipped() -> None:
    tested = pins("requirements-dev.txt")
    assert {
        name: versions for name, versions in pins("requirements.txt").items() if tested.get(name) != versions
    } == {}


@pytest.mark.parametrize(("extra", "lock"), [("sagemaker-sdk", "sagemaker"), ("mlflow-sdk", "mlflow")])
def test_an_extra_for_an_sdk_names_the_version_that_was_tried(extra: str, lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(line) for line in project["optional-dependencies"][extra]]
    [sdk] = [one for one in asked if one.name != "waypost"]
    [tried] = pins(f"tests/vendors/{lock}.txt")[sdk.name]
    assert str(sdk.specifier) == f"=={tried}"


CORE = 170_000_000
"""Bytes of `pip install waypost` in an empty environment: every file of every package, nothing compiled."""


def core() -> dict[str, int]:
    """Each package that Waypost requires without an extra, and what these require: its size in bytes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(line) for line in project["dependencies"]]
    sizes: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    while asked:
        requirement = asked.pop()
        name, extras = canonicalize_name(requirement.name), requirement.extras or {""}
        if (name, str(sorted(extras))) in seen or not _meant(requirement, ""):
            continue
        seen.add((name, str(sorted(extras))))
        found = distribution(name)
        files = [Path(str(file.locate())) for file in found.files or () if file.suffix != ".pyc"]
        sizes[name] = sum(file.stat().st_size for file in files if file.exists())
        needed = [Requirement(line) for line in found.requires or ()]
        asked += [_bare(one) for one in needed if any(_meant(one, extra) for extra in extras)]
    return sizes


def _meant(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _bare(requirement: Requirement) -> Requirement:
    requirement.marker = None
    return requirement


def test_the_core_install_is_small() -> None:
    sizes = core()
    own = [file for name in ("adapters", "federation", "gateway") for file in (ROOT / name).rglob("*")]
    sizes["waypost"] = sum(
        file.stat().st_size for file in own if file.is_file() and "__pycache__" not in file.parts
    )
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:8]
    assert {"numpy", "tantivy", "sqlalchemy"} <= sizes.keys()
    assert sum(sizes.values()) <= CORE, largest


def test_what_an_extra_brings_is_not_in_the_core() -> None:
    assert not {"granian", "graphviz-pure", "cyclonedx-python-lib", "boto3", "mlflow"} & core().keys()
