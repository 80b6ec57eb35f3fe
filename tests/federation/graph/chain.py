"""encoder:3 (team A) → ranker:5 (team B) → search-blend:7 (team C, live): a small estate that several tests ask."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters import Column, Dataset, Lineage, ModelRecord, Schema, VersionRecord
from tests.federation.graph.estate import Estate

VECTOR = Schema(inputs=(Column("text", "string"),), outputs=(Column("vector", "float", shape=(-1, 128)),))
WIDER = replace(VECTOR, outputs=(Column("vector", "float", shape=(-1, 256)),))
MORE = replace(VECTOR, outputs=(*VECTOR.outputs, Column("norm", "float")))
CLICKS = Lineage(
    run_id="r1", commit="0123456789abcdef", repository="git@x", datasets=(Dataset("clicks", "d1"),)
)


@dataclass
class Chain:
    estate: Estate
    encoder: ModelRecord
    third: VersionRecord
    ranker: VersionRecord


TEAMS = {"texts": "a", "ranking": "b", "search": "c"}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return build(Estate(tmp_path))


def build(estate: Estate) -> Chain:
    """The chain in registries that join for it."""
    for name, team in TEAMS.items():
        estate.join(name, team)
    encoder = estate.model("encoder", aliases={"champion": "3"})
    third = estate.version(encoder, "3", schema=VECTOR, lineage=CLICKS, stage="Production")
    fourth = estate.version(encoder, "4", schema=WIDER)
    fifth = estate.version(encoder, "5", schema=MORE)
    estate.put("texts", encoder, third, fourth, fifth)
    ranker = estate.model("ranker")
    five = estate.version(ranker, "5", stage="Staging", tags={"depends_on": "texts/encoder:3"})
    estate.put("ranking", ranker, five)
    follower = estate.model("follower")
    estate.put(
        "ranking", follower, estate.version(follower, "1", tags={"depends_on": "texts/encoder@champion"})
    )
    blend = estate.model("search-blend")
    seven = estate.version(blend, "7", stage="Production", tags={"depends_on": "ranking/ranker:5"})
    estate.put("search", blend, seven, estate.endpoint("blend-live", seven))
    estate.settle()
    return Chain(estate, encoder, third, five)
