"""The index after kills, a full disk, a rebuild under readers and jumping clocks: the truth is found again."""

import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters import Key
from federation.access import EVERYTHING
from federation.database import now
from federation.search import freshness, lexicon
from federation.search.answer import SearchAnswer, SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy import folder
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.federation.graph import estate as estate_module
from tests.federation.graph.estate import Estate
from tests.soak import soak

VERSIONS = 3
EVERY = SearchRequest(group="version", limit=200)
ROOT = Path(__file__).parents[3]
FOLLOW = """
import sys, time
from pathlib import Path
from federation.database import open_engine
from federation.search.source import CatalogueSource
from federation.search.tantivy.follower import IndexFollower

follower = IndexFollower(Path(sys.argv[1]), CatalogueSource(open_engine(sys.argv[2])))
print("following", flush=True)
while True:
    if not follower.step():
        time.sleep(0.002)
"""
FILL = """
import resource, signal, sys
from pathlib import Path
from federation.database import open_engine
from federation.search.source import CatalogueSource
from federation.search.tantivy.follower import IndexFollower
from federation.search.tantivy.folder import IndexMissingError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
follower = IndexFollower(Path(sys.argv[1]), CatalogueSource(open_engine(sys.argv[2])))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))
refused = 0
for _ in range(5):
    try:
        follower.step()
    except (OSError, IndexMissingError) as error:
        refused += 1
print("refused", refused, flush=True)
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
while follower.step():
    pass
print("position", follower.position, flush=True)
"""


class IndexedRegistry:
    """A catalogue of one registry, the folder of its index, and a reader."""

    def __init__(self, home: Path) -> None:
        self.estate = Estate(home)
        self.estate.join("fraud", "risk")
        self.path = home / "index"
        self.url = f"sqlite:///{home / 'waypost.db'}"
        self.board = FreshnessBoard(self.estate.engine)
        self.search = Search(self.path, self.board, lexicon.load(), self.board.behind)
        self.models: dict[str, Key] = {}

    def put(self, name: str) -> None:
        """A model with all its versions, in one transaction."""
        model = self.estate.model(name)
        versions = [self.estate.version(model, str(number + 1)) for number in range(VERSIONS)]
        self.estate.put("fraud", model, *versions)
        self.models[name] = model.key

    def forget_but(self, count: int) -> None:
        """All models but the newest are deleted."""
        for name in list(self.models)[:-count]:
            self.estate.drop("fraud", "model", self.models.pop(name))

    def answer(self) -> SearchAnswer:
        self.search.reload()
        return self.search.query(EVERYTHING, EVERY)

    def settle(self) -> None:
        follower = IndexFollower(self.path, CatalogueSource(self.estate.engine))
        while follower.step():
            pass
        follower.close()

    def wrong(self) -> list[str]:
        """What a settled index says that the catalogue does not, or the other way round."""
        found = Counter(hit.model for hit in self.answer().hits)
        return [] if found == dict.fromkeys(self.models, VERSIONS) else [f"{found} for {sorted(self.models)}"]

    def run(self, program: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(self.path), self.url]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def indexed(tmp_path: Path) -> IndexedRegistry:
    return IndexedRegistry(tmp_path)


def torn(answer: SearchAnswer) -> list[str]:
    """Models of which an answer has some versions and not all: no commit ever held that."""
    counts = Counter(hit.model for hit in answer.hits)
    return [f"{model} has {count} versions" for model, count in counts.items() if count != VERSIONS]


