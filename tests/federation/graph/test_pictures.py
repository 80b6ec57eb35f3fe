"""The blast radius at a glance: as a picture and as a tree."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from federation.access import EVERYTHING, View
from federation.graph.drawing import LIMIT, svg
from federation.graph.graph import Question
from federation.references import parse
from tests.federation.graph.chain import Chain
from tests.federation.graph.estate import Estate

ENCODER = Question(parse("texts/encoder:3"))


def boxes(dot: str) -> list[str]:
    return re.findall(r'^  [nt]\d+ \[label="(.*?)", ', dot, re.MULTILINE)


def test_a_picture_shows_who_is_hit_and_how(chain: Chain) -> None:
    dot = chain.estate.graph.drawing(EVERYTHING, ENCODER, "archive", link="/impact/")
    assert set(boxes(dot)) == {
        "texts/encoder:3",
        "texts/encoder@champion",
        "ranking/ranker:5",
        "ranking/follower:1",
        "search/search-blend:7",
        "endpoint:search/blend-live",
    }
    line = next(line for line in dot.splitlines() if 'label="search/search-blend:7"' in line)
    assert 'peripheries="2"' in line
    assert 'penwidth="2.5"' in line
    assert 'URL="/impact/search/search-blend:7"' in line
    broken = next(line for line in dot.splitlines() if 'label="ranking/ranker:5"' in line)
    assert 'color="#c00000"' in broken
    picture = ET.fromstring(svg(dot))
    assert picture.tag.endswith("svg")
    assert "search/search-blend:7" in "".join(picture.itertext())


def test_a_view_draws_its_part_only(chain: Chain) -> None:
    mine = View.of([chain.estate.ids["texts"]])
    assert boxes(chain.estate.graph.drawing(mine, ENCODER, "archive")) == ["texts/encoder:3"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """A base with 300 dependents of three teams, and a name that tries to break out of its box."""
    estate = Estate(tmp_path_factory.mktemp("crowd"))
    for name in ("bases", "r0", "r1", "r2"):
        estate.join(name, f"team {name}")
    base = estate.model("base")
    estate.put("bases", base, estate.version(base, "1"))
    for place in range(3):
        model = estate.model('"];x[label="\\" <script>\n')
        tags = {"depends_on": "bases/base:1"}
        versions = [estate.version(model, str(n), tags=tags) for n in range(100)]
        estate.put(f"r{place}", model, *versions)
    estate.settle()
    return estate


def test_never_more_than_the_limit_is_drawn_and_the_rest_is_counted(crowd: Estate) -> None:
    dot = crowd.graph.drawing(EVERYTHING, Question(parse("bases/base:1")), "delete")
    labels = boxes(dot)
    assert len(labels) <= LIMIT
    folded = [int(label.split(": ")[1].split()[0]) for label in labels if label.endswith(" more")]
    drawn = sum("script" in label for label in labels)
    assert drawn > 150
    assert drawn + sum(folded) == 300


def test_hostile_names_stay_inert(crowd: Estate) -> None:
    dot = crowd.graph.drawing(EVERYTHING, Question(parse("bases/base:1")), "delete")
    drawn = svg(dot)
    assert "<script" not in drawn
    ET.fromstring(drawn)


def test_without_graphviz_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from federation.graph import drawing

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(drawing.DrawingError, match=r"waypost\[drawing\]"):
        svg("digraph {}")


def test_a_box_on_a_page_says_the_beginning_and_the_end_of_a_long_name_and_a_file_all_of_it(
    tmp_path: Path,
) -> None:
    estate = Estate(tmp_path)
    estate.join("bases", "team")
    base = estate.model("b" * 300)
    estate.put("bases", base, estate.version(base, "1"))
    estate.settle()
    question = Question(parse(f"bases/{'b' * 300}:1"))
    (whole,) = boxes(estate.graph.drawing(EVERYTHING, question, "delete"))
    (cut,) = boxes(estate.graph.drawing(EVERYTHING, question, "delete", link="/impact/"))
    assert whole == f"bases/{'b' * 300}:1"
    assert (len(cut), cut[:6], cut[-2:]) == (46, "bases/", ":1")
