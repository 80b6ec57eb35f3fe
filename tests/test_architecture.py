"""The rules of the house, read off the source: who imports whom, what modules are called, how long files get.

Each rule is a function from a file to the breaches it finds, and each is shown a breach that it must find.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("adapters", "federation", "gateway")
MAY_IMPORT = {"adapters": (), "federation": ("adapters",), "gateway": ("adapters", "federation")}
ADAPTERS_USE = sys.stdlib_module_names | {"adapters", "httpx", "pydantic", "pydantic_core"}
VENDORS: dict[str, set[str]] = {
    "sagemaker": {"boto3", "botocore"},
    "vertex": {"google", "grpc", "proto"},
    "rest": {"jmespath"},
    "mlflow": set(),
    "parsing": {"yaml"},  # the one reader of strangers' text
    "conformance": {"pytest"},  # the suite is a pytest class that a plugin's author inherits
}
CHEAP = {"jmespath"}  # a small parser of the core install, no SDK: 10 ms
ONLY_GATEWAY_USES = {"click", "granian", "jinja2", "litestar", "rich", "starlette", "typer", "uvicorn"}
BANNED_NAMES = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
KINDS = {"memory", *(each.parent.name for each in (ROOT / "adapters").glob("*/adapter.py"))}
ANATOMY = {"config", "client", "scan", "records", "writes", "adapter"}
"""The files of a kind of backend, each the same in every kind."""
FURTHER = {
    "keys", "reads", "failures", "snippets", "lineage", "software", "schema", "serving", "expressions", "marks",
    "pages", "hidden", "memory",
}  # fmt: skip
"""What one of those may be split into where it grows too long; `adapters/README.md` says what each is."""
LONGEST_FILE = 500
LONGER_FOR_A_REASON = {
    "federation/journal/verify.py": "an auditor reads and runs this one file alone",
    "gateway/demo/models.py": "what two teams registered: data rather than code",
}


@dataclass(frozen=True)
class Source:
    """A parsed file and its place in the repository."""

    path: PurePosixPath
    text: str

    @property
    def package(self) -> str:
        return self.path.parts[0]

    @property
    def kind(self) -> str:
        """The backend kind this file of `adapters` belongs to, or the contract's module that it is."""
        place = self.path.parts[2 if self.is_emulator else 1 :]
        return PurePosixPath(place[0]).stem if self.package == "adapters" else ""

    @property
    def is_emulator(self) -> bool:
        """Emulators are programs of their own, which no adapter imports."""
        return self.path.parts[:2] == ("adapters", "emulators")

    @property
    def serves_tests(self) -> bool:
        """The conformance suite runs under pytest and is tried on the in-memory adapter."""
        return self.kind == "conformance"

    def imports(self) -> Iterator[tuple[str, bool]]:
        """Every imported module, and whether that happens when this one is imported."""
        tree = ast.parse(self.text, str(self.path))
        typing_only = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        lazy = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            at_import = node not in lazy and node not in typing_only
            if isinstance(node, ast.Import):
                yield from ((alias.name, at_import) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield "." * node.level + (node.module or ""), at_import


Rule = Callable[[Source], Iterator[str]]


def imports_run_one_way(source: Source) -> Iterator[str]:
    for module, _ in source.imports():
        top = module.split(".")[0]
        if top in {*PACKAGES, "tests"} - {source.package} and top not in MAY_IMPORT[source.package]:
            yield f"{source.package} imports {module}"


def federation_sees_only_the_contract(source: Source) -> Iterator[str]:
    for module, _ in source.imports():
        if source.package == "federation" and module.startswith("adapters."):
            yield f"imports {module}: federation takes what it needs from the top level of adapters"


def only_the_gateway_knows_http_and_the_terminal(source: Source) -> Iterator[str]:
    for module, _ in source.imports():
        if source.package != "gateway" and module.split(".")[0] in ONLY_GATEWAY_USES:
            yield f"imports {module}, which only gateway may"


def adapters_import_little_and_sdks_late(source: Source) -> Iterator[str]:
    for module, at_import in source.imports():
        top = module.split(".")[0]
        if source.package != "adapters" or top in ADAPTERS_USE:
            continue
        if top not in VENDORS.get(source.kind, ()):
            yield f"imports {module}: adapters use the standard library, pydantic, httpx and their own SDK"
        elif at_import and top not in CHEAP and not (source.is_emulator or source.serves_tests):
            yield f"imports {module} when it is imported itself: do it inside the function that needs it"


def only_the_engine_of_search_knows_its_library(source: Source) -> Iterator[str]:
    folder = PurePosixPath("federation/search")
    inside = folder / "tantivy" in source.path.parents
    for module, _ in source.imports():
        if module.split(".")[0] == "tantivy" and not inside:
            yield f"imports {module}, which only {folder}/tantivy may"
        if module.startswith("federation.search.tantivy") and folder in source.path.parents and not inside:
            yield f"imports {module}: the neutral part of search does not know its engine"


def kinds_do_not_know_each_other(source: Source) -> Iterator[str]:
    kinds = KINDS - {source.kind}
    for module, _ in source.imports():
        package, *inside = module.split(".")
        if source.package != "adapters" or package != "adapters":
            continue
        if inside[:1] == ["emulators"]:
            del inside[0]
            if not source.is_emulator:
                yield f"imports {module}: an adapter never knows its emulator"
        if kinds & {*inside[:1]} and not source.serves_tests:
            yield f"imports {module}, another kind of backend"


def kinds_have_one_anatomy(source: Source) -> Iterator[str]:
    name = "/".join(source.path.with_suffix("").parts[2:])
    in_a_kind = source.kind in KINDS and name and not source.is_emulator
    if in_a_kind and name not in {"__init__", *ANATOMY, *FURTHER}:
        yield f"is called {name}: a kind of backend has the files that adapters/README.md names"


def federation_names_no_backend(source: Source) -> Iterator[str]:
    if source.package != "federation":
        return
    for node in ast.walk(ast.parse(source.text)):
        words = [getattr(node, field, None) for field in ("id", "attr", "name", "arg")]
        named = " ".join(word for word in words if isinstance(word, str)).lower()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            named = node.value.lower()
        for kind in ("mlflow", "sagemaker", "vertex"):
            if kind in named:
                yield f"names the backend kind {kind}"


def modules_are_named_after_a_noun(source: Source) -> Iterator[str]:
    parts = {PurePosixPath(part).stem for part in source.path.parts}
    for name in sorted(parts & BANNED_NAMES):
        yield f"is called {name}: name it after the noun it owns"


def files_are_short(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    excused = str(source.path) in LONGER_FOR_A_REASON
    if lines > LONGEST_FILE and not excused:
        yield f"has {lines} lines, more than {LONGEST_FILE}"
    if excused and lines <= LONGEST_FILE:
        yield "is short enough by now: take it out of LONGER_FOR_A_REASON"


def errors_say_so(source: Source) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.text)):
        bases = [ast.unparse(base).split(".")[-1] for base in getattr(node, "bases", ())]
        # A check that failed is a verdict, not an error of ours.
        is_error = any(base.endswith(("Error", "Exception")) and base != "AssertionError" for base in bases)
        if isinstance(node, ast.ClassDef) and is_error and not node.name.endswith("Error"):
            yield f"calls an exception {node.name}: its name ends in Error"


