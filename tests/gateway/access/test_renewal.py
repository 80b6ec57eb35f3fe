"""A session holds what the identity provider says of its person now, whether groups are lost or people gone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from federation.database import now, reading, writing
from federation.identity import people, tables
from federation.identity.people import ASKED_EVERY, BELIEVED
from federation.identity.sessions import ASKING, UNASKED
from gateway.door.authentication import COOKIE
from gateway.door.sign_in import ATTEMPT_COOKIE
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.test_oidc import CONFIG, TEAMS
from tests.gateway.access.test_sign_in import SAME, WHOAMI, cookies
from tests.gateway.access.test_tokens import entries
from tests.servers.oidc import IdentityProvider, identity_provider, sent_back

MORE = """
[[auth.grants]]
group = "staff"
role = "viewer"
on = "team:vision"
"""


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        found.groups = ("ml", "staff")
        found.refreshes = True
        yield found


@pytest.fixture
def signed(tmp_path: Path, provider: IdentityProvider) -> Iterator[Gate]:
    with gate(tmp_path, config=CONFIG.format(issuer=provider.url) + MORE, teams=TEAMS) as found:
        yield found


def sign_in(signed: Gate) -> tuple[dict[str, str], str]:
    """The headers of a browser that has signed in, and where it was sent."""
    begin = signed.ask("GET", "/auth/login?next=/registries")
    back = sent_back(begin.headers["location"])
    attempt = {"Cookie": f"{ATTEMPT_COOKIE}={cookies(begin)[ATTEMPT_COOKIE].value}"}
    done = signed.ask("GET", urlsplit(back)._replace(scheme="", netloc="").geturl(), headers=attempt)
    assert done.status_code == 303, done.text
    return {"Cookie": f"{COOKIE}={cookies(done)[COOKIE].value}"}, done.headers["location"]


def on(signed: Gate, browser: dict[str, str]) -> list[str] | int:
    """What roles hold on, or the status of a refusal."""
    answer = signed.ask("GET", WHOAMI, headers=browser)
    return [one["on"] for one in answer.json()["roles"]] if answer.status_code == 200 else answer.status_code


def later(signed: Gate, by: timedelta) -> None:
    """Let what the provider said, and the last asking, be so much older."""
    with writing(signed.waypost.engine) as connection:
        for row in connection.execute(select(tables.person)).all():
            connection.execute(update(tables.person).values(said_at=row.said_at - by))
        for row in connection.execute(select(tables.session)).all():
            asked_at = None if row.asked_at is None else row.asked_at - by
            mine = tables.session.c.digest == row.digest
            connection.execute(update(tables.session).where(mine).values(asked_at=asked_at))
    signed.waypost.identity.directory.forget()


def test_a_group_that_was_lost_is_lost_in_a_session(signed: Gate, provider: IdentityProvider) -> None:
    browser, _ = sign_in(signed)
    assert on(signed, browser) == ["team:risk", "team:vision"]
    provider.groups = ("staff",)
    assert on(signed, browser) == ["team:risk", "team:vision"]
    for groups, holds in ((("staff",), ["team:vision"]), ((), []), (("ml",), ["team:risk"])):
        provider.groups = groups
        later(signed, ASKED_EVERY)
        assert on(signed, browser) == holds
    assert [one.details["groups"] for one in entries(signed, "principal.groups_changed")] == [1, 0, 1]


def test_the_word_of_another_sign_in_holds_in_older_sessions(
    signed: Gate, provider: IdentityProvider
) -> None:
    old, _ = sign_in(signed)
    provider.groups = ("staff",)
    sign_in(signed)
    assert on(signed, old) == ["team:vision"]
    provider.subject = "43"
    provider.groups = ("ml",)
    other, _ = sign_in(signed)
    assert on(signed, other) == ["team:risk"]
    assert on(signed, old) == ["team:vision"]


def test_so_does_the_word_of_a_newer_bearer_token_but_not_of_an_older_one(
    signed: Gate, provider: IdentityProvider
) -> None:
    browser, _ = sign_in(signed)
    old = provider.token(iat=int(now().timestamp()) - 100, groups=["ml", "other"])
    assert on(signed, {"Authorization": f"Bearer {old}"}) == ["team:risk", "team:vision"]
    with writing(signed.waypost.engine) as connection:
        connection.execute(update(tables.person).values(said_at=now() - timedelta(seconds=90)))
    new = provider.token(iat=int(now().timestamp()) - 10, groups=["staff"])
    assert on(signed, {"Authorization": f"Bearer {new}"}) == ["team:vision"]
    assert on(signed, browser) == ["team:vision"]


def test_who_is_gone_is_out(signed: Gate, provider: IdentityProvider) -> None:
    browser, _ = sign_in(signed)
    provider.gone = True
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == 401
    provider.gone = False
    assert on(signed, browser) == 401
    [entry] = entries(signed, "session.ended")
    assert entry.details == {"by": "identity provider"}


def test_a_provider_that_does_not_answer_locks_out_after_a_while_and_not_for_ever(
    signed: Gate, provider: IdentityProvider
) -> None:
    browser, _ = sign_in(signed)
    provider.broken = True
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == ["team:risk", "team:vision"]
    later(signed, max(BELIEVED - ASKED_EVERY, ASKING))
    assert on(signed, browser) == 503
    provider.broken = False
    later(signed, ASKING)
    assert on(signed, browser) == ["team:risk", "team:vision"]


def test_a_refresh_token_is_used_once_by_one_of_many(signed: Gate, provider: IdentityProvider) -> None:
    browser, _ = sign_in(signed)
    later(signed, ASKED_EVERY)
    before = len(provider.issued)

    async def many() -> list[int]:
        import asyncio

        asked = [signed.client.get(WHOAMI, headers=browser) for _ in range(8)]
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert signed.runner.run(many()) == [200] * 8
    assert len(provider.issued) == before + 1  # one refresh token went, an access and a refresh token came
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == ["team:risk", "team:vision"]


def test_userinfo_is_asked_where_there_is_no_refresh_token(signed: Gate, provider: IdentityProvider) -> None:
    provider.refreshes, provider.userinfo, provider.access_life = False, {"groups": ["ml"]}, 7200
    browser, _ = sign_in(signed)
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == ["team:risk"]
    provider.gone = True
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == 401


def life(signed: Gate) -> timedelta:
    with reading(signed.waypost.engine) as connection:
        row = connection.execute(select(tables.session)).one()
    found: timedelta = row.expires_at - row.created_at
    return found


def test_without_either_a_session_ends_after_an_hour(signed: Gate, provider: IdentityProvider) -> None:
    provider.refreshes = False
    browser, _ = sign_in(signed)
    assert life(signed) <= UNASKED + timedelta(seconds=1)
    later(signed, BELIEVED)
    assert on(signed, browser) == ["team:risk", "team:vision"]


def test_a_userinfo_that_names_no_groups_says_nothing_of_them(
    signed: Gate, provider: IdentityProvider
) -> None:
    provider.refreshes, provider.userinfo, provider.access_life = False, {}, 7200
    browser, _ = sign_in(signed)
    assert life(signed) > UNASKED
    later(signed, ASKED_EVERY)
    assert on(signed, browser) == ["team:risk", "team:vision"]
    assert life(signed) <= UNASKED + timedelta(seconds=1)


def test_what_the_provider_is_asked_with_is_of_no_use_without_the_cookie(
    signed: Gate, provider: IdentityProvider
) -> None:
    browser, _ = sign_in(signed)
    with reading(signed.waypost.engine) as connection:
        kept = bytes(connection.execute(select(tables.session.c.renewal)).scalar_one())
    assert not any(token.encode() in kept for token in provider.issued)
    assert signed.ask("POST", "/auth/logout", headers={**browser, **SAME}).status_code == 303
    with reading(signed.waypost.engine) as connection:
        assert connection.execute(select(tables.session.c.renewal)).scalar_one() is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"groups": None}, "names no groups"),
        ({"groups": None, "hasgroups": True}, "too many"),
        ({}, ""),
    ],
    ids=str,
)
def test_who_signs_in_without_a_role_is_told_why(
    signed: Gate, provider: IdentityProvider, more: dict[str, Any], said: str
) -> None:
    provider.groups, provider.more = ("elsewhere",), more
    browser, target = sign_in(signed)
    assert target == "/account?next=%2Fregistries"
    shown = signed.ask("GET", target, headers={**browser, "Accept": "text/html"}).text
    assert said in shown
    assert "None yet: ask an operator for one." in shown
    assert 'href="/registries"' in shown
    [entry] = entries(signed, "session.started")
    assert entry.details["groups"] == ("unknown" if "hasgroups" in more else 0 if more else 1)
    assert said in entry.details.get("remark", "")
    with reading(signed.waypost.engine) as connection:
        unclear = people.unclear(connection, now() - timedelta(days=1))
    assert [said in row.remark for row in unclear] == [True] * bool(said)


def test_what_was_known_a_moment_ago_outlives_a_word_that_says_nothing(
    signed: Gate, provider: IdentityProvider
) -> None:
    old, _ = sign_in(signed)
    provider.more = {"groups": None, "hasgroups": True}
    sign_in(signed)
    assert on(signed, old) == ["team:risk", "team:vision"]
    later(signed, BELIEVED)
    assert on(signed, old) == []


def test_a_refusal_of_the_provider_is_told_by_its_code(signed: Gate) -> None:
    begin = signed.ask("GET", "/auth/login")
    state = dict(one.split("=") for one in urlsplit(begin.headers["location"]).query.split("&"))["state"]
    attempt = {"Cookie": f"{ATTEMPT_COOKIE}={cookies(begin)[ATTEMPT_COOKIE].value}"}
    for said, shown in (("access_denied", "access_denied"), ("<script>", "no code")):
        params = {"state": state, "error": said}
        answer = signed.ask("GET", "/auth/callback", headers=attempt, params=params)
        assert answer.status_code == 401
        assert shown in answer.text
