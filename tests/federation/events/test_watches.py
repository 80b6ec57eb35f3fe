"""An inbox has what is watched, and what is grave of whatever that needs; what is to go is marked."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import insert, select

from federation import tables
from federation.access import EVERYTHING, LOCAL, View
from federation.database import now, open_engine, writing
from federation.errors import UnknownError
from federation.graph import deprecations
from federation.graph.graph import Going
from federation.graph.tables import edge, node
from federation.graph.words import EdgeKind, NodeKind
from federation.references import Reference
from tests.federation.events.told import CHURN, OTHER, ToldFeed, model, version


@pytest.fixture
def told(database: str) -> Iterator[ToldFeed]:
    engine = open_engine(database)
    made = ToldFeed(engine)
    made.write("fraud", model(CHURN, "churn"), version(CHURN, "1"))
    made.write("secret", model(OTHER, "other", best="1"), version(OTHER, "1"), version(OTHER, "2"))
    made.follow()
    yield made
    engine.dispose()


def need(told: ToldFeed) -> None:
    """Version 1 of `churn` needs the model `other`."""
    with writing(told.engine) as connection:
        known = tables.version.c
        consumer = connection.execute(select(known.id).where(known.native_id == "c1")).scalar_one()
        needed = connection.execute(
            select(tables.model.c.id).where(tables.model.c.name == "other")
        ).scalar_one()
        for ident, kind, scope in ((1, NodeKind.VERSION, consumer), (2, NodeKind.MODEL, needed)):
            values = {
                "id": ident, "kind": int(kind), "scope": scope, "name": "", "registry_id": 1, "stage": 0,
                "live": False, "created": 0, "means": None, "gone": False, "touched": 0,
            }  # fmt: skip
            connection.execute(insert(node).values(values))
        said = {
            "source": 1, "target": 2, "kind": int(EdgeKind.DEPENDS_ON), "relation": "", "origin": "tag",
            "wanted": "", "wanted_registry": "", "wanted_model": "", "said_by": "", "meant_at": now(),
            "first_seen_at": now(), "last_seen_at": now(), "gone": False, "touched": 0,
        }  # fmt: skip
        connection.execute(insert(edge).values(said))


def test_an_inbox_has_what_is_grave_of_what_is_needed(told: ToldFeed) -> None:
    told.events.watch(LOCAL, "fraud/churn")
    need(told)
    assert [one.type for one in told.events.inbox(LOCAL, None, 9)] == ["version.created", "model.created"]
    told.write("secret", model(OTHER, "other", best="2", worst="1"))
    told.follow()
    newest, *rest = told.events.inbox(LOCAL, None, 9)
    assert (newest.type, newest.subject) == ("alias.moved", "secret/other@best")
    assert told.events.inbox(LOCAL, newest.id, 9) == rest
    with writing(told.engine) as connection:
        deprecations.deprecate(connection, LOCAL, Reference("secret", "other"), Going(date(2027, 3, 31)))
    told.write("secret", model(OTHER, "moved", best="2", worst="1", retired="1"))
    told.follow()
    found = told.events.inbox(LOCAL, None, 9)
    assert sorted((one.type, one.subject) for one in found[: -len(rest) - 1]) == [
        ("model.deprecated", "secret/other"),
        ("model.renamed", "secret/moved"),
        ("stage.changed", "secret/moved:1"),
    ]
    restricted = LOCAL.__class__(LOCAL.id, "local", dict.fromkeys(LOCAL.grants, View.of([told.ids["fraud"]])))
    assert told.events.inbox(restricted, None, 9) == rest


def test_what_is_to_go_is_marked_until_that_is_taken_back(told: ToldFeed) -> None:
    other, day = Reference("secret", "other"), date(2027, 3, 31)
    with writing(told.engine) as connection:
        for note in ("first", "then"):
            deprecations.deprecate(connection, LOCAL, other, Going(day, Reference("fraud", "churn"), note))
        found = deprecations.deprecated(connection, EVERYTHING, ["secret/other:1", "fraud/churn:1"])
        assert [(ref, one.until, one.replacement, one.note) for ref, one in found.items()] == [
            ("secret/other:1", day, "fraud/churn", "then")
        ]
        hidden = View.of([told.ids["secret"]])
        assert [one.replacement for one in deprecations.listed(connection, hidden)] == [""]
        assert deprecations.listed(connection, View.of([told.ids["fraud"]])) == []
        deprecations.reinstate(connection, LOCAL, other)
        assert deprecations.listed(connection, EVERYTHING) == []
        with pytest.raises(UnknownError, match="not deprecated"):
            deprecations.reinstate(connection, LOCAL, other)
    told.follow()
    assert [one.type for one in told.all()][-3:] == [
        "model.deprecated",
        "model.deprecated",
        "model.reinstated",
    ]
