"""The rules of the house, read off the source: who imports whom, what modules are called, how long files get.

Each rule is a function from a file to the breaches it finds, and each is shown a breach that it must find.
"""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.xdist_group("architecture")  # the files are read once, not in each process
ROOT = Path(__file__).parent.parent
PACKAGES = ("adapters", "federation", "gateway", "waypost")
MAY_IMPORT = {
    "adapters": (),
    "federation": ("adapters",),
    "gateway": ("adapters", "federation"),
    "waypost": (),
}
ADAPTERS_USE = sys.stdlib_module_names | {"adapters", "httpx", "pydantic", "pydantic_core"}
VENDORS: dict[str, set[str]] = {
    "sagemaker": {"boto3", "botocore", "cryptography"},  # a certificate of SNS
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
    "pages", "hidden", "memory", "emulator", "notifications", "presets", "files",
    "room",
}  # fmt: skip
"""What one of those may be split into where it grows too long; `adapters/KINDS.md` says what each is."""
ROOMS = {each.name for each in (ROOT / "federation").iterdir() if (each / "__init__.py").is_file()} - {
    "migrations"
}
FACES = {*(f"federation.{room}.{room}" for room in ROOMS), "federation.search.tantivy.engine"}
VALUES = {
    "federation.search.answer",
    "federation.search.fields",
    "federation.search.syntax",
    "federation.journal.verify",
    "federation.operations.wanted",
    "federation.policies.policy",
}
"""What stands beside a face: how a search is asked and answered, the verifier that runs alone, the kinds of writes,
what a policy says."""
COMPOSITION = {"gateway/waypost.py", "gateway/worker.py"}
"""What makes the faces, and the worker's own work of their rooms."""
TRANSACTIONS = {"glance", "reading", "writing"}
DIALECTS = ("api", "cli", "mlflow", "pages")
HANDLING = {
    f"gateway.{path.parent.name}.{path.stem}"
    for dialect in DIALECTS
    for path in (ROOT / "gateway" / dialect).glob("*.py")
    if dialect == "cli"
    or re.search(r"^(HANDLERS\b|@(get|put|post|patch|delete|\w+_at)\()", path.read_text(), re.MULTILINE)
}
"""The modules with the handlers of a dialect; beside them stand its shapes, which another may use."""
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

    @cached_property
    def code(self) -> "Code":
        """What it says, read once for all rules; the tree is not kept."""
        return Code(ast.parse(self.text, str(self.path)))

    def imports(self) -> Iterable[tuple[str, bool]]:
        """Every imported module, and whether that happens when this one is imported."""
        return self.code.imports

    def names(self) -> Iterable[str]:
        """Everything that is imported, whenever that happens: modules, and names with the module they come from."""
        return self.code.names


class Code:
    """Of one file: what it imports, its classes with their bases, and every identifier and one-word text in it."""

    def __init__(self, tree: ast.Module) -> None:
        self.imports: list[tuple[str, bool]] = []
        self.names: list[str] = []
        self.classes: list[tuple[str, list[str]]] = []
        self.words: set[str] = set()
        self._walk(tree, at_import=True)

    def _walk(self, node: ast.AST, *, at_import: bool) -> None:
        self._note(node, at_import=at_import)
        at_import = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typing_only: list[ast.stmt] = []
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only = node.body
        for child in ast.iter_child_nodes(node):
            self._walk(child, at_import=at_import and child not in typing_only)

    def _note(self, node: ast.AST, *, at_import: bool) -> None:
        if isinstance(node, ast.Import):
            self.imports += ((alias.name, at_import) for alias in node.names)
            self.names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            self.imports.append(("." * node.level + (node.module or ""), at_import))
            self.names += (f"{node.module}.{alias.name}" for alias in node.names if node.module)
        elif isinstance(node, ast.ClassDef):
            self.classes.append((node.name, [ast.unparse(base).split(".")[-1] for base in node.bases]))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            self.words.add(node.value.lower())
        for field in ("id", "attr", "name", "arg"):
            if isinstance(word := getattr(node, field, None), str):
                self.words.add(word.lower())


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
        yield f"is called {name}: a kind of backend has the files that adapters/KINDS.md names"


def federation_names_no_backend(source: Source) -> Iterator[str]:
    if source.package != "federation":
        return
    for word in sorted(source.code.words):
        for kind in ("mlflow", "sagemaker", "vertex"):
            if kind in word:
                yield f"names the backend kind {kind}"


