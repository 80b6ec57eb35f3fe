"""Newest means the same wherever somebody asks: by reference, in the catalogue, graph, search and on pages."""

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.access import EVERYTHING
from federation.catalogue.models import read_model
from federation.catalogue.reader import read_version
from federation.database import reading
from federation.references import Reference, parse
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from gateway.api.out import model_out
from gateway.pages.model import best
from tests.federation.graph.estate import START, Estate

NAMES = ("1", "2", "9", "10", "11", "100", "v1", "v1.9", "v1.10", "2.0", "a:1", "final")
MOMENTS = (0, 1, 2, 999, 1000, 999_999, 1_000_000)
"""Microseconds after the beginning: of one millisecond, of one second, and of others."""
versions = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(MOMENTS), st.booleans()),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one[0],
)
Drawn = list[tuple[str, int, bool]]


def newer(one: tuple[str, int, bool]) -> tuple[int, list[tuple[bool, int, str]]]:
    """Creation, then the version's own order: written anew, piece by piece."""
    pieces: list[str] = []
    for sign in one[0]:
        if pieces and pieces[-1].isdigit() == sign.isdigit():
            pieces[-1] += sign
        else:
            pieces.append(sign)
    if pieces[0].isdigit():
        pieces.insert(0, "")
    return one[1], [(piece.isdigit(), int(piece) if piece.isdigit() else 0, piece) for piece in pieces]


@settings(max_examples=6)
@given(st.lists(st.tuples(versions, st.booleans()), min_size=1, max_size=3))
def test_newest_is_one_order_everywhere(models: list[tuple[Drawn, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(Path(folder))
        estate.join("ml", "risk")
        for number, (drawn, is_dated) in enumerate(models):
            put(estate, f"m{number}", drawn, is_dated)
        estate.settle()
        search = index(estate, Path(folder))
        for number, (drawn, is_dated) in enumerate(models):
            told = [(name, moment if is_dated else 0, live) for name, moment, live in drawn]
            expect(estate, search, f"m{number}", sorted(told, key=newer, reverse=True), is_dated)
        estate.engine.dispose()


def put(estate: Estate, name: str, drawn: Drawn, is_dated: bool) -> None:
    """A model and who follows it, and its stage; without dates all its versions are first seen at once."""
    model = estate.model(name)
    made = [
        replace(
            estate.version(model, version, stage="Production" if live else None),
            created_at=at(moment) if is_dated else None,
        )
        for version, moment, live in drawn
    ]
    estate.put("ml", model, *made)
    for what in ("", "@stage:production"):
        follower = estate.model(f"{name}-follower{len(what)}")
        tags = {"depends_on": f"{name}{what}"}
        estate.put("ml", follower, estate.version(follower, "1", tags=tags))


def at(moment: int) -> datetime:
    return START + timedelta(microseconds=moment)


def index(estate: Estate, folder: Path) -> Search:
    follower = IndexFollower(folder / "index", CatalogueSource(estate.engine))
    while follower.step():
        pass
    found = Search(folder / "index", FreshnessBoard(estate.engine), lexicon.load())
    found.reload()
    return found


def expect(estate: Estate, search: Search, name: str, order: Drawn, is_dated: bool) -> None:
    versions = [version for version, _, _ in order]
    live = [version for version, _, live in order if live]
    with reading(estate.engine) as connection:
        model = read_model(connection, EVERYTHING, Reference("ml", name))
        assert [one.version for one in model.versions] == versions
        assert read_version(connection, EVERYTHING, Reference("ml", name)).record.version == versions[0]
        if live:
            staged = Reference("ml", name, stage="production")
            assert read_version(connection, EVERYTHING, staged).record.version == live[0]
    chosen = best(model_out(model))
    assert chosen is not None
    assert chosen.version == (live or versions)[0]
    assert meant(estate, f"{name}-follower0") == [versions[0]]
    assert meant(estate, f"{name}-follower17") == live[:1]
    if is_dated:
        request = SearchRequest(q=f"model:{name}", sort="created", group="version", limit=50)
        assert [hit.version for hit in search.query(EVERYTHING, request).hits] == versions


def meant(estate: Estate, follower: str) -> list[str]:
    found = estate.graph.dependencies(EVERYTHING, Reference("ml", follower, "1")).dependencies
    return [parse(one.ref).version or "" for one in found if one.kind == "version"]
