"""The authoring guide is followed, block by block, as a stranger would: files written, services started, commands run.

A comment before a block says what becomes of it: ``<!-- file: PATH -->``, ``<!-- runs -->`` (with bash),
``<!-- runs: python -->`` or ``<!-- runs: background -->``. A text block after one that ran shows lines of its output,
where `…` stands for anything.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from adapters import EndpointRecord, ModelRecord, VersionRecord, discover
from gateway.demo.servers import reserved_port
from tests.patience import listens, until
from tests.test_readme import unprinted

PAGES = Path(__file__).parents[2] / "adapters"
GUIDE, KINDS = PAGES / "README.md", PAGES / "KINDS.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```"
    r"(?:\s*```text\n(?P<shown>.*?)```)?",
    re.DOTALL,
)
PATIENCE = 110.0


@dataclass(frozen=True)
class GuideBlock:
    """A block, what becomes of it, and the lines it is said to print."""

    mark: str
    language: str
    code: str
    shown: str


def blocks(page: Path = GUIDE) -> list[GuideBlock]:
    return [GuideBlock(**found.groupdict(default="")) for found in BLOCK.finditer(page.read_text())]


@dataclass
class GuideFolder:
    """A folder where the guide is followed; the guide's ports are replaced by free ones."""

    folder: Path
    ports: dict[str, int]
    running: ExitStack

    def here(self, text: str) -> str:
        for written, free in self.ports.items():
            text = text.replace(written, str(free))
        return text

    def command(self, words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, input=stdin, cwd=self.folder, env=self.environment(), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
        return inherited | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def start(self, code: str) -> None:
        log = self.running.enter_context((self.folder / "service.log").open("a"))
        words = ["bash", "-c", f"exec {self.here(code).strip()}"]
        process = subprocess.Popen(words, cwd=self.folder, env=self.environment(), stdout=log, stderr=log)
        self.running.callback(process.wait)
        self.running.callback(process.kill)
        port = next(free for free in self.ports.values() if str(free) in words[-1])
        until(lambda: listens(port) or process.poll() is not None, f"{words[-1]} listens")
        assert process.poll() is None, f"{words[-1]} ended"

    def follow(self, block: GuideBlock) -> None:
        if block.mark.startswith("file: "):
            path = self.folder / block.mark.removeprefix("file: ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.here(block.code))
        elif block.mark == "runs: background":
            self.start(block.code)
        else:
            python = block.mark == "runs: python"
            words = [sys.executable, "-"] if python else ["bash", "-euo", "pipefail"]
            done = self.command(words, self.here(block.code))
            printed = done.stdout + done.stderr
            assert done.returncode == 0, f"{block.code}\n{printed}"
            assert unprinted(self.here(block.shown), printed) == [], f"{block.code}\n{printed}"


@pytest.fixture
def guide(tmp_path: Path) -> Iterator[GuideFolder]:
    with ExitStack() as running:
        ports = {written: running.enter_context(reserved_port()) for written in ("8765", "8766")}
        yield GuideFolder(tmp_path, ports, running)


@pytest.mark.timeout(600)
def test_the_guide_leads_to_a_search(guide: GuideFolder) -> None:
    for block in blocks():
        guide.follow(block)


def test_every_block_says_what_becomes_of_it() -> None:
    known = re.compile(r"file: \S+|runs(: python|: background)?")
    assert [block.code for block in blocks() if not known.fullmatch(block.mark)] == []


def test_every_kind_is_configured_as_its_page_shows() -> None:
    shown = [tomllib.loads(block.code)["registries"] for block in blocks(KINDS)]
    assert shown, "the page shows configurations"
    for spec in (one for registries in shown for one in registries):
        discover().get(spec["kind"]).config_type.model_validate(spec["config"])


def test_the_smallest_adapter_has_at_most_forty_lines() -> None:
    (smallest,) = (block.code for block in blocks() if block.mark == "file: plugins/house.py")
    assert len(smallest.splitlines()) <= 40


def test_the_guide_names_every_field_of_a_record() -> None:
    section = GUIDE.read_text().partition("### What a record holds")[2].partition("\n### ")[0]
    named = set(re.findall(r"\w+", section))
    every = {one.name for record in (ModelRecord, VersionRecord, EndpointRecord) for one in fields(record)}
    assert every - named == set()