def the_database_is_the_rooms_affair(source: Source) -> Iterator[str]:
    if source.package != "gateway" or str(source.path) in COMPOSITION:
        return
    for name in source.names():
        if name.split(".")[0] in ("sqlalchemy", "sqlmodel", "alembic"):
            yield f"imports {name}: the gateway keeps no SQL"
        if name in {f"federation.database.{one}" for one in TRANSACTIONS}:
            yield f"imports {name}: the rooms open transactions"


def the_gateway_asks_faces(source: Source) -> Iterator[str]:
    if source.package != "gateway" or str(source.path) in COMPOSITION:
        return
    for name in source.names():
        parts = name.split(".")
        of_a_room = parts[0] == "federation" and parts[1:2] and parts[1] in ROOMS
        if of_a_room and not {name, name.rpartition(".")[0]} & (FACES | VALUES):
            yield f"imports {name}: a room is asked by its face"


def no_dialect_calls_anothers_handlers(source: Source) -> Iterator[str]:
    own = ".".join(source.path.parts[:2])
    if own not in {f"gateway.{dialect}" for dialect in DIALECTS}:
        return
    for name in source.names():
        found = {name, name.rpartition(".")[0]} & HANDLING
        if found and not name.startswith(f"{own}."):
            yield f"imports {name}, a handler of another dialect"


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
    for name, bases in source.code.classes:
        # A check that failed is a verdict, not an error of ours.
        is_error = any(base.endswith(("Error", "Exception")) and base != "AssertionError" for base in bases)
        if is_error and not name.endswith("Error"):
            yield f"calls an exception {name}: its name ends in Error"


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
    (the_database_is_the_rooms_affair, "gateway/api/models.py", "from sqlalchemy import select"),
    (the_database_is_the_rooms_affair, "gateway/pages/model.py", "import sqlmodel"),
    (the_database_is_the_rooms_affair, "gateway/denials.py", "from federation.database import writing"),
    (the_gateway_asks_faces, "gateway/api/audit.py", "from federation.journal.log import Batch"),
    (
        the_gateway_asks_faces,
        "gateway/cli/local.py",
        "def f():\n    from federation.registries import states",
    ),
    (the_gateway_asks_faces, "gateway/app.py", "import federation.sync.run"),
    (
        no_dialect_calls_anothers_handlers,
        "gateway/pages/model.py",
        "from gateway.api.models import show_model",
    ),
    (no_dialect_calls_anothers_handlers, "gateway/cli/audit.py", "from gateway.api import audit"),
    (no_dialect_calls_anothers_handlers, "gateway/api/audit.py", "from gateway.cli.audit import verify"),
    (modules_are_named_after_a_noun, "gateway/utils.py", ""),
    (modules_are_named_after_a_noun, "federation/core/sync.py", ""),
    (files_are_short, "gateway/app.py", "x = 1\n" * 501),
    (files_are_short, "federation/journal/verify.py", "x = 1\n"),
    (errors_say_so, "federation/sync.py", "class LeaseLost(RuntimeError): ..."),
]
ALLOWED = [
    ("gateway/app.py", "import litestar\nfrom federation.sync.sync import Run\nfrom adapters import Adapter"),
    (
        "gateway/waypost.py",
        "from sqlalchemy import Engine\nfrom federation.search.source import CatalogueSource",
    ),
    ("gateway/pages/model.py", "from federation.database import now\nfrom gateway.api.out import model_out"),
    ("federation/sync.py", "from adapters import Adapter, TransientError"),
    ("federation/search/tantivy/order.py", "import tantivy\nfrom federation.search.tantivy import queries"),
    ("adapters/sagemaker/client.py", "def connect():\n    import boto3\n    return boto3"),
    ("adapters/emulators/vertex/server.py", "import grpc\nfrom adapters.emulators.vertex import wire"),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in BREACHES))


@cache
def sources() -> list[Source]:
    return [
        Source(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text())
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    assert [f"{source.path} {breach}" for source in sources() for breach in rule(source)] == []


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_breach_is_found_by(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(PurePosixPath(path), text)))


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_what_is_allowed_passes(path: str, text: str) -> None:
    assert [breach for rule in RULES for breach in rule(Source(PurePosixPath(path), text))] == []


