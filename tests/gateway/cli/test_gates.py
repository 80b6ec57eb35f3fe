"""The CI examples in config/: their commands run as they stand, and end with the verdict."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.chained import configured

CONFIG = Path(__file__).parents[3] / "config"


def github() -> list[str]:
    """The `waypost` commands of the workflow, in order."""
    steps = yaml.safe_load((CONFIG / "github-actions-impact.yml").read_text())["jobs"]["impact"]["steps"]
    return [step["run"] for step in steps if "waypost" in step.get("run", "")]


def gitlab() -> list[str]:
    found: dict[str, Any] = yaml.safe_load((CONFIG / "gitlab-ci-impact.yml").read_text())
    return [line for line in found["impact"]["script"] if line.startswith("waypost")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a runner has: the command on the path, and a gateway that it finds."""
    folder = tmp_path_factory.mktemp("runner")
    program = folder / "bin" / "waypost"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "WAYPOST_CONFIG": str(configured(folder)[0]),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }


@pytest.mark.parametrize(
    ("commands", "asked", "code"),
    [
        (github, {"REF": "texts/encoder:3", "ACTION": "archive", "TO": ""}, 1),
        (gitlab, {"REF": "texts/encoder@champion", "ACTION": "move-alias", "TO": "4"}, 0),
    ],
    ids=["github", "gitlab"],
)
def test_an_example_ends_with_the_verdict(
    commands: Any, asked: dict[str, str], code: int, environment: dict[str, str], tmp_path: Path
) -> None:
    codes = {}
    for line in commands():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env={**environment, **asked},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        codes["--fail-on" in line] = done.returncode
        assert done.returncode in (0, 1), done.stderr
    assert codes == {False: 0, True: code}
    assert (tmp_path / "impact.csv").read_text().startswith("ref,")
