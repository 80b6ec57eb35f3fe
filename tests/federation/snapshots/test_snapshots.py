"""A gateway without index and graph takes those of another one, proven; whatever is wrong with them, it has its own."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from federation import tables
from federation.access import EVERYTHING
from federation.changes import newest
from federation.database import now, reading, writing
from federation.followers import Projection
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph, Question
from federation.identity.tables import secret
from federation.leases import Leases
from federation.references import Reference
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from federation.snapshots import snapshots
from federation.snapshots.snapshots import Snapshots
from tests.federation.graph.estate import Estate
from tests.federation.test_whole import House, cut, turn

PARTS = ("search", "graph")


@dataclass
class GatewayFiles:
    """A gateway's own files. `built` says what it had to make of the catalogue."""

    estate: Estate
    folder: Path
    place: str
    built: list[str]

    def __post_init__(self) -> None:
        self.snapshots = Snapshots(self.estate.engine, Leases(str(self.folder)), self.place, self.folder)
        self.followers: dict[str, Projection] = {
            "search": IndexFollower(
                self.folder / "search",
                BuildingSource(self.estate.engine, self.built),
                fetch=partial(self.snapshots.fetch, "search"),
            ),
            "graph": Graphs(
                self.estate.engine, self.folder / "graph", partial(self.snapshots.fetch, "graph"), self.built
            ),
        }

    def settle(self) -> "GatewayFiles":
        for follower in self.followers.values():
            while follower.step():
                pass
        return self

    def keep(self) -> None:
        self.snapshots.keep(self.followers)

    def answers(self, name: str = "scorer") -> tuple[int, int]:
        """How many versions are found, and how many an impact affects."""
        board = FreshnessBoard(self.estate.engine)
        search = Search(self.folder / "search", board, lexicon.load(), board.behind)
        search.reload()
        found = search.query(EVERYTHING, SearchRequest(q=name)).total
        graph = Graph(self.estate.engine, self.folder / "graph")
        return found, graph.impact(EVERYTHING, Question(ref=Reference("fraud", name, "1"))).counts.affected


@dataclass(frozen=True)
class BuildingSource(CatalogueSource):
    built: list[str] = field(default_factory=list)

    def everything(self) -> Any:
        self.built.append("search")
        return CatalogueSource.everything(self)


class Graphs(GraphFollower):
    def __init__(self, engine: Any, folder: Path, fetch: Any, built: list[str]) -> None:
        super().__init__(engine, folder, fetch)
        self._built = built

    def _build(self, connection: Any, head: Any) -> None:
        self._built.append("graph")
        super()._build(connection, head)


