"""Derived files that a disk, a person or a program has damaged: noticed, set aside, said, and made again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federation import whole
from federation.access import EVERYTHING, LOCAL
from federation.database import writing
from federation.followers import Follower
from federation.graph import declared
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph, Question
from federation.references import Reference
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy import follower as index_follower
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from federation.whole import Digests, Leisure, Suspicion
from tests.federation.graph.estate import Estate

Damage = Callable[[Path], None]


class House:
    """A catalogue of two models, one of which needs the other, and what is derived from it."""

    def __init__(self, home: Path) -> None:
        self.estate = Estate(home)
        self.estate.join("fraud", "risk")
        models = [self.estate.model(name) for name in ("scorer", "ranker")]
        self.estate.put("fraud", *models, *(self.estate.version(model, "1") for model in models))
        self.folder = home / "derived"
        self.search = self.searcher()
        self.graph = Graph(self.estate.engine, self.folder / "graph")
        self.settle()
        self.declare("ranker", "scorer")
        self.settle()

    def searcher(self) -> Search:
        board = FreshnessBoard(self.estate.engine)
        return Search(self.folder / "search", board, lexicon.load(), board.behind)

    def declare(self, consumer: str, provider: str) -> None:
        with writing(self.estate.engine) as connection:
            one, other = Reference("fraud", consumer, "1"), Reference("fraud", provider, "1")
            declared.declare(connection, LOCAL, one, other)

    def followers(self) -> list[Follower]:
        """As a worker has them after a restart."""
        return [
            IndexFollower(self.folder / "search", CatalogueSource(self.estate.engine)),
            GraphFollower(self.estate.engine, self.folder / "graph"),
        ]

    def settle(self, followers: list[Follower] | None = None) -> None:
        for follower in followers or self.followers():
            while follower.step():
                pass

    def answers(self) -> tuple[int, int]:
        """What a process that has just started finds."""
        search = self.searcher()
        search.reload()
        hits = search.query(EVERYTHING, SearchRequest(q="scorer"))
        graph = Graph(self.estate.engine, self.folder / "graph")
        question = Question(ref=Reference("fraud", "scorer", "1"))
        return hits.total, graph.impact(EVERYTHING, question).counts.affected

    def files(self) -> list[Path]:
        found = [path for path in self.folder.rglob("*") if path.is_file() and path.stat().st_size]
        return sorted(found)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def cut(path: Path) -> None:
    """A file of its own in the place of what may be mapped: a mapped one that is cut ends whoever reads it."""
    content = path.read_bytes()[:-100]
    path.unlink()
    path.write_bytes(content)


def turn(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        bit = file.read(1)[0] ^ 1
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([bit]))


def rot(path: Path) -> None:
    """What nobody has written: size and time stay."""
    found = path.stat()
    turn(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("damage", [cut, turn, Path.unlink])
def test_whatever_file_is_damaged_all_is_right_again_after_a_start(house: House, damage: Damage) -> None:
    assert house.answers() == (1, 1)
    kept = {path: path.read_bytes() for path in house.files()}
    assert len(kept) > 15
    for path in kept:
        for other in house.files():
            other.unlink()
        for each, content in kept.items():
            each.parent.mkdir(parents=True, exist_ok=True)
            each.write_bytes(content)
        damage(path)
        house.settle()
        assert house.answers() == (1, 1), path.name


def test_damage_in_a_running_worker_is_noticed_and_no_reader_goes_on_with_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = house.followers()
    house.settle(followers)
    house.search.reload()
    assert house.search.query(EVERYTHING, SearchRequest(q="scorer")).total == 1
    monkeypatch.setattr(index_follower, "CHECK_EVERY", 0.0)
    monkeypatch.setattr("federation.graph.follower.CHECK_EVERY", -1.0)
    for path in house.files():
        if path.suffix in (".term", ".npy"):
            turn(path)
    seen: list[int] = []
    rebuild = IndexFollower.rebuild

    def look_and_rebuild(self: IndexFollower) -> None:
        seen.append(house.search.reload())
        rebuild(self)

    monkeypatch.setattr(IndexFollower, "rebuild", look_and_rebuild)
    house.settle(followers)
    assert seen == [-1]  # set aside: a reader says that there is none, and not what it has
    assert house.answers() == (1, 1)
    assert not list(house.folder.rglob("damaged-*"))


def test_what_rots_unseen_is_found_when_it_is_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers = house.followers()
    house.settle(followers)
    names = {path.name for path in house.files()}
    for path in house.files():
        if path.suffix in (".term", ".npy"):
            rot(path)
    house.settle(followers)
    assert {path.name for path in house.files()} == names  # nobody has looked yet
    monkeypatch.setattr(whole, "PASS", -1.0)
    monkeypatch.setattr("federation.graph.follower.PASS", -1.0)
    monkeypatch.setattr(Leisure, "next", passing())
    for _ in range(2 * len(names)):
        house.settle(followers)
    assert house.answers() == (1, 1)
    assert not {path.name for path in house.files() if path.suffix == ".term"} & names


def passing() -> Any:
    """All of the hour has passed at every look."""
    queues: dict[int, Iterator[str]] = {}

    def following(self: Leisure, digests: Digests) -> str | None:
        queue = queues.setdefault(id(self), iter(sorted(digests.known)))
        return next(queue, None)

    return following


def test_a_reader_that_meets_an_error_has_it_looked_at_at_once(house: House) -> None:
    followers = house.followers()
    house.settle(followers)
    for path in house.files():
        if path.suffix in (".term", ".npy"):
            rot(path)
    for name in ("search", "graph"):
        current = (house.folder / name / "current").read_text()
        Suspicion(house.folder / name).mark(current)
    house.settle(followers)
    assert house.answers() == (1, 1)


def test_what_is_whole_and_cannot_be_used_is_built_anew_only_once_in_a_while(house: House) -> None:
    followers = house.followers()
    house.settle(followers)
    built = []
    for _ in range(3):
        for name in ("search", "graph"):
            current = (house.folder / name / "current").read_text()
            Suspicion(house.folder / name).mark(current)
        house.settle(followers)
        built.append([(house.folder / name / "current").read_text() for name in ("search", "graph")])
    assert built[0] == built[1] == built[2]
    assert house.answers() == (1, 1)


def test_files_brought_back_from_a_backup_are_read_once_and_believed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    digests = Digests(tmp_path)
    digests.record(["a"])
    os.utime(tmp_path / "a", ns=(1, 1))
    assert Digests.load(tmp_path).damaged() is None
    (tmp_path / "a").write_bytes(b"another")
    assert Digests.load(tmp_path).damaged() == "a"


def test_everything_is_read_again_within_the_time_of_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("a", 100), ("b", 300)):
        (tmp_path / name).write_bytes(bytes(size))
    digests, leisure, at = Digests(tmp_path), Leisure(), [1000.0]
    digests.record(["a", "b"])
    monkeypatch.setattr("federation.whole.time.monotonic", lambda: at[0])
    read = []
    for _ in range(2 * int(whole.PASS)):
        at[0] += 1.0
        read.append(leisure.next(digests))
    assert [name for name in read if name] == ["b", "a"]