@soak(sample=2, full=50, batch=10)
def test_a_worker_killed_during_commits_leaves_an_index_that_is_whole(
    cases: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    rng = random.Random(seed)
    indexed = IndexedRegistry(tmp_path_factory.mktemp("kills"))
    failures: list[str] = []
    written = 0
    for _ in range(cases):
        with indexed.run(FOLLOW) as process:
            assert process.stdout is not None
            process.stdout.readline()
            end = time.monotonic() + rng.uniform(0.01, 0.4)
            while time.monotonic() < end:
                written += 1
                indexed.put(f"model-{written}")
                indexed.forget_but(40)
                failures += torn(indexed.answer())
            process.kill()
        failures += torn(indexed.answer())
        indexed.settle()
        failures += indexed.wrong()
        indexed.forget_but(10)
    return failures


def test_a_full_disk_keeps_the_old_index_and_the_work_goes_on_when_there_is_room(
    indexed: IndexedRegistry,
) -> None:
    indexed.put("before")
    indexed.settle()
    indexed.put("after")
    with indexed.run(FILL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline().split() == ["refused", "5"]
            assert {hit.model for hit in indexed.answer().hits} == {"before"}
            process.stdin.write("room\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith("position"), process.stderr and process.stderr.read()
        finally:
            process.kill()
    assert indexed.wrong() == []


def test_who_reads_while_the_index_is_rebuilt_finds_everything_or_hears_that_it_is_not(
    indexed: IndexedRegistry,
) -> None:
    for number in range(10):
        indexed.put(f"model-{number}")
    indexed.settle()
    failures: list[str] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            answer = indexed.answer()
            if not answer.partial and len(answer.hits) != 10 * VERSIONS:
                failures.append(f"{len(answer.hits)} hits and not partial")

    reader = threading.Thread(target=read)
    reader.start()
    follower = IndexFollower(indexed.path, CatalogueSource(indexed.estate.engine))
    for _ in range(3):
        follower.rebuild()
    ended.set()
    reader.join()
    assert failures == []
    assert indexed.wrong() == []


def test_an_index_that_is_behind_says_so_until_it_has_caught_up(indexed: IndexedRegistry) -> None:
    indexed.put("before")
    indexed.settle()
    assert not indexed.answer().partial
    indexed.put("after")
    end = time.monotonic() + 60
    while not indexed.answer().partial:
        assert time.monotonic() < end, "nothing says that the index is behind"
        time.sleep(0.1)
    indexed.settle()
    answer = indexed.answer()
    assert (answer.partial, len(answer.hits)) == (False, 2 * VERSIONS)


def test_a_clock_that_jumps_changes_nothing_in_what_is_found(
    indexed: IndexedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (0, 4_000, -4_000, 1):
        moment = now() + timedelta(days=days)
        for module in (freshness, estate_module):
            monkeypatch.setattr(module, "now", lambda at=moment: at)
        indexed.put(f"model-{days}")
        indexed.settle()
        assert indexed.wrong() == []


def remove(path: Path) -> None:
    while path.exists():  # the engine may still be writing a file into it
        shutil.rmtree(path, ignore_errors=True)


def scribble(path: Path) -> None:
    for file in path.glob("generation-*/*"):
        file.unlink()  # the engine that has it mapped reads on what it was: cut to nothing, it would end this process
        file.write_bytes(b"scribble")


def lose_segments(path: Path) -> None:
    for file in path.glob("generation-*/*.store"):
        file.unlink()


def lose_name(path: Path) -> None:
    (path / "current").write_text("generation-nowhere")


@pytest.mark.parametrize("damage", [remove, scribble, lose_segments, lose_name])
def test_an_index_that_is_damaged_or_missing_is_built_again(
    indexed: IndexedRegistry, damage: Callable[[Path], None]
) -> None:
    indexed.put("model")
    indexed.settle()
    damage(indexed.path)
    assert indexed.answer().partial
    indexed.settle()
    assert indexed.wrong() == []
    assert not indexed.answer().partial


def test_an_index_of_another_schema_is_built_again(
    indexed: IndexedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed.put("model")
    with monkeypatch.context() as patched:
        patched.setattr(folder, "SCHEMA", "0")
        indexed.settle()
    before = folder.current(indexed.path)
    assert indexed.answer().partial
    indexed.settle()
    assert folder.current(indexed.path) != before
    assert indexed.wrong() == []
