"""What checks of a version say: where a figure, a field, a schema or an hour is there, missing, or known to nobody."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from adapters import Column, Schema
from federation import tables
from federation.access import LOCAL
from federation.database import now, writing
from federation.policies.policies import Policy
from federation.policies.policy import read_window
from federation.references import parse
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world

OLD = Schema(inputs=(Column("x", "double"),), outputs=(Column("y", "double"),))
NEW = Schema(inputs=(Column("x", "double"),), outputs=())
CARD = "# Scorer\n\n## Limitations\n\nNot for loans.\n"
CASES: list[tuple[Policy, str, dict[str, str]]] = [
    (Policy("p", "*", metrics=("auc >= 0.85",)), "m:2", {"metric.auc >= 0.85": "yes"}),
    (Policy("p", "*", metrics=("auc >= 0.85",)), "m:3", {"metric.auc >= 0.85": "no"}),
    (Policy("p", "*", metrics=("f1 >= 0.5",)), "m:2", {"metric.f1 >= 0.5": "no"}),
    (Policy("p", "*", metrics=("odd <= 1",)), "m:2", {"metric.odd <= 1": "no"}),  # what is no number keeps no bound
    (Policy("p", "*", metrics=("auc > production.auc",)), "m:2", {"metric.auc > production.auc": "yes"}),
    (Policy("p", "*", metrics=("auc > production.auc + 0.2",)), "m:2", {"metric.auc > production.auc + 0.2": "no"}),
    (Policy("p", "*", metrics=("auc > production.f1",)), "m:2", {"metric.auc > production.f1": "unknown"}),
    (Policy("p", "*", metrics=("auc > production.auc",)), "n:1", {"metric.auc > production.auc": "yes"}),
    (Policy("p", "*", from_stage="staging"), "m:2", {"from_stage": "yes"}),
    (Policy("p", "*", from_stage="staging"), "m:3", {"from_stage": "no"}),
    (Policy("p", "*", from_stage="staging", soak="24h"), "m:2", {"from_stage": "yes", "soak": "yes"}),
    (Policy("p", "*", from_stage="staging", soak="3d"), "m:2", {"from_stage": "yes", "soak": "no"}),
    (
        Policy("p", "*", require=("card.limitations", "card.ethics", "tag.tier", "commit", "metric.auc")), "m:2",
        {
            "require.card.limitations": "yes", "require.card.ethics": "no", "require.tag.tier": "yes",
            "require.commit": "no", "require.metric.auc": "yes",
        },
    ),
    (Policy("p", "*", schema="backward"), "s:1.1.0", {"schema": "no"}),
    (Policy("p", "*", schema="backward"), "s:1.2.0", {"schema": "yes"}),
    (Policy("p", "*", schema="backward"), "m:2", {"schema": "unknown"}),
    (Policy("p", "*", semver=True), "s:1.1.0", {"semver": "no"}),
    (Policy("p", "*", semver=True), "s:2.0.0", {"semver": "yes"}),
    (Policy("p", "*", semver=True), "s:1.2.0", {"semver": "yes"}),
    (Policy("p", "*", semver=True), "m:2", {"semver": "no"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PromotionsWorld]:
    """Version 2 is in staging for two days, with a card and a figure that is no number; a model breaks a schema."""
    folder: Path = tmp_path_factory.mktemp("checks")
    made = make_promotions_world(f"sqlite:///{folder / 'waypost.db'}")
    sync = made.operations.sync
    changed = {"metrics": {"auc": 0.9, "odd": float("nan")}, "description": CARD, "tags": {"tier": "high"}}
    sync.change(sync.version("m", "2"), **changed)
    sync.model("n", "1")
    sync.change(sync.version("n", "1"), metrics={"auc": 0.1})
    sync.model("s", "1.0.0", "1.1.0", "1.2.0", "2.0.0", aliases={"champion": "1.0.0"})
    for name, schema in (("1.0.0", OLD), ("1.1.0", NEW), ("1.2.0", OLD), ("2.0.0", NEW)):
        sync.change(sync.version("s", name), schema=schema)
    sync.sync()
    with writing(made.engine) as connection:
        began = now() - timedelta(days=2)
        connection.execute(update(tables.span).values(began_by=began, began_after=began))
    yield made
    made.operations.close()


@pytest.mark.parametrize(("policy", "name", "expected"), CASES)
def test_a_check_says(world: PromotionsWorld, policy: Policy, name: str, expected: dict[str, str]) -> None:
    world.apply(policy)
    found = world.promotions.plan(LOCAL, parse(f"memory/{name}"), "production")
    assert {one.name: one.verdict for one in found.checks} == expected


@pytest.mark.parametrize(
    ("text", "at", "is_open"),
    [
        (
            "sun 02:30-03:30 Europe/Berlin",
            "2026-03-29T00:45Z",
            False,
        ),  # 01:45, before the clock is put forward
        ("sun 02:30-03:30 Europe/Berlin", "2026-03-29T01:15Z", True),  # 03:15
        ("sun 02:30-03:30 Europe/Berlin", "2026-03-29T01:45Z", False),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T00:30Z", True),  # 02:30, which comes twice
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:30Z", True),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T02:00Z", False),
        ("fri 22:00-02:00 America/New_York", "2026-11-28T06:30Z", True),  # Saturday, 01:30
        ("fri 22:00-02:00 America/New_York", "2026-11-29T06:30Z", False),
        ("mon-thu 09:00-16:00 Europe/Berlin", "2026-07-02T07:00Z", True),
        ("mon-thu 09:00-16:00 Europe/Berlin", "2026-12-03T07:00Z", False),
    ],
)
def test_a_window_is_open_by_the_clock_of_its_place(text: str, at: str, is_open: bool) -> None:
    assert read_window(text).is_open(datetime.fromisoformat(at)) is is_open