def circles(sources: Iterable[Source]) -> list[str]:
    """The rooms of `federation` that need each other, by however many steps; tables belong to no room."""
    needs: dict[str, set[str]] = {room: set() for room in ROOMS}
    for source in sources:
        room = source.path.parts[1]
        if source.package != "federation" or room not in ROOMS or source.path.stem == "tables":
            continue
        for name in source.names():
            parts = name.split(".")
            if parts[0] == "federation" and parts[1:2] and parts[1] in ROOMS and parts[2:3] != ["tables"]:
                needs[room].add(parts[1])
    for between in ROOMS:  # Warshall: what is needed by way of one room after another
        for room in ROOMS:
            needs[room] |= needs[between] if between in needs[room] - {room} else set()
    return sorted(
        f"{room} ⇄ {other}"
        for room in ROOMS
        for other in needs[room]
        if room < other and room in needs[other]
    )


def test_no_rooms_need_each_other() -> None:
    assert circles(sources()) == []


def test_a_circle_of_rooms_is_found() -> None:
    def source(room: str, other: str) -> Source:
        return Source(
            PurePosixPath(f"federation/{room}/{room}.py"), f"from federation.{other}.{other} import X"
        )

    chain = [source("sync", "registries"), source("registries", "journal")]
    assert circles(chain) == []
    found = circles([*chain, source("journal", "sync")])
    assert found == ["journal ⇄ registries", "journal ⇄ sync", "registries ⇄ sync"]
    tables = Source(PurePosixPath("federation/operations/tables.py"), "from federation.sync.run import X")
    assert circles([source("sync", "operations"), tables]) == []


def test_files_excused_for_their_length_exist() -> None:
    assert [path for path in LONGER_FOR_A_REASON if not (ROOT / path).is_file()] == []


def test_importing_the_contract_loads_no_sdk_and_no_server() -> None:
    program = "import adapters, sys; print(*(n for n, m in sys.modules.items() if getattr(m, '__file__', 0)))"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, text=True).stdout
    loaded = {name.split(".")[0] for name in printed.split()}
    assert "pydantic" in loaded
    assert loaded & ({"mlflow", "sqlalchemy"} | ONLY_GATEWAY_USES | set().union(*VENDORS.values())) == set()


def import_cycle(given: Iterable[Source]) -> list[str]:
    """The first modules found that import each other in a round, wherever in the file, for types alone too."""
    modules = {".".join(one.path.with_suffix("").parts).removesuffix(".__init__"): one for one in given}
    graph = {
        name: {_module_in(found, modules.keys()) for found in source.names()} - {name, ""}
        for name, source in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def _module_in(name: str, modules: Container[str]) -> str:
    return next((one for one in (name, name.rpartition(".")[0]) if one in modules), "")


def names_of_two_things(given: Iterable[Source]) -> list[str]:
    """Class names, private ones too, that stand in several modules. What each kind has under one name in the file of
    one name is one thing; so is what the client has from outside under the name that it has inside.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for source in given:
        parts = source.path.parts
        place = f"KIND/{parts[-1]}" if parts[0] == "adapters" and len(parts) > 2 else str(source.path)
        for name, _ in source.code.classes if source.package != "waypost" else ():
            found[name.lstrip("_")].add(place)
    return [
        f"{name}: {', '.join(sorted(places))}" for name, places in sorted(found.items()) if len(places) > 1
    ]


def test_no_module_imports_one_that_imports_it() -> None:
    assert import_cycle(sources()) == []


def test_a_cycle_of_imports_is_found() -> None:
    one = Source(PurePosixPath("federation/one.py"), "def f():\n    from federation.other import g")
    other = Source(
        PurePosixPath("federation/other.py"), "if TYPE_CHECKING:\n    from federation.one import C"
    )
    assert import_cycle([one, other]) != []
    assert import_cycle([one]) == []


def test_a_class_name_stands_for_one_thing() -> None:
    assert names_of_two_things(sources()) == []


def test_a_class_name_of_the_tests_stands_for_one_thing() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    given = [Source(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text()) for path in files]
    assert names_of_two_things(given) == []


def test_a_name_that_stands_for_two_things_is_found() -> None:
    texts = {"federation/a.py": "class _Place: ...", "gateway/b.py": "class Place: ..."}
    kinds = {f"adapters/{kind}/writes.py": "class Writer: ..." for kind in ("mlflow", "rest")}
    assert names_of_two_things(Source(PurePosixPath(path), text) for path, text in texts.items()) != []
    assert names_of_two_things(Source(PurePosixPath(path), text) for path, text in kinds.items()) == []
