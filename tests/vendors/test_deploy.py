"""What config/deploy holds, read by the tools that will read it."""

import subprocess
from pathlib import Path

import pytest

from tests.vendors import environment

DEPLOY = Path(__file__).parent.parent.parent / "config" / "deploy"
READERS = {
    "compose.yaml": ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
    "Containerfile": ("hadolint",),
    "kubernetes/waypost.yaml": ("kubernetes-validate", "--strict", "--kubernetes-version", "1.36"),
}


def read(file: Path, reader: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    program, *options = reader
    command = [str(environment("deploy").with_name(program)), *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", READERS)
def test_its_reader_finds_nothing_wrong(name: str) -> None:
    done = read(DEPLOY / name, READERS[name])
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = {
    "compose.yaml": ("depends_on:", "depends_upon:"),
    "Containerfile": ("WORKDIR /build", "WORKDIR build"),
    "kubernetes/waypost.yaml": ("readinessProbe:", "readynessProbe:"),
}


@pytest.mark.parametrize("name", READERS)
def test_its_reader_notices_a_mistake(name: str, tmp_path: Path) -> None:
    right, wrong = WRONG[name]
    text = (DEPLOY / name).read_text()
    assert right in text
    changed = tmp_path / Path(name).name
    changed.write_text(text.replace(right, wrong))
    assert read(changed, READERS[name]).returncode != 0