@dataclass
class Town:
    """A catalogue of two models, one of which needs the other, and machines that share a place."""

    house: House
    home: Path
    place: str

    def machine(self, name: str) -> GatewayFiles:
        return GatewayFiles(self.house.estate, self.home / name, self.place, [])

    def kept(self) -> list[Path]:
        """Every file of every snapshot that can be used."""
        home = self.home / "place"
        whole = {path.parent for path in home.glob("*/*/manifest")}
        return sorted(path for folder in whole for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def town(tmp_path: Path) -> Town:
    pytest.importorskip("obstore")
    return Town(House(tmp_path), tmp_path, (tmp_path / "place").as_uri())


def test_a_new_gateway_takes_what_another_one_made_and_goes_on_from_there(town: Town) -> None:
    first = town.machine("first").settle()
    first.keep()
    assert first.built == ["search", "graph"]
    town.house.declare("scorer", "ranker")  # and then something changes
    second = town.machine("second").settle()
    assert second.built == []
    assert second.answers() == (1, 1)
    assert second.answers("ranker") == (1, 1)
    assert first.settle().answers("ranker") == (1, 1)


def test_one_that_is_up_to_date_is_not_made_again_and_old_ones_go(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = town.machine("first").settle()
    first.keep()
    before = town.kept()
    first.keep()
    town.house.declare("scorer", "ranker")
    first.settle().keep()
    assert town.kept() == before  # nothing changed; then it was young
    monkeypatch.setattr(snapshots, "EVERY", now() - now())
    first.keep()
    assert len({path.parent for path in town.kept() if path.name == "manifest"}) == 4
    for number in range(2):
        town.house.estate.join(f"another-{number}", "risk")
        first.settle().keep()
    left = {path.parent for path in town.kept() if path.name == "manifest"}
    assert len(left) == 4
    assert not left & {path.parent for path in before}
    assert town.machine("second").settle().built == []


def test_a_file_that_is_damaged_is_noticed_and_the_snapshot_set_aside_and_made_anew(town: Town) -> None:
    first = town.machine("first").settle()
    first.keep()
    kept = {path: path.read_bytes() for path in town.kept()}
    damages: list[Callable[[Path], None]] = [cut, turn, Path.unlink]
    manifests = [path for path in kept if path.name == "manifest"]
    others = [path for path in kept if path.name != "manifest" and path.stat().st_size > 200]
    for number, path in enumerate([*manifests, *others[::7]]):
        for each, content in kept.items():
            each.parent.mkdir(parents=True, exist_ok=True)
            each.write_bytes(content)
        (path.parent / "damaged").unlink(missing_ok=True)
        damages[number % 3 if path.name != "manifest" else number](path)
        part = "search" if "search-" in str(path) else "graph"
        other = town.machine(f"machine-{number}").settle()
        assert other.built == [part], path
        assert other.answers() == (1, 1)
        assert not any(one.name == "manifest" and part in str(one) for one in town.kept()), path
    first.keep()
    assert town.machine("last").settle().built == []


def test_what_was_not_sealed_with_the_secret_of_this_database_is_none(town: Town) -> None:
    first = town.machine("first").settle()
    first.keep()
    with writing(town.house.estate.engine) as connection:
        connection.execute(update(secret).values(value=bytes(32)))
    assert town.machine("second").settle().built == ["search", "graph"]


def test_what_the_feed_no_longer_reaches_is_left_alone(town: Town) -> None:
    first = town.machine("first").settle()
    first.keep()
    town.house.declare("scorer", "ranker")
    town.house.estate.join("another", "risk")
    engine = town.house.estate.engine
    with writing(engine) as connection:
        connection.execute(delete(tables.change).where(tables.change.c.position < newest(connection)))
    second = town.machine("second").settle()
    assert second.built == ["search", "graph"]
    assert second.answers("ranker") == (1, 1)
    assert len(town.kept()) > 20, "it may be of use to nobody, and it is whole"


def test_only_one_gateway_at_a_time_makes_one_and_a_place_that_is_away_holds_up_nobody(town: Town) -> None:
    first, second = town.machine("first").settle(), town.machine("second").settle()
    with writing(town.house.estate.engine) as connection:
        for part in PARTS:
            assert second.snapshots.leases.take(connection, f"snapshot of {part}")
    first.keep()
    assert town.kept() == []
    second.keep()
    assert town.kept()
    lost = GatewayFiles(town.house.estate, town.home / "third", "s3://127.0.0.1:1/bucket", [])
    assert lost.settle().built == ["search", "graph"]


def test_the_files_of_one_commit_are_linked_while_others_are_written(town: Town) -> None:
    first = town.machine("first").settle()
    stopped = threading.Event()

    def write() -> None:
        for number in count():
            if stopped.is_set():
                return
            town.house.estate.join(f"registry-{number}", "risk")
            first.settle()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(20):
            for part, follower in first.followers.items():
                into = town.home / f"{part}-{number}"
                into.mkdir()
                assert follower.link(into).position > 0
    finally:
        stopped.set()
        writer.join()
    with reading(town.house.estate.engine) as connection:
        assert first.settle().followers["search"].position == newest(connection)