BREACHES: list[tuple[Rule, str, str]] = [
    (imports_run_one_way, "federation/search.py", "def f():\n    from gateway.settings import Settings"),
    (imports_run_one_way, "adapters/mlflow.py", "import federation"),
    (imports_run_one_way, "gateway/app.py", "from tests.servers import postgres"),
    (federation_sees_only_the_contract, "federation/sync.py", "from adapters.contract import Adapter"),
    (only_the_gateway_knows_http_and_the_terminal, "federation/sync.py", "import litestar.status_codes"),
    (adapters_import_little_and_sdks_late, "adapters/sagemaker/client.py", "import boto3"),
    (adapters_import_little_and_sdks_late, "adapters/vertex.py", "def f():\n    import boto3"),
    (adapters_import_little_and_sdks_late, "adapters/records.py", "import sqlalchemy"),
    (only_the_engine_of_search_knows_its_library, "federation/search/plan.py", "from tantivy import Query"),
    (only_the_engine_of_search_knows_its_library, "gateway/app.py", "def f():\n    import tantivy"),
    (
        only_the_engine_of_search_knows_its_library,
        "federation/search/plan.py",
        "from federation.search.tantivy import queries",
    ),
    (kinds_do_not_know_each_other, "adapters/vertex/scan.py", "from adapters.sagemaker.scan import x"),
    (kinds_do_not_know_each_other, "adapters/emulators/vertex/demo.py", "import adapters.emulators.rest"),
    (kinds_do_not_know_each_other, "adapters/vertex/scan.py", "from adapters.emulators.vertex import x"),
    (kinds_have_one_anatomy, "adapters/vertex/mapping.py", ""),
    (kinds_have_one_anatomy, "adapters/vertex/emulator/server.py", ""),
    (federation_names_no_backend, "federation/sync.py", "if kind == 'mlflow':\n    pass"),
    (federation_names_no_backend, "federation/sync.py", "def vertex_stage(): ..."),
    (modules_are_named_after_a_noun, "gateway/utils.py", ""),
    (modules_are_named_after_a_noun, "federation/core/sync.py", ""),
    (files_are_short, "gateway/app.py", "x = 1\n" * 501),
    (files_are_short, "federation/journal/verify.py", "x = 1\n"),
    (errors_say_so, "federation/sync.py", "class LeaseLost(RuntimeError): ..."),
]
ALLOWED = [
    ("gateway/app.py", "import litestar\nfrom federation.sync import run\nfrom adapters import Adapter"),
    ("federation/sync.py", "from adapters import Adapter, TransientError"),
    ("federation/search/tantivy/order.py", "import tantivy\nfrom federation.search.tantivy import queries"),
    ("adapters/sagemaker/client.py", "def connect():\n    import boto3\n    return boto3"),
    ("adapters/emulators/vertex/server.py", "import grpc\nfrom adapters.emulators.vertex import wire"),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in BREACHES))


def sources() -> Iterator[Source]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield Source(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    assert [f"{source.path} {breach}" for source in sources() for breach in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_breach_is_found_by(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(PurePosixPath(path), text)))


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_what_is_allowed_passes(path: str, text: str) -> None:
    assert [breach for rule in RULES for breach in rule(Source(PurePosixPath(path), text))] == []


def test_files_excused_for_their_length_exist() -> None:
    assert [path for path in LONGER_FOR_A_REASON if not (ROOT / path).is_file()] == []


def test_importing_the_contract_loads_no_sdk_and_no_server() -> None:
    program = "import adapters, sys; print(*(n for n, m in sys.modules.items() if getattr(m, '__file__', 0)))"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True).stdout
    loaded = {name.split(".")[0] for name in printed.split()}
    assert "pydantic" in loaded
    assert loaded & ({"mlflow", "sqlalchemy"} | ONLY_GATEWAY_USES | set().union(*VENDORS.values())) == set()
