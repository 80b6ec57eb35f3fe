"""A command on the configured database imports what answers it and little else, and yet answers as a server does."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.api.site import HANDLERS
from gateway.app import API
from gateway.cli import run
from gateway.cli.asked import AnsweredProblemError
from gateway.cli.failure import OK, UNREACHABLE, USAGE
from gateway.cli.here import MODULES, registries
from tests.gateway.chained import Chained, chained, configured

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from gateway.cli import run
code = run(sys.argv[1:])
print("imported", *sorted(sys.modules))
sys.exit(code)
"""
SERVER = frozenset({"granian", "sqlalchemy", "litestar", "federation.tables", "prometheus_client"})
"""What a command that asks a gateway elsewhere, or nobody, does without."""
OTHERS = frozenset({"alembic", "litestar", "prometheus_client", "structlog", "sqlalchemy.dialects.postgresql",
                    "cryptography.x509", "jinja2", "joserfc", "cyclonedx", "pydantic.v1",
                    "gateway.docs", "gateway.pages", "gateway.door.sign_in", "gateway.worker", "granian"})  # fmt: skip
"""What no command needs that reads the database."""
HTTP = frozenset({"httpx"})
RECORDS = frozenset({"adapters"})
SEARCH, GRAPH = frozenset({"tantivy", "lark"}), frozenset({"numpy"})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, _ = configured(tmp_path_factory.mktemp("embedded"))
    imported(file, "search", "encoder")  # builds the index
    return file


def imported(config: Path, *words: str, code: int = OK) -> set[str]:
    """The modules that one command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--config", str(config), *words],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=config.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(done.stdout.rpartition("imported ")[2].split())


@pytest.mark.parametrize(
    ("words", "needed", "spared"),
    [
        (["registries", "list"], set(), OTHERS | HTTP | RECORDS | SEARCH | GRAPH),
        (["show", "texts/encoder:3"], RECORDS, OTHERS | HTTP | SEARCH | GRAPH),
        (["search", "encoder"], SEARCH, OTHERS | HTTP | RECORDS | GRAPH),
        (["impact", "texts/encoder:3"], GRAPH, OTHERS | HTTP | SEARCH),
        (["--help"], set(), SERVER | OTHERS | SEARCH | GRAPH | {"httpx"}),
        (["registries", "list", "--url", "http://127.0.0.1:9"], {"httpx"}, SERVER | OTHERS | SEARCH | GRAPH),
    ],
)
def test_a_command_imports_what_answers_it(
    config: Path, words: Sequence[str], needed: set[str], spared: set[str]
) -> None:
    found = imported(config, *words, code=UNREACHABLE if "--url" in words else OK)
    assert needed <= found
    assert spared & found == set()


def test_where_nothing_is_a_search_does_without_what_knows_about_meaning(tmp_path: Path) -> None:
    config = tmp_path / "waypost.toml"
    config.write_text('[[registries]]\nname = "m"\nkind = "memory"\nteam = "t"\n')
    imported(config, "sync")
    assert GRAPH & imported(config, "search", "x") == set()


def asked() -> set[tuple[str, str]]:
    """Every first word of a path of the API, with the methods that it is asked by."""
    return {
        (path.split("/")[1], method)
        for route in HANDLERS
        for path in route.paths
        for method in route.http_methods
    }


def test_every_area_of_the_api_is_answered_here_too() -> None:
    words = {word for word, _ in asked()}
    answered = {word for areas in MODULES.values() for word in areas}
    assert answered - words == set()
    assert words - answered == {"suggest", "witness"}  # which no command asks for


def test_an_error_of_ours_says_how_to_see_more(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> object:
        raise LookupError("secret detail")

    monkeypatch.setattr(registries, "answer", broken)
    assert run(["registries", "list", "--config", str(config)]) == USAGE
    told = capsys.readouterr().err
    assert "inside Waypost (LookupError): WAYPOST_DEBUG=1 before the command" in told
    assert "secret detail" not in told


ALIKE = (
    "/registries", "/registries/texts", "/models/texts/encoder", "/versions/texts/encoder:3",
    "/versions/texts/encoder:3/similar",
    "/diff?left=texts/encoder:3&right=texts/encoder:4", "/timeline/texts/encoder", "/snippets/texts/encoder:3",
    "/search?q=encoder", "/dependencies", "/dependencies/search/search-blend:7", "/impact/texts/encoder:3",
    "/impact?commit=0123456", "/insights", "/insights/orphans", "/operations", "/audit?limit=5", "/audit/keys",
    "/audit/witnesses", "/whoami", "/tokens", "/grants", "/principals", "/sessions",
    "/versions/texts/nothing:1", "/models/nobody/x", "/insights/nothing", "/impact/texts/encoder:3?cursor=x",
    "/versions/texts/encoder:3?incarnation=0", "/versions/texts/encoder:3?as_of=never", "/operations?state=odd",
)  # fmt: skip
"""What both answer, right or wrong."""
DEFAULTS: dict[str, dict[str, Any]] = {"/operations": {"limit": 50}, "/audit": {"newest_first": False}}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with chained(tmp_path_factory.mktemp("both")) as gateway:
        yield gateway


@pytest.mark.parametrize("address", ALIKE)
def test_a_command_is_answered_here_as_by_a_server(both: Chained, address: str) -> None:
    path, _, query = address.partition("?")
    given = dict(pair.split("=") for pair in query.split("&") if query)
    typed = {
        name: int(value) if value.isdigit() else value for name, value in given.items() if name != "commit"
    }
    commit = {"commit": given["commit"]} if "commit" in given else {}
    try:
        here_said = both.get(path, **DEFAULTS.get(path, {}), **typed, **commit)
    except AnsweredProblemError as error:
        here_said = error.body
    served = both.send("GET", f"{API}{address}").json()
    assert timeless(here_said) == timeless(served)


def timeless(said: Any) -> Any:
    """The same without what differs from one moment to the next."""
    if isinstance(said, dict):
        return {name: timeless(value) for name, value in said.items() if name not in ("lag", "took_ms")}
    return [timeless(one) for one in said] if isinstance(said, list) else said


def test_no_plugin_of_pydantic_that_is_installed_beside_runs_in_a_command(
    config: Path, tmp_path: Path
) -> None:
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pydantic]\nstranger = stranger:plugin\n")
    (tmp_path / "stranger.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nplugin = None\n")
    models = "from pydantic import BaseModel\nclass Model(BaseModel):\n    x: int\nModel(x=1)\n"
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
    command = ["-m", "gateway", "--config", str(config), "registries", "list"]
    subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True, timeout=100)
    assert not (tmp_path / "ran").exists()
    subprocess.run(
        [sys.executable, "-c", models], env=environment, check=False, capture_output=True, timeout=100
    )
    assert (tmp_path / "ran").exists()  # without Waypost it does
