"""Other processes of this installation are of this installation, whatever lies in the working directory."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.programs import program

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "federation", "gateway")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where somebody works who has folders called as our packages."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')")
    return tmp_path


@pytest.mark.parametrize("module", ["federation.search.tantivy.apart", "federation.artifacts.process"])
def test_folders_of_the_working_directory_are_no_packages(folder: Path, module: str) -> None:
    ended = subprocess.run(
        program(module), cwd=folder, input=b"", capture_output=True, timeout=60, check=False
    )
    assert b"not ours" not in ended.stderr


def test_a_gateway_is_begun_beside_such_folders(folder: Path) -> None:
    ended = subprocess.run(
        program("gateway", "--version"), cwd=folder, capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_modules_are_run_by_this_command_alone() -> None:
    assert sorted(set(_running_modules())) == ["federation/programs.py"]


def _running_modules() -> Iterator[str]:
    """Files with a list that holds `-m` as a word of a command."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                words = node.elts if isinstance(node, ast.List) else []
                if any(isinstance(word, ast.Constant) and word.value == "-m" for word in words):
                    yield file.relative_to(ROOT).as_posix()
