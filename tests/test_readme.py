"""The commands of the README and of the pages in config/docs are run, or said not to be.

An HTML comment before a bash block says how it is kept true:

- ``<!-- runs: make -->``: each line is a `make` target that the Makefile has.
- ``<!-- runs: shell -->``: the block runs in a new folder with this environment's programs on the path.
- ``<!-- runs: shell with NAME -->``: the same with what the fixture NAME gives, a mapping of environment variables,
  such as the address of a gateway that it has started.
- ``<!-- not run: why -->``.

A ```` ```text ```` block right after one that ran shows what it prints: each of its lines must be in the output, where
`…` stands for anything.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.servers import blank

SHARED = {"demo_gateway": "demo", "mlflow_address": "mlflow"}
"""Which fixtures lead to a server that other tests have started."""
ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"(?:<!--\s*(?P<mark>(?:runs|not run):.*?)\s*-->\n+)?```(?:bash|sh|console)\n(?P<code>.*?)```"
    r"(?:\s*```text\n(?P<shown>.*?)```)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class ReadmeBlock:
    """A bash block, how it is to be run, and the lines it is said to print."""

    mark: str
    code: str
    shown: str

    def __str__(self) -> str:
        return self.code.strip().splitlines()[0][:40]


def blocks(text: str) -> list[ReadmeBlock]:
    found = (match.groupdict(default="") for match in BLOCK.finditer(text))
    return [ReadmeBlock(**one) for one in found]


def missing_targets(code: str, makefile: str) -> list[str]:
    """The lines that are not `make TARGET` with a target of this Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    lines = [line.split("#")[0].split() for line in code.splitlines() if line.strip()]
    return [" ".join(line) for line in lines if line[:1] != ["make"] or not set(line[1:2]) & targets]


def run(code: str, environment: Mapping[str, str], folder: Path) -> str:
    """What the block prints; an assertion with its output when a command in it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def unprinted(shown: str, printed: str) -> list[str]:
    """The shown lines that are not in what was printed."""
    patterns = {
        line: ".*".join(map(re.escape, line.split("…"))) for line in shown.splitlines() if line.strip()
    }
    return [line for line, pattern in patterns.items() if not re.search(pattern, printed)]


def parameters() -> Iterator[ParameterSet]:
    """The blocks of every page; those that share a server run in one process."""
    pages = (ROOT / "README.md", *sorted((ROOT / "config" / "docs").glob("*.md")))
    for block in [block for page in pages for block in blocks(page.read_text())]:
        server = SHARED.get(block.mark.rpartition(" ")[2])
        marks = [pytest.mark.xdist_group(server)] if server else []
        yield pytest.param(block, id=str(block), marks=marks)


@pytest.fixture
def configured(tmp_path: Path) -> dict[str, str]:
    """A configuration of one registry, in a folder of its own."""
    file = tmp_path / "gateway" / "waypost.toml"
    file.parent.mkdir()
    blank.sqlite(file.parent / "waypost.db")
    file.write_text('[[registries]]\nname = "mem"\nkind = "memory"\nteam = "risk"\n')
    return {"WAYPOST_CONFIG": str(file)}


@pytest.mark.parametrize("block", list(parameters()))
def test_the_page_holds(block: ReadmeBlock, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    how, _, detail = block.mark.partition(":")
    words = detail.split()
    if how == "not run":
        assert words, "say why this block is not run"
    elif words == ["make"]:
        assert missing_targets(block.code, (ROOT / "Makefile").read_text()) == []
    else:
        assert words[:1] == ["shell"], f"say how this block is run:\n{block.code}"
        assert words[1:2] in ([], ["with"]), f"not understood: {block.mark}"
        environment = request.getfixturevalue(words[2]) if words[1:] else {}
        assert unprinted(block.shown, run(block.code, environment, tmp_path)) == []


def test_every_bash_block_is_found_with_its_mark_and_output() -> None:
    text = "<!-- runs: make -->\n```bash\nmake a\n```\nand\n\n```bash\nb\n```\n\n```text\nsays b\n```\n"
    assert blocks(text) == [ReadmeBlock("runs: make", "make a\n", ""), ReadmeBlock("", "b\n", "says b\n")]


def test_a_target_that_does_not_exist_is_noticed() -> None:
    assert missing_targets("make test\nmake tset\nls\n", "test: x\n\tdo\n") == ["make tset", "ls"]


def test_a_command_that_fails_or_prints_something_else_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        run("echo no such thing; false; true", {}, tmp_path)
    assert unprinted("3 models … found\n", run("echo 3 models were $WORD", {"WORD": "found"}, tmp_path)) == []
    assert unprinted("4 models\n", "3 models") == ["4 models"]
