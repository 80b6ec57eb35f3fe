"""Signing in with a browser, staying in, and getting out; what a page of another site can do meanwhile: nothing."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import update

from federation.access import LOCAL
from federation.database import now, writing
from federation.identity import tables, tokens
from federation.identity.denials import MOST_SIGN_INS
from gateway.door.authentication import COOKIE
from gateway.door.sign_in import ATTEMPT_COOKIE
from gateway.pages.page import local_path
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.test_oidc import CONFIG, TEAMS
from tests.gateway.access.test_tokens import entries
from tests.servers.oidc import IdentityProvider, identity_provider, sent_back

SAME = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
WHOAMI = "/api/v1/whoami"


def cookies(answer: httpx.Response) -> SimpleCookie:
    found = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        found.load(line)
    return found


def signed_in(guarded: Gate, token: str) -> dict[str, str]:
    """The headers of a browser that has signed in with a token."""
    answer = guarded.ask("POST", "/sign-in", data={"token": token, "next": "/registries"}, headers=SAME)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/registries"
    return {"Cookie": f"{COOKIE}={cookies(answer)[COOKIE].value}"}


def test_the_cookie_of_a_session_is_kept_from_scripts_and_other_sites(guarded: Gate) -> None:
    token = guarded.token("ci", ("viewer", "*"))
    answer = guarded.ask("POST", "/sign-in", data={"token": token}, headers=SAME)
    cookie = cookies(answer)[COOKIE]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) == 8 * 3600
    assert token not in answer.headers["set-cookie"]


def test_a_session_acts_as_its_token_until_signing_out(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "team:risk")))
    assert guarded.ask("GET", WHOAMI, headers=browser).json()["name"] == "ci"
    out = guarded.ask("POST", "/auth/logout", headers={**browser, **SAME})
    assert out.status_code == 303
    assert int(cookies(out)[COOKIE]["max-age"]) == 0
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 401


FOREIGN = [
    "theme=dark mode",
    'prefs={"a":1}',
    "seen=a,b c",
    "path=/a/b;c",
    "=",
    "x;;=y",
    'q="a;b"',
    "\xff=\xfe",
    f"x{COOKIE}=no",
    f"{COOKIE}=",
]


@pytest.mark.parametrize("other", FOREIGN)
def test_cookies_of_other_applications_lock_nobody_out(guarded: Gate, other: str) -> None:
    mine = signed_in(guarded, guarded.token("ci", ("viewer", "*")))["Cookie"]
    for sent in (f"{other}; {mine}", f"{mine}; {other}"):
        browser = {"Cookie": sent.encode("latin-1")}
        assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 200, sent  # type: ignore[arg-type]
    out = guarded.ask("POST", "/auth/logout", headers={"Cookie": f"a=b c; {mine}", **SAME})
    assert out.status_code == 303
    assert guarded.ask("GET", WHOAMI, headers={"Cookie": mine}).status_code == 401


def test_cookies_in_headers_of_their_own_are_one(guarded: Gate) -> None:
    mine = signed_in(guarded, guarded.token("ci", ("viewer", "*")))["Cookie"]
    sent = [("Cookie", mine), ("Cookie", "other=1")]
    answer = guarded.runner.run(guarded.client.get(WHOAMI, headers=sent))
    assert answer.status_code == 200


@pytest.mark.parametrize("sent", [{}, {"Cookie": f"{COOKIE}=never"}, {"Cookie": "other=1"}], ids=str)
def test_nobody_is_told_to_be_out_when_nothing_was_ended(guarded: Gate, sent: dict[str, str]) -> None:
    out = guarded.ask("POST", "/auth/logout", headers={**sent, **SAME})
    assert out.status_code == 200
    assert "Nothing was ended" in out.text
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "*")))
    for status in (303, 200):
        assert guarded.ask("POST", "/auth/logout", headers={**browser, **SAME}).status_code == status


def test_sign_ins_that_are_refused_are_counted_by_reason(guarded: Gate) -> None:
    for token in ("wp_nothing", "wp_nothing", "wp_" + "0" * 33):
        guarded.ask("POST", "/sign-in", data={"token": token}, headers=SAME)
    secret = guarded.token("ci", ("viewer", "*"))
    with writing(guarded.waypost.engine) as connection:
        tokens.revoke(connection, "ci", LOCAL)
    guarded.ask("POST", "/sign-in", data={"token": secret}, headers=SAME)
    assert guarded.ask("GET", "/auth/callback?code=1&state=2").status_code == 401
    guarded.waypost.denials.flush(now=True)
    told = {one.details["reason"]: one.details["count"] for one in entries(guarded, "session.refused")}
    assert told == {"unknown": 3, "revoked": 1, "not begun here": 1}
    assert entries(guarded, "access.denied_anonymous") == []


def test_one_person_cannot_sign_in_without_end(guarded: Gate) -> None:
    token = guarded.token("ci", ("viewer", "*"))
    seen = [
        guarded.ask("POST", "/sign-in", data={"token": token}, headers=SAME).status_code
        for _ in range(MOST_SIGN_INS + 3)
    ]
    assert seen == [303] * MOST_SIGN_INS + [429] * 3
    guarded.waypost.denials.flush(now=True)
    [entry] = entries(guarded, "session.refused")
    assert entry.details == {"reason": "too many sign-ins", "count": 3}
    assert len(entries(guarded, "session.started")) == MOST_SIGN_INS


def test_the_log_says_with_whose_token_somebody_signed_in(guarded: Gate) -> None:
    signed_in(guarded, guarded.token("ci", ("viewer", "*")))
    auditor = guarded.token("auditor", ("auditor", "*"))
    (told,) = guarded.ask("GET", "/api/v1/audit?action=session.started", token=auditor).json()["entries"]
    assert told["summary"] == "session.started (with token ci)"
    shown = guarded.ask("GET", f"/audit/{told['seq']}", token=auditor, headers={"Accept": "text/html"}).text
    assert '<p class="lead">Somebody signed in.</p>' in shown
    guarded.ask("POST", "/sign-in", data={"token": "wp_nothing"}, headers=SAME)
    guarded.waypost.denials.flush(now=True)
    (told,) = guarded.ask("GET", "/api/v1/audit?action=session.refused", token=auditor).json()["entries"]
    assert told["summary"] == "session.refused (unknown, 1 ×, from 192.0.2.7)"


def test_a_session_ends_by_itself(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "*")))
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 200
    with writing(guarded.waypost.engine) as connection:
        connection.execute(update(tables.session).values(expires_at=now() - timedelta(seconds=1)))
    guarded.waypost.identity.directory.forget()
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 401


def test_who_comes_back_after_that_is_told_and_led_on(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "*"))) | {"Accept": "text/html"}
    with writing(guarded.waypost.engine) as connection:
        connection.execute(update(tables.session).values(expires_at=now() - timedelta(seconds=1)))
    guarded.waypost.identity.directory.forget()
    sent = guarded.ask("GET", "/registries?x=1", headers=browser)
    assert sent.status_code == 303
    form = guarded.ask("GET", sent.headers["location"], headers=browser)
    assert "Your session has ended" in form.text
    assert 'value="/registries?x=1"' in form.text
    assert "Your session has ended" not in guarded.ask("GET", sent.headers["location"]).text


def test_the_form_runs_nothing_and_stands_in_no_frame(guarded: Gate) -> None:
    policy = guarded.ask("GET", "/sign-in").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_a_session_ends_when_its_token_is_revoked(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "*")))
    with writing(guarded.waypost.engine) as connection:
        tokens.revoke(connection, "ci", LOCAL)
    guarded.waypost.reload()
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 401


@pytest.mark.parametrize("token", ["", "wp_nothing", "<script>alert(1)</script>"])
def test_a_token_that_is_none_shows_the_form_again(guarded: Gate, token: str) -> None:
    answer = guarded.ask("POST", "/sign-in", data={"token": token}, headers=SAME)
    assert answer.status_code == 401
    assert "text/html" in answer.headers["content-type"]
    assert "<script" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
    ids=str,
)
def test_a_page_of_another_site_changes_nothing_with_the_cookie(guarded: Gate, sent: dict[str, str]) -> None:
    browser = signed_in(guarded, guarded.token("op", ("operator", "*")))
    path = "/api/v1/registries/fraud/sync"
    assert guarded.ask("POST", path, headers={**browser, **sent}).status_code == 403
    assert guarded.ask("POST", path, headers={**browser, **SAME}).status_code == 202


def test_nobody_is_signed_in_by_a_page_of_another_site(guarded: Gate) -> None:
    token = guarded.token("ci", ("viewer", "*"))
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert guarded.ask("POST", "/sign-in", data={"token": token}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\r\nSet-Cookie: x",
    ],
)
def test_signing_in_leads_nobody_away(target: str) -> None:
    assert local_path(target) == "/"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        yield found


@pytest.fixture
def signed(tmp_path: Path, provider: IdentityProvider) -> Iterator[Gate]:
    with gate(tmp_path, config=CONFIG.format(issuer=provider.url), teams=TEAMS) as found:
        yield found


def begun(signed: Gate) -> tuple[httpx.Response, str]:
    """A sign-in that went to the provider and back: the gateway's first answer, and the address to come back to."""
    begin = signed.ask("GET", "/auth/login?next=/registries")
    back = sent_back(begin.headers["location"])
    return begin, urlsplit(back)._replace(scheme="", netloc="").geturl()


