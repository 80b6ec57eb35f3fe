"""Sessions, people and principals on both databases: listed, ended, renewed, locked out."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from federation.access import LOCAL
from federation.database import now, reading, writing
from federation.erasure import erase
from federation.errors import UnknownError
from federation.identity import people, principals, sessions, tables, tokens
from federation.identity.credentials import seal, unseal
from federation.identity.directory import CredentialError, Directory
from federation.identity.people import Person
from federation.identity.principals import PrincipalError
from federation.identity.sessions import Renewal
from federation.identity.tokens import TokenSpec
from federation.positions import Positions

HOUR = timedelta(hours=1)


def begin(engine: Engine, person: Person, renewal: Renewal | None = None) -> str:
    with writing(engine) as connection:
        return sessions.begin_as_person(connection, person, HOUR, renewal)


def test_sessions_are_listed_and_ended_by_their_ids(engine: Engine) -> None:
    secrets = [begin(engine, Person(subject, subject.upper(), ("ml",))) for subject in ("a", "b", "a")]
    with reading(engine) as connection:
        everybody = sessions.listed(connection)
        mine = sessions.listed(connection, everybody[0].principal)
    assert [one.name for one in everybody] == ["A", "B", "A"]
    assert mine == [everybody[0], everybody[2]]
    with writing(engine) as connection:
        sessions.end_one(connection, everybody[1].id, LOCAL.id)
        for wrong in (everybody[1].id, "s-", "s-zz", "nothing"):
            with pytest.raises(UnknownError):
                sessions.end_one(connection, wrong, LOCAL.id)
        assert sessions.end_of(connection, everybody[0].principal, LOCAL.id) == 2
        assert sessions.listed(connection) == []
    for secret in secrets:
        with pytest.raises(CredentialError, match="revoked"):
            Directory(engine).of_session(secret)


def test_a_session_of_a_token_that_ended_is_not_listed(engine: Engine) -> None:
    with writing(engine) as connection:
        made, _ = tokens.create(connection, TokenSpec("ci", None, None, (("viewer", "*"),)), LOCAL)
        sessions.begin_with_token(connection, made.principal, made.id, HOUR, None)
        assert [one.by for one in sessions.listed(connection)] == [made.id]
        tokens.rotate(connection, "ci", LOCAL)
        assert sessions.listed(connection) == []


def test_one_at_a_time_asks_again_and_everybody_reads_the_answer(engine: Engine) -> None:
    secret = begin(engine, Person("a", "A", ("ml",)), Renewal(b"kept"))
    with writing(engine) as connection:
        assert [sessions.take_turn(connection, secret) for _ in range(2)] == [True, False]
        later = Person("a", "A", None, "too many", now() + people.BELIEVED)
        sessions.renew(connection, secret, later, Renewal(b"new"))
    known = Directory(engine).of_session(secret)
    assert known.renewal is not None
    assert unseal(secret, known.renewal) == b"new"
    with pytest.raises(ValueError, match="another secret"):
        unseal("another", seal(secret, b"x"))
    with reading(engine) as connection:
        row = connection.execute(select(tables.person)).one()
    assert (row.groups, row.remark) == (None, "too many")


def test_who_is_disabled_cannot_sign_in_and_who_was_erased_stays_out(engine: Engine) -> None:
    begin(engine, Person("ada", "Ada Lovelace"))
    with writing(engine) as connection:
        [known] = principals.listed(connection)
        principals.set_disabled(connection, "subject:ada", True, LOCAL.id)
    with pytest.raises(CredentialError, match="disabled"):
        Directory(engine).principal_of(Person("ada", "Ada Lovelace"))
    with writing(engine) as connection:
        principals.set_disabled(connection, known.id, False, LOCAL.id)
        with pytest.raises(PrincipalError, match="yourself"):
            principals.set_disabled(connection, known.id, True, known.id)
        with pytest.raises(UnknownError):
            principals.set_disabled(connection, "nobody", True, LOCAL.id)
    assert Directory(engine).principal_of(Person("ada", "Ada Lovelace")) == known.id
    erase(engine, "Ada Lovelace", actor=LOCAL.id)
    with writing(engine) as connection:
        assert connection.execute(select(tables.person)).all() == []
        with pytest.raises(PrincipalError, match="erased"):
            principals.set_disabled(connection, known.id, False, LOCAL.id)


def test_positions_are_sealed_with_the_secret_of_the_database(engine: Engine) -> None:
    sealed = Positions(engine).seal(12)
    assert Positions(engine).open(sealed) == 12
    assert Positions(engine).open(("B" if sealed[0] == "A" else "A") + sealed[1:]) is None
