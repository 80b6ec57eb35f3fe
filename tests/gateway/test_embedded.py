"""A command on the configured database imports what answers it and little else, and yet answers as a server does."""

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from litestar.handlers import HTTPRouteHandler

import gateway.api
from gateway.app import API, PARTS, bring, create_app, create_embedded
from gateway.cli.failure import OK, UNREACHABLE
from gateway.front import Front
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.gateway.chained import configured

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
OTHERS = frozenset({"alembic", "cryptography.x509", "jinja2", "joserfc", "cyclonedx", "pydantic.v1",
                    "gateway.docs", "gateway.pages", "gateway.sign_in", "gateway.worker", "granian"})  # fmt: skip
"""What no command needs that reads the database."""
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
        (["registries", "list"], set(), OTHERS | SEARCH | GRAPH),
        (["show", "texts/encoder:3"], set(), OTHERS | SEARCH | GRAPH),
        (["search", "encoder"], SEARCH, OTHERS | GRAPH),
        (["impact", "texts/encoder:3"], GRAPH, OTHERS | SEARCH),
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


def test_the_table_of_parts_names_every_module_and_the_words_of_its_paths() -> None:
    found = {}
    for module in iter_modules(gateway.api.__path__):
        handlers = getattr(import_module(f"gateway.api.{module.name}"), "HANDLERS", None)
        if handlers is not None and module.name != "health":  # which is outside of /api/v1
            found[module.name] = {path.split("/")[1] for handler in handlers for path in handler.paths}
    assert found == {name: set(words) for name, words in PARTS.items()}


def rules(front: Front) -> dict[tuple[str, str], tuple[object, ...]]:
    """What stands before each method of each path of the API: permission, and what sees the request first."""
    return {
        (route.path, method): (
            handler.opt["permission"],
            handler.resolve_before_request(),
            handler.handler_name,
        )
        for route in front.app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler, HTTPRouteHandler)
        and route.path.startswith(API)
        and "permission" in handler.opt
        for method in handler.http_methods
    }


def test_embedded_routes_are_the_served_ones_behind_the_same_guards(config: Path) -> None:
    settings = load_settings(config)
    served, embedded = create_app(Waypost(settings)), create_embedded(Waypost(settings))
    assert rules(embedded) == {}
    for words in PARTS.values():
        for word in words:
            bring(embedded, f"{API}/{word}/anything?limit=1")
    assert bring(embedded, f"{API}/models") == []
    assert rules(embedded) == rules(served)
    assert len(rules(served)) > 50


def test_a_path_of_no_part_brings_nothing(config: Path) -> None:
    front = create_embedded(Waypost(load_settings(config)))
    assert bring(front, f"{API}/nothing") == []
    assert front.app.routes == []
