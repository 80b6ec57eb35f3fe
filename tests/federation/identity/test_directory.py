"""What a token lets its holder do, from the moment it is made until it is revoked, and who may give what."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from federation import tables as spine
from federation.access import EVERYTHING, LOCAL, NOTHING, Permission, Principal, View
from federation.database import now, reading, writing
from federation.errors import DeniedError, UnknownError
from federation.identity import grants, sessions, tables, tokens
from federation.identity.directory import LOOK_EVERY, CredentialError, Directory
from federation.identity.grants import GrantError, GrantSpec
from federation.identity.people import Person
from federation.identity.tokens import TokenError, TokenSpec
from federation.journal.query import JournalFilter, read_journal
from federation.registries.configured import RegistrySpec
from federation.registries.configured import apply as apply_registries


def make(engine: Engine, name: str, *roles: tuple[str, str], actor: Principal = LOCAL, **spec: object) -> str:
    with writing(engine) as connection:
        return tokens.create(connection, TokenSpec(name, roles=roles, **spec), actor)[1]  # type: ignore[arg-type]


def seen_by(engine: Engine, secret: str) -> Principal:
    return Directory(engine).of_token(secret).principal


def actions(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [str(line.recorded.entry.action) for line in read_journal(connection, JournalFilter())]


def test_a_token_without_a_role_sees_nothing_and_may_do_nothing(engine: Engine) -> None:
    found = seen_by(engine, make(engine, "bare"))
    assert found.view == NOTHING
    assert not found.grants


def test_a_default_role_lets_everybody_who_is_signed_in_read(engine: Engine) -> None:
    found = Directory(engine, "viewer").of_token(make(engine, "bare")).principal
    assert found.view == EVERYTHING
    assert not found.may(Permission.TAG)


def test_roles_hold_where_they_were_given(engine: Engine, ids: dict[str, int]) -> None:
    secret = make(engine, "ci", ("viewer", "team:risk"), ("approver", "registry:images"))
    found = seen_by(engine, secret)
    assert found.view == View.of(ids.values())
    assert found.may(Permission.CHANGE, ids["images"])
    assert not found.may(Permission.CHANGE, ids["fraud"])
    assert not found.may(Permission.READ)


def test_a_team_takes_in_its_new_registries(engine: Engine, ids: dict[str, int]) -> None:
    secret = make(engine, "ci", ("viewer", "team:risk"))
    directory = Directory(engine)
    assert directory.of_token(secret).principal.view == View.of([ids["fraud"], ids["credit"]])
    specs = [RegistrySpec(name=name, kind="memory", team="risk") for name in (*ids, "late")]
    with writing(engine) as connection:
        apply_registries(connection, specs)
    directory.look()
    view = directory.of_token(secret).principal.view
    assert view.registry_ids is not None
    assert set(ids.values()) < view.registry_ids


def test_scopes_limit_what_roles_allow(engine: Engine) -> None:
    found = seen_by(engine, make(engine, "ci", ("approver", "*"), scopes=["read", "tag"]))
    assert set(found.grants) == {Permission.READ, Permission.TAG}


def test_revocation_reaches_a_process_that_has_just_used_the_token(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    directory = Directory(engine)
    directory.of_token(secret)
    assert directory.recall(secret) is not None
    with writing(engine) as connection:
        tokens.revoke(connection, "ci", LOCAL)
    directory.look()
    assert directory.recall(secret) is None
    with pytest.raises(CredentialError, match="revoked"):
        directory.of_token(secret)


def test_a_process_that_no_longer_looks_forgets(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    directory = Directory(engine)
    directory.of_token(secret)
    with writing(engine) as connection:
        tokens.revoke(connection, "ci", LOCAL)
    import time

    later = time.monotonic() + LOOK_EVERY + 0.1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(CredentialError, match="revoked"):
        directory.of_token(secret)


def test_other_news_of_the_journal_forgets_nothing(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    directory = Directory(engine)
    directory.of_token(secret)
    from federation.journal.entry import Action, Entry
    from federation.journal.log import Batch

    with writing(engine) as connection:
        batch = Batch()
        batch.record(Entry(action=Action.MODEL_CREATED, registry="fraud"))
        batch.append(connection)
    directory.look()
    assert directory.recall(secret) is not None


def test_an_expired_token_ends_by_itself_also_where_it_is_remembered(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"), life=timedelta(days=1))
    directory = Directory(engine)
    directory.of_token(secret)
    with writing(engine) as connection:
        connection.execute(update(tables.token).values(expires_at=now()))
    with pytest.raises(CredentialError, match="expired"):
        Directory(engine).of_token(secret)


@pytest.mark.parametrize(
    "secret", ["", "wp_", "wp_" + "0" * 33, "wp_" + "a" * 27 + "000000", "Bearer x", "ü" * 36]
)
def test_what_is_no_token_is_refused(engine: Engine, secret: str) -> None:
    with pytest.raises(CredentialError, match="unknown"):
        Directory(engine).of_token(secret)


def test_a_renewed_token_keeps_its_principal_and_ends_the_old_secret(engine: Engine) -> None:
    old = make(engine, "ci", ("viewer", "*"))
    before = seen_by(engine, old)
    with writing(engine) as connection:
        _, new = tokens.rotate(connection, "ci", LOCAL)
    assert seen_by(engine, new) == before
    with pytest.raises(CredentialError, match="revoked"):
        seen_by(engine, old)


def test_a_renewed_token_may_leave_the_old_one_some_time(engine: Engine) -> None:
    old = make(engine, "ci", ("viewer", "*"))
    with writing(engine) as connection:
        tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=1))
    known = Directory(engine).of_token(old)
    assert known.expires_at is not None
    assert known.expires_at <= now() + timedelta(hours=1)


def test_at_most_one_former_secret_lives_and_the_list_shows_it(engine: Engine) -> None:
    first = make(engine, "ci", ("viewer", "*"))
    with writing(engine) as connection:
        _, second = tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=1))
        _, third = tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=2))
    with reading(engine) as connection:
        listed = [one.state for one in tokens.visible(connection, LOCAL)]
    assert listed == ["revoked", "former", "ok"]
    with pytest.raises(CredentialError, match="revoked"):
        seen_by(engine, first)
    assert seen_by(engine, second) == seen_by(engine, third)
    with writing(engine) as connection:
        _, fourth = tokens.rotate(connection, "ci", LOCAL)
    for former in (second, third):
        with pytest.raises(CredentialError, match="revoked"):
            seen_by(engine, former)
    assert seen_by(engine, fourth).name == "ci"


def test_a_token_is_revoked_with_its_former_secret_and_by_id_alone(engine: Engine) -> None:
    old = make(engine, "ci", ("viewer", "*"))
    with writing(engine) as connection:
        before = tokens.find(connection, "ci", LOCAL)
        _, new = tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=1))
        tokens.revoke(connection, before.id, LOCAL)
    assert seen_by(engine, new).name == "ci"
    with writing(engine) as connection:
        _, newest = tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=1))
        tokens.revoke(connection, "ci", LOCAL)
    for secret in (old, new, newest):
        with pytest.raises(CredentialError, match="revoked"):
            seen_by(engine, secret)


def test_nobody_gives_more_than_they_have(engine: Engine, ids: dict[str, int]) -> None:
    team = seen_by(engine, make(engine, "lead", ("operator", "team:risk")))
    make(engine, "boss", ("operator", "*"))
    make(engine, "mine", ("approver", "registry:fraud"), ("viewer", "team:risk"), actor=team)
    make(engine, "theirs", ("viewer", "registry:images"), ("viewer", "team:vision"))
    for attempt in (lambda: make(engine, "theirs", actor=team), lambda: _rotate(engine, "theirs", team)):
        with pytest.raises((DeniedError, UnknownError)) as refused:
            attempt()
        assert "images" not in str(refused.value)
        assert "vision" not in str(refused.value)
    for scope in ("*", "team:vision", "registry:images", "registry:nowhere", "team:nowhere"):
        with pytest.raises(DeniedError):
            make(engine, "more", ("viewer", scope), actor=team)
    with writing(engine) as connection:
        tokens.revoke(connection, "boss", LOCAL)
    for attempt in (lambda: make(engine, "boss", actor=team), lambda: _rotate(engine, "lead", team)):
        with pytest.raises((DeniedError, UnknownError)):
            attempt()


def _rotate(engine: Engine, name: str, actor: Principal) -> None:
    with writing(engine) as connection:
        tokens.rotate(connection, name, actor)


def test_the_configuration_gives_and_takes_roles_with_a_trace(engine: Engine) -> None:
    secret = make(engine, "ci")
    specs = [GrantSpec("token:ci", "viewer", "*"), GrantSpec("group:ml", "approver", "team:risk")]
    with writing(engine) as connection:
        assert len(grants.apply(connection, specs)) == 2
    assert seen_by(engine, secret).view == EVERYTHING
    with writing(engine) as connection:
        assert grants.apply(connection, specs) == []
        assert grants.apply(connection, specs[1:]) == ["token:ci: viewer on *, removed"]
    assert seen_by(engine, secret).view == NOTHING
    assert actions(engine)[-3:] == ["grant.added", "grant.added", "grant.removed"]


def test_a_grant_of_the_configuration_is_not_taken_away_through_the_api(engine: Engine) -> None:
    with writing(engine) as connection:
        grants.apply(connection, [GrantSpec("token:ci", "viewer", "*")])
        with pytest.raises(GrantError, match="configuration"):
            grants.remove(connection, grants.visible(connection, LOCAL)[0].id, LOCAL)


@pytest.mark.parametrize(
    "spec",
    [
        GrantSpec("ci", "viewer"),
        GrantSpec("token:", "viewer"),
        GrantSpec("token:ci", "king"),
        GrantSpec("token:ci", "viewer", "everything"),
        GrantSpec("token:ci", "viewer", "registry:No Name"),
        GrantSpec("token:ci", "auditor", "team:risk"),
    ],
)
def test_a_grant_that_means_nothing_is_refused(spec: GrantSpec) -> None:
    with pytest.raises(GrantError):
        grants.check(spec)


def test_two_tokens_of_one_name_cannot_stand(engine: Engine) -> None:
    make(engine, "ci")
    with pytest.raises(TokenError, match="there is a token ci"):
        make(engine, "ci")


def test_a_session_ends_with_its_token(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    directory = Directory(engine)
    known = directory.of_token(secret)
    assert known.token_id is not None
    with writing(engine) as connection:
        cookie = sessions.begin_with_token(
            connection, known.principal.id, known.token_id, timedelta(hours=1), None
        )
    assert directory.of_session(cookie).principal == known.principal
    with writing(engine) as connection:
        tokens.revoke(connection, "ci", LOCAL)
    directory.look()
    with pytest.raises(CredentialError, match="revoked"):
        directory.of_session(cookie)


def test_a_session_ends_when_the_secret_does_that_it_was_begun_with(engine: Engine) -> None:
    directory = Directory(engine)
    known = directory.of_token(make(engine, "ci", ("viewer", "*")))
    assert known.token_id is not None
    with writing(engine) as connection:
        cookie = sessions.begin_with_token(
            connection, known.principal.id, known.token_id, timedelta(hours=8), None
        )
        tokens.rotate(connection, "ci", LOCAL, keep=timedelta(hours=1))
    directory.look()
    until = directory.of_session(cookie).expires_at
    assert until is not None
    assert until <= now() + timedelta(hours=1)
    with writing(engine) as connection:
        connection.execute(
            update(tables.token).where(tables.token.c.id == known.token_id).values(expires_at=now())
        )
    with pytest.raises(CredentialError, match="expired"):
        Directory(engine).of_session(cookie)


def test_a_person_holds_the_roles_of_their_groups_until_signing_out(engine: Engine) -> None:
    with writing(engine) as connection:
        grants.apply(connection, [GrantSpec("group:ml", "viewer", "*"), GrantSpec("subject:42", "auditor")])
        cookie = sessions.begin_as_person(connection, Person("42", "Somebody", ("ml",)), timedelta(hours=1))
    directory = Directory(engine)
    found = directory.of_session(cookie).principal
    assert found.view == EVERYTHING
    assert found.may(Permission.AUDIT)
    with writing(engine) as connection:
        sessions.end(connection, cookie)
    directory.look()
    with pytest.raises(CredentialError, match="revoked"):
        directory.of_session(cookie)


def test_neither_secrets_nor_names_of_people_are_stored_in_clear(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    with writing(engine) as connection:
        cookie = sessions.begin_as_person(connection, Person("42", "Somebody", ("ml",)), timedelta(hours=1))
    with reading(engine) as connection:
        entries = b"".join(connection.execute(select(spine.journal.c.entry)).scalars())
        rows = repr(connection.execute(select(tables.token)).all()) + repr(
            connection.execute(select(tables.session)).all()
        )
    assert b"Somebody" not in entries
    for hidden in (secret, cookie):
        assert hidden.encode() not in entries
        assert hidden not in rows


def test_when_a_token_was_used_is_noted(engine: Engine) -> None:
    secret = make(engine, "ci", ("viewer", "*"))
    directory = Directory(engine)
    directory.of_token(secret)
    directory.note_used()
    with reading(engine) as connection:
        assert tokens.find(connection, "ci", LOCAL).last_used_at is not None
