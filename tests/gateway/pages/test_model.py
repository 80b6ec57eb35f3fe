"""Which versions of a model a page begins with."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.stages import parse_rules
from gateway.api.out import VersionSummaryOut
from gateway.pages.model import FEW, MOST_ROWS, NEWEST, unfolded
from tests.gateway.access.gate import gate


def version(number: int, stage: str = "none", aliases: tuple[str, ...] = ()) -> VersionSummaryOut:
    return VersionSummaryOut(
        ref=f"r/m:{number}", version=str(number), incarnation=number, stage=stage, stage_reason="", aliases=aliases,
        deployed=False, metrics={}, created_at=datetime(2026, 1, 1, tzinfo=UTC), updated_at=None, deleted_at=None,
    )  # fmt: skip


def test_old_versions_that_somebody_relies_on_stay_in_sight() -> None:
    held = {3: version(3, "production"), 7: version(7, aliases=("champion",)), 9: version(9, "archived")}
    shown, folded = unfolded([held.get(number, version(number)) for number in range(70, 0, -1)])
    assert [one.version for one in shown] == [*(str(n) for n in range(70, 70 - NEWEST, -1)), "7", "3"]
    assert len(shown) + len(folded) == 70
    assert "9" in {one.version for one in folded}


def test_of_thousands_the_newest_are_in_the_tables() -> None:
    for stage in ("none", "production"):
        shown, folded = unfolded([version(number, stage) for number in range(5000, 0, -1)])
        assert [one.version for one in (*shown, *folded)] == [
            str(number) for number in range(5000, 5000 - len(shown) - len(folded), -1)
        ]
        assert NEWEST <= len(shown) + len(folded) <= 2 * MOST_ROWS


def test_a_few_old_versions_are_not_folded_away() -> None:
    shown, folded = unfolded([version(number) for number in range(NEWEST + FEW - 1, 0, -1)])
    assert (len(shown), folded) == (NEWEST + FEW - 1, [])


def test_of_many_in_production_five_are_named_and_a_search_finds_the_others(
    tmp_path: Path,
) -> None:
    model = ModelRecord(key=Key("model", "m"), name="scorer")
    versions = [
        VersionRecord(key=Key("version", f"v{one}"), model=model.key, version=str(one), tags={"live": "yes"})
        for one in range(1, 9)
    ]
    with gate(tmp_path, teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            registry = connection.execute(select(tables.registry.c.id)).scalar_one()
            rules = parse_rules({"production": ["tag:live=yes"]}, {})
            writer = CatalogueWriter(connection, Origin(registry, "fraud", rules, now(), importing=True))
            writer.write([codec.encode(one) for one in (model, *versions)])
            writer.batch.append(connection)
        found.follow()
        token = found.token("reader", ("viewer", "*"))
        page = found.ask("GET", "/models/fraud/scorer", token=token, headers={"Accept": "text/html"}).text
        assert page.count("is in production") == 5
        others = re.search(r'so are <a href="([^"]+)">others', page)
        assert others is not None
        shown = found.ask("GET", unescape(others[1]), token=token, headers={"Accept": "text/html"}).text
        assert "8 versions" in shown


def test_dependents_are_counted_as_far_as_a_page_takes_and_that_there_are_more_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate(tmp_path, teams=[("fraud", "risk")]) as found:
        encoder, ranker = (ModelRecord(key=Key("model", name), name=name) for name in ("encoder", "ranker"))
        first = VersionRecord(key=Key("version", "e1"), model=encoder.key, version="1")
        chain = [
            VersionRecord(
                key=Key("version", f"r{one}"), model=ranker.key, version=str(one),
                tags={"depends_on": "fraud/encoder:1" if one == 1 else f"fraud/ranker:{one - 1}"},
            )
            for one in range(1, 9)
        ]  # fmt: skip
        with writing(found.waypost.engine) as connection:
            registry = connection.execute(select(tables.registry.c.id)).scalar_one()
            writer = CatalogueWriter(connection, Origin(registry, "fraud", parse_rules({}, {}), now()))
            writer.write([codec.encode(one) for one in (encoder, ranker, first, *chain)])
            writer.batch.append(connection)
        found.follow()
        token = found.token("reader", ("viewer", "*"))

        def dependents() -> str:
            page = found.ask(
                "GET", "/models/fraud/encoder", token=token, headers={"Accept": "text/html"}
            ).text
            told = re.search(r"<h2[^>]*>Dependents</h2><p>(.+?)</p>", page, re.DOTALL)
            assert told is not None
            return " ".join(re.sub("<[^>]+>", "", told[1]).split())

        whole = "1 version would break, 8 versions are affected in 1 team. See all"
        assert dependents() == whole
        monkeypatch.setattr("federation.graph.walk.FEW", -1)
        assert dependents() == whole
        monkeypatch.setattr("gateway.pages.model.COUNT_TO", 4)
        assert re.fullmatch(
            "At least 1 version would break, [4-7] versions are affected in 1 team; "
            "there are more than are counted here. See all",
            dependents(),
        )
