"""Edges that people declare."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from federation import tables
from federation.access import EVERYTHING, READER, Permission, Principal, View
from federation.database import reading, writing
from federation.errors import DeniedError, UnknownError
from federation.graph import declared
from federation.graph.graph import Question
from federation.graph.subject import ImpactQuestionError
from federation.references import parse
from tests.federation.graph.estate import Estate

SOMEBODY = Principal("u1", "u1", dict.fromkeys((Permission.READ, Permission.DECLARE), EVERYTHING))
APP, BASE = parse("apps/app:1"), parse("bases/base:1")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    made = Estate(tmp_path)
    for registry, name in (("apps", "app"), ("bases", "base")):
        made.join(registry, registry)
        model = made.model(name)
        made.put(registry, model, made.version(model, "1"))
    made.settle()
    return made


def declare(
    estate: Estate, consumer: str = str(APP), provider: str = str(BASE), note: str = ""
) -> declared.Declared:
    with writing(estate.engine) as connection:
        made = declared.declare(connection, SOMEBODY, parse(consumer), parse(provider), note=note)
    estate.settle()
    return made


def dependents(estate: Estate, ref: str = str(BASE)) -> list[str]:
    return [a.ref for a in estate.graph.impact(EVERYTHING, Question(parse(ref)), "archive").affected]


def test_a_declared_edge_counts_until_it_is_taken_back(estate: Estate) -> None:
    made = declare(estate, note="by hand")
    assert dependents(estate) == ["apps/app:1"]
    (needed,) = estate.graph.dependencies(EVERYTHING, APP).dependencies
    assert [(s.origin, s.said_by) for s in needed.sources] == [("api", "u1")]
    with writing(estate.engine) as connection:
        declared.withdraw(connection, SOMEBODY, made.id)
    estate.settle()
    assert dependents(estate) == []
    assert estate.graph.dependencies(EVERYTHING, APP).dependencies == []


def test_saying_it_twice_is_saying_it_once(estate: Estate) -> None:
    first, second = declare(estate), declare(estate)
    assert (first.id, second.position) == (second.id, None)
    with reading(estate.engine) as connection:
        query = select(func.count()).where(tables.journal.c.action == "dependency.declared")
        assert connection.execute(query).scalar_one() == 1


def test_a_tag_and_a_declaration_are_two_sources_of_one_edge(estate: Estate) -> None:
    made = declare(estate)
    model = estate.model("other")
    estate.put("apps", model, estate.version(model, "1", tags={"depends_on": "bases/base:1"}))
    estate.settle()
    again = declare(estate, consumer="apps/other:1")
    with writing(estate.engine) as connection:
        declared.withdraw(connection, SOMEBODY, again.id)
        declared.withdraw(connection, SOMEBODY, made.id)
    estate.settle()
    assert dependents(estate) == ["apps/other:1"]


def test_a_provider_may_come_later(estate: Estate) -> None:
    declare(estate, provider="later/model@champion")
    found = estate.graph.dependencies(EVERYTHING, APP)
    assert [u.wanted for u in found.unresolved] == ["later/model@champion"]
    estate.join("later", "late")
    model = estate.model("model", aliases={"champion": "1"})
    estate.put("later", model, estate.version(model, "1"))
    estate.settle()
    assert dependents(estate, "later/model:1") == ["apps/app:1"]


def test_a_consumer_by_alias_is_whatever_the_alias_means(estate: Estate) -> None:
    model = estate.model("moving", aliases={"live": "1"})
    estate.put("apps", model, estate.version(model, "1"), estate.version(model, "2"))
    estate.settle()
    declare(estate, consumer="apps/moving@live")
    assert dependents(estate) == ["apps/moving:1"]
    moved = estate.model("moving")
    estate.put("apps", type(moved)(key=model.key, name="moving", aliases={"live": "2"}))
    estate.settle()
    assert dependents(estate) == ["apps/moving:2"]


def test_what_cannot_be_declared_or_taken_back_says_so(estate: Estate) -> None:
    view = View.of([estate.ids["bases"]])
    hidden = Principal("u2", "u2", dict.fromkeys((Permission.READ, Permission.DECLARE), view))
    reader = Principal("u3", "u3", dict.fromkeys(READER, EVERYTHING))
    made = declare(estate)
    with writing(estate.engine) as connection:
        with pytest.raises(UnknownError):
            declared.declare(connection, hidden, APP, BASE)
        with pytest.raises(UnknownError):
            declared.withdraw(connection, hidden, made.id)
        with pytest.raises(DeniedError):
            declared.declare(connection, reader, APP, BASE)
        with pytest.raises(DeniedError):
            declared.withdraw(connection, reader, made.id)
        with pytest.raises(ImpactQuestionError, match="itself"):
            declared.declare(connection, SOMEBODY, APP, APP)
        with pytest.raises(ImpactQuestionError, match="note"):
            declared.declare(connection, SOMEBODY, APP, BASE, note="x" * 3000)


def test_what_was_declared_is_listed_in_pages_inside_a_view(estate: Estate) -> None:
    made = [declare(estate, provider=f"bases/base:{n}") for n in range(1, 6)]
    with writing(estate.engine) as connection:
        declared.withdraw(connection, SOMEBODY, made[1].id)
        first, cursor = declared.listed(connection, EVERYTHING, limit=3)
        second, end = declared.listed(connection, EVERYTHING, limit=3, cursor=cursor)
        hidden, _ = declared.listed(connection, View.of([estate.ids["bases"]]))
    assert [one.id for one in first + second] == [made[place].id for place in (0, 2, 3, 4)]
    assert (end, hidden) == (None, [])