def with_attempt(begin: httpx.Response) -> dict[str, str]:
    return {"Cookie": f"{ATTEMPT_COOKIE}={cookies(begin)[ATTEMPT_COOKIE].value}"}


def test_a_person_signs_in_at_the_provider(signed: Gate) -> None:
    assert "/auth/login" in signed.ask("GET", "/sign-in").text
    begin, back = begun(signed)
    asked = parse_qs(urlsplit(begin.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    done = signed.ask("GET", back, headers=with_attempt(begin))
    assert done.status_code == 303, done.text
    assert done.headers["location"] == "/registries"
    browser = {"Cookie": f"{COOKIE}={cookies(done)[COOKIE].value}"}
    assert signed.ask("GET", WHOAMI, headers=browser).json()["roles"] == [
        {"role": "viewer", "on": "team:risk"}
    ]


def test_a_sign_in_of_another_browser_is_not_finished_here(signed: Gate) -> None:
    _, back = begun(signed)
    other = signed.ask("GET", "/auth/login")
    for headers in ({}, with_attempt(other), {"Cookie": f"{ATTEMPT_COOKIE}=bm9uc2Vuc2U="}):
        answer = signed.ask("GET", back, headers=headers)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


def test_a_sign_in_that_brings_other_letters_is_refused(signed: Gate) -> None:
    begin, back = begun(signed)
    answer = signed.ask("GET", "/auth/callback?code=x&state=%C3%A4", headers=with_attempt(begin))
    assert answer.status_code == 401, answer.text
    kept = json.loads(urlsafe_b64decode(cookies(begin)[ATTEMPT_COOKIE].value))
    kept[1] = "\u00e4"
    brought = urlsafe_b64encode(json.dumps(kept).encode()).decode()
    answer = signed.ask("GET", back, headers={"Cookie": f"{ATTEMPT_COOKIE}={brought}"})
    assert answer.status_code == 401, answer.text


def test_who_signs_in_at_the_provider_comes_back_to_where_they_were(signed: Gate) -> None:
    shown = signed.ask("GET", "/sign-in?next=/models/risk%3Fa%3D1%26b%3D%2522").text
    (link,) = re.findall(r'href="(/auth/login[^"]*)"', shown)
    assert parse_qs(urlsplit(unescape(link)).query) == {"next": ["/models/risk?a=1&b=%22"]}
    begin = signed.ask("GET", unescape(link))
    kept = json.loads(urlsafe_b64decode(cookies(begin)[ATTEMPT_COOKIE].value))
    assert kept[3] == "/models/risk?a=1&b=%22"


def test_a_code_is_redeemed_once_and_only_with_its_verifier(signed: Gate, provider: IdentityProvider) -> None:
    begin, back = begun(signed)
    assert signed.ask("GET", back, headers=with_attempt(begin)).status_code == 303
    assert signed.ask("GET", back, headers=with_attempt(begin)).status_code == 401
    begin, back = begun(signed)
    for asked in provider.codes.values():
        asked["code_challenge"] = "another"
    assert signed.ask("GET", back, headers=with_attempt(begin)).status_code == 401


def test_a_token_of_another_sign_in_is_refused(signed: Gate, provider: IdentityProvider) -> None:
    begin, back = begun(signed)
    for asked in provider.codes.values():
        asked["nonce"] = "another"
    assert signed.ask("GET", back, headers=with_attempt(begin)).status_code == 401
