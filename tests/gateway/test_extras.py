"""What the core install leaves out: whoever asks for it reads in one line which extra brings it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from gateway.app import create_app
from gateway.cli import run
from gateway.cli.failure import UNREACHABLE, USAGE
from gateway.door.front import Front
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.gateway.chained import configured

BILL = "a bill of materials needs cyclonedx: pip install 'waypost[bom]'"
DRAWING = "a drawing needs Graphviz: pip install 'waypost[drawing]', or install dot"
SERVER = "serving needs granian: pip install 'waypost[serve]'"
USERS = ("federation.graph.bom", "federation.graph.billing", "federation.graph.software", "gateway.processes")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return configured(tmp_path_factory.mktemp("core"))[0]


@pytest.fixture(scope="module")
def client(config: Path) -> Iterator[TestClient[Front]]:
    waypost = Waypost(load_settings(config))
    with TestClient(create_app(waypost), base_url="http://127.0.0.1") as found:
        yield found
    waypost.close()


@pytest.fixture(autouse=True)
def core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This process as it were without the extras."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("cyclonedx", "granian")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("cyclonedx", "granian"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in USERS:
        package, _, module = name.rpartition(".")
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.delattr(sys.modules[package], module, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("path", "code", "line"),
    [
        ("/bom/texts/encoder:3", "no-bill", BILL),
        ("/impact/texts/encoder:3?format=svg", "no-picture", DRAWING),
    ],
)
def test_over_http_it_is_a_problem(client: TestClient[Front], path: str, code: str, line: str) -> None:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 503
    assert (answer.json()["type"].rpartition("/")[2], answer.json()["detail"]) == (code, line)


def test_a_page_shows_the_line_where_the_drawing_would_be(client: TestClient[Front]) -> None:
    answer = client.get("/drawing/texts/encoder:3", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    shown = DRAWING.replace("'", "&#x27;")
    assert answer.text == f'<p class="mistake" role="status">{shown}</p>'


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("bom", "texts/encoder:3"), UNREACHABLE, BILL),
        (("impact", "texts/encoder:3", "--format", "svg"), UNREACHABLE, DRAWING),
        (("serve",), USAGE, SERVER),
    ],
)
def test_a_command_ends_with_the_line(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, line: str
) -> None:
    assert run([*words, "--config", str(config)]) == code
    assert capsys.readouterr().err == f"waypost: {line}\n"


def test_everything_else_answers(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["impact", "texts/encoder:3", "--format", "dot", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith("digraph")
