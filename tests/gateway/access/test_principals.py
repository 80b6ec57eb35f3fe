"""Ending sessions and locking people out: over HTTP and on the pages, by who may."""

from federation.access import MEANINGS, Permission
from federation.database import writing
from federation.identity import people
from federation.identity.people import Person
from federation.journal.log import Batch
from tests.gateway.access.gate import Gate
from tests.gateway.access.test_sign_in import SAME, WHOAMI, signed_in
from tests.gateway.access.test_tokens import entries


def test_an_operator_ends_the_sessions_of_others_and_everybody_their_own(guarded: Gate) -> None:
    op, ci = guarded.token("op", ("operator", "*")), guarded.token("ci", ("viewer", "*"))
    browsers = [signed_in(guarded, ci) for _ in range(3)]
    mine = guarded.ask("GET", "/api/v1/sessions", headers=browsers[0]).json()["sessions"]
    assert [one["name"] for one in mine] == ["ci"] * 3
    other = signed_in(guarded, op)
    assert len(guarded.ask("GET", "/api/v1/sessions", headers=browsers[0]).json()["sessions"]) == 3
    everybody = guarded.ask("GET", "/api/v1/sessions", token=op).json()["sessions"]
    assert [one["name"] for one in everybody] == ["ci"] * 3 + ["op"]
    foreign = everybody[-1]["id"]
    ended = guarded.ask("DELETE", f"/api/v1/sessions/{mine[0]['id']}", headers={**browsers[0], **SAME})
    assert ended.status_code == 204
    for wrong in (foreign, mine[0]["id"], "s-00", "s-xx", "nothing"):
        answer = guarded.ask("DELETE", f"/api/v1/sessions/{wrong}", headers={**browsers[1], **SAME})
        assert answer.status_code == 404
    statuses = [guarded.ask("GET", WHOAMI, headers=browser).status_code for browser in browsers]
    assert statuses == [401, 200, 200]
    answer = guarded.ask("DELETE", "/api/v1/principals/token:ci/sessions", token=op)
    assert answer.json() == {"ended": 2}
    statuses = [guarded.ask("GET", WHOAMI, headers=browser).status_code for browser in [*browsers, other]]
    assert statuses == [401, 401, 401, 200]
    assert [one.details.get("principal") for one in entries(guarded, "session.ended")] == [
        mine[0]["principal"]
    ] * 3


def test_who_is_disabled_is_out_with_every_secret_until_enabled(guarded: Gate) -> None:
    op, ci = guarded.token("op", ("operator", "*")), guarded.token("ci", ("viewer", "*"))
    browser = signed_in(guarded, ci)
    found = guarded.ask("GET", "/api/v1/principals", token=op).json()["principals"]
    known = next(one for one in found if one["who"] == "token:ci")
    assert (known["sessions"], known["disabled_at"]) == (1, None)
    for _ in range(2):
        answer = guarded.ask("POST", f"/api/v1/principals/{known['id']}/disable", token=op)
        assert answer.status_code == 200
    assert guarded.ask("GET", WHOAMI, token=ci).status_code == 401
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 401
    refused = guarded.ask("POST", "/sign-in", data={"token": ci}, headers=SAME)
    assert "disabled" in refused.text
    assert guarded.ask("POST", "/api/v1/principals/token:ci/enable", token=op).status_code == 204
    assert guarded.ask("GET", WHOAMI, token=ci).status_code == 200
    assert guarded.ask("GET", WHOAMI, headers=browser).status_code == 401
    assert len(entries(guarded, "principal.disabled")) == len(entries(guarded, "principal.enabled")) == 1


def test_only_who_may_give_roles_on_everything_locks_people_out(guarded: Gate) -> None:
    lead, op = guarded.token("lead", ("operator", "team:risk")), guarded.token("op", ("operator", "*"))
    guarded.token("ci", ("viewer", "team:risk"))
    for method, path in (
        ("GET", "principals"),
        ("POST", "principals/token:ci/disable"),
        ("POST", "principals/token:ci/enable"),
        ("DELETE", "principals/token:ci/sessions"),
    ):
        answers = [
            guarded.ask(method, f"/api/v1/{one}", token=lead)
            for one in (path, path.replace("token:ci", "token:nobody"))
        ]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].content == answers[1].content
    me = guarded.ask("GET", WHOAMI, token=op).json()["id"]
    refused = guarded.ask("POST", f"/api/v1/principals/{me}/disable", token=op)
    assert refused.status_code == 422
    assert "yourself" in refused.json()["detail"]
    assert guarded.ask("POST", "/api/v1/principals/p-0/disable", token=op).status_code == 404


def test_the_pages_do_the_same(guarded: Gate) -> None:
    op, ci = guarded.token("op", ("operator", "*")), guarded.token("ci", ("viewer", "*"))
    browser, theirs = {**signed_in(guarded, op), **SAME}, signed_in(guarded, ci)
    html = {**browser, "Accept": "text/html"}
    assert "token:ci" in guarded.ask("GET", "/principals", headers=html).text
    found = guarded.ask("GET", "/principals.json", headers=browser).json()["principals"]
    known = next(one["id"] for one in found if one["who"] == "token:ci")
    session = guarded.ask("GET", "/sessions.json", headers=browser).json()["sessions"][-1]["id"]
    assert session in guarded.ask("GET", "/account", headers={**theirs, "Accept": "text/html"}).text
    assert guarded.ask("POST", f"/sessions/{session}/end", headers=browser).status_code == 303
    assert guarded.ask("GET", WHOAMI, headers=theirs).status_code == 401
    theirs = signed_in(guarded, ci)
    assert guarded.ask("POST", f"/principals/{known}/end", headers=browser).status_code == 303
    assert guarded.ask("GET", WHOAMI, headers=theirs).status_code == 401
    assert guarded.ask("POST", f"/principals/{known}/disable", headers=browser).status_code == 303
    assert guarded.ask("GET", WHOAMI, token=ci).status_code == 401
    assert "locked out" in guarded.ask("GET", "/principals", headers=html).text
    assert guarded.ask("POST", f"/principals/{known}/enable", headers=browser).status_code == 303
    assert guarded.ask("GET", WHOAMI, token=ci).status_code == 200
    viewer = {**signed_in(guarded, ci), "Accept": "text/html"}
    assert guarded.ask("GET", "/principals", headers=viewer).status_code == 403
    assert guarded.ask("GET", "/sessions", headers=viewer).status_code == 200


def test_the_page_of_people_names_their_groups_and_that_of_roles_says_what_they_allow(guarded: Gate) -> None:
    op, _ = guarded.token("op", ("operator", "*")), guarded.token("member", ("viewer", "*"))
    html = {"Accept": "text/html"}
    found = guarded.ask("GET", "/api/v1/principals", token=op).json()["principals"]
    known = next(one["id"] for one in found if one["who"] == "token:member")
    with writing(guarded.waypost.engine) as connection:
        said = Person("member", "member", [f"group-{number}" for number in range(7)])
        people.say(connection, Batch(), known, said)
    shown = guarded.ask("GET", "/principals", token=op, headers=html).text
    assert "<bdi>group-0</bdi>, <bdi>group-1</bdi>" in shown
    assert "and 2 more" in shown
    for path in ("/grants", "/account"):
        assert "ive and take roles" in guarded.ask("GET", path, token=op, headers=html).text
    assert MEANINGS.keys() == set(Permission)
