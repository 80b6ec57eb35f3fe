"""Saved searches on both databases: whose they are, who sees and changes them, what is told, what an erasure leaves."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, select

from federation.access import EVERYTHING, LOCAL, Permission, Principal, View
from federation.database import reading, writing
from federation.erasure import erase
from federation.errors import DeniedError, InvalidRequestError, StateError, UnknownError
from federation.identity import principals
from federation.journal.entry import Action, decode
from federation.journal.log import Batch
from federation.searches import searches as room
from federation.searches.searches import Searches, SearchSpec
from federation.tables import journal, value


def somebody(name: str, read: View, on: str | None = None) -> Principal:
    """One who reads these registries, and contributes on a scope."""
    grants: Mapping[Permission, View] = {Permission.READ: read}
    if on is None:
        return Principal(name, name, grants)
    return Principal(name, name, {**grants, Permission.DECLARE: read}, frozenset({("contributor", on)}))


def spec(name: str, q: str = "fraud", **more: Any) -> SearchSpec:
    return SearchSpec(name=name, q=q, **more)


def test_ones_own_are_seen_by_nobody_else(engine: Engine) -> None:
    kept = Searches(engine)
    ada, bob = somebody("p-ada", EVERYTHING), somebody("p-bob", EVERYTHING)
    mine, is_new = kept.save(ada, spec("mine", "fraud stage:production", sort="updated", group="version"))
    assert is_new
    assert (mine.q, mine.sort, mine.group, mine.team) == (
        "fraud stage:production",
        "updated",
        "version",
        None,
    )
    assert kept.find(ada, "mine") == kept.find(ada, mine.id) == mine
    assert (mine.strict, mine.literal) == (False, "")
    again, is_new = kept.save(ada, spec("mine", "churn", strict=True, literal="a b,c"))
    assert (again.id, again.q, is_new) == (mine.id, "churn", False)
    assert (again.strict, again.literal) == (True, "a b,c")
    assert kept.seen(bob) == []
    for try_it in (kept.find, kept.remove):
        with pytest.raises(UnknownError):
            try_it(bob, mine.id)
    kept.remove(ada, "mine")
    assert kept.seen(ada) == []


def test_those_of_a_team_are_seen_with_its_registries_and_changed_by_who_has_a_role_on_it(
    engine: Engine, ids: dict[str, int]
) -> None:
    kept = Searches(engine)
    risk = View.of([ids["fraud"], ids["credit"]])
    writer = somebody("p-writer", risk, "team:risk")
    reader = somebody("p-reader", View.of([ids["fraud"]]), "registry:fraud")
    other = somebody("p-other", View.of([ids["images"]]), "team:vision")
    made, _ = kept.save(writer, spec("live", team="risk"))
    kept.save(reader, spec("live", "my own"))
    assert [(one.name, one.team) for one in kept.seen(reader)] == [("live", None), ("live", "risk")]
    assert kept.find(reader, "live").q == "my own"
    assert kept.find(reader, made.id).q == "fraud"
    assert kept.teams(writer) == ["risk"]
    assert kept.teams(reader) == []
    with pytest.raises(DeniedError, match="on team risk"):
        kept.remove(reader, made.id)
    assert kept.seen(other) == []
    for hidden in ("risk", "nobody's"):
        with pytest.raises(UnknownError):
            kept.save(other, spec("live", team=hidden))
    assert [one.team for one in kept.seen(LOCAL)] == ["risk"]
    kept.remove(LOCAL, made.id)
    assert [one.team for one in kept.seen(reader)] == [None]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": " x"}, {"name": "x" * 81}, {"name": "a\nb"}, {"q": "stage:("}, {"sort": "size"},
     {"group": "team"}],
)  # fmt: skip
def test_what_could_not_be_run_is_not_kept(engine: Engine, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        Searches(engine).save(LOCAL, SearchSpec(**{"name": "x", "q": "fraud", **wrong}))


def test_they_are_limited_in_number(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 2)
    kept = Searches(engine)
    for name in ("one", "two", "two"):
        kept.save(LOCAL, spec(name))
    with pytest.raises(StateError):
        kept.save(LOCAL, spec("three"))


def test_the_journal_tells_who_kept_what_for_whom_without_its_words(engine: Engine) -> None:
    kept = Searches(engine)
    made, _ = kept.save(LOCAL, spec("ask ada", "owner:ada", team="risk"))
    kept.remove(LOCAL, made.id)
    with reading(engine) as connection:
        told = [decode(entry) for entry in connection.execute(select(journal.c.entry)).scalars()]
        beside = set(connection.execute(select(value.c.value)).scalars())
    found = [one.entry for one in told if one.entry.action in (Action.SEARCH_SAVED, Action.SEARCH_REMOVED)]
    assert [(one.action, one.actor, one.details) for one in found] == [
        (action, "local", {"search": made.id, "for": "team:risk"})
        for action in (Action.SEARCH_SAVED, Action.SEARCH_REMOVED)
    ]
    assert found[0].commitments.keys() == {"name", "query"}
    assert {"ask ada", "owner:ada"} <= beside


def test_an_erased_person_leaves_none_and_is_named_in_none(engine: Engine) -> None:
    kept = Searches(engine)
    with writing(engine) as connection:
        batch = Batch()
        row = principals.ensure(connection, batch, "subject:ada@example.com", "Ada", "local")
        batch.append(connection)
    ada = somebody(row.id, EVERYTHING)
    kept.save(ada, spec("hers"))
    kept.save(LOCAL, spec("models of ada@example.com"))
    kept.save(LOCAL, spec("owned", 'owner:"ada@example.com"'))
    kept.save(LOCAL, spec("other"))
    assert erase(engine, "ada@example.com", actor="local").others == 3
    assert [one.name for one in kept.seen(LOCAL)] == ["other"]
    assert kept.seen(ada) == []
