"""Tokens over HTTP: who shows none gets nothing, and each refusal is accounted for."""

from typing import Any

import pytest
from sqlalchemy import update

from federation import tables
from federation.access import LOCAL
from federation.database import reading, writing
from federation.identity import tokens
from federation.identity.denials import MOST_KINDS
from federation.journal.query import JournalFilter, read_journal
from gateway.settings import SettingsError
from tests.gateway.access.gate import Gate, gate


def entries(guarded: Gate, action: str) -> list[Any]:
    with reading(guarded.waypost.engine) as connection:
        return [line.recorded.entry for line in read_journal(connection, JournalFilter(action=action))]


def test_who_shows_no_token_is_told_to(guarded: Gate) -> None:
    answer = guarded.ask("GET", "/api/v1/registries")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "/problems/unauthenticated"


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/openapi.json"])
def test_health_and_documentation_are_open(guarded: Gate, path: str) -> None:
    assert guarded.ask("GET", path).status_code == 200


def test_a_token_opens_what_its_role_allows(guarded: Gate) -> None:
    risk = guarded.token("risk", ("viewer", "team:risk"))
    found = guarded.ask("GET", "/api/v1/registries", token=risk).json()
    assert [one["name"] for one in found["registries"]] == ["fraud"]
    me = guarded.ask("GET", "/api/v1/whoami", token=risk).json()
    assert me["roles"] == [{"role": "viewer", "on": "team:risk"}]
    assert me["permissions"] == [
        {"permission": permission, "registries": ["fraud"]} for permission in ("approve", "read")
    ]


def test_hidden_and_absent_answer_alike(guarded: Gate) -> None:
    risk = guarded.token("risk", ("operator", "team:risk"))
    for method, path in (("GET", "/api/v1/registries/{}"), ("POST", "/api/v1/registries/{}/sync")):
        hidden, absent = (
            guarded.ask(method, path.format(name), token=risk) for name in ("images", "nowhere")
        )
        assert hidden.status_code == absent.status_code == 404
        assert hidden.content == absent.content


def test_a_token_with_other_scopes_is_told_that_no_role_would_do(guarded: Gate) -> None:
    reader = guarded.token("reader", ("operator", "*"), scopes=["read"])
    detail = guarded.ask("POST", "/api/v1/registries/fraud/sync", token=reader).json()["detail"]
    assert detail.endswith("on anything: this token is limited to other scopes, so use another")


def test_a_denial_of_somebody_known_is_one_entry(guarded: Gate) -> None:
    risk = guarded.token("risk", ("viewer", "team:risk"))
    answer = guarded.ask("POST", "/api/v1/registries/fraud/sync", token=risk)
    assert answer.status_code == 403
    [entry] = entries(guarded, "access.denied")
    assert entry.actor == guarded.ask("GET", "/api/v1/whoami", token=risk).json()["id"]
    assert entry.details["permission"] == "sync"
    assert entry.request == answer.headers["x-request-id"]


def test_the_same_denial_again_is_counted_by_minute(guarded: Gate) -> None:
    risk = guarded.token("risk", ("viewer", "team:risk"))
    for _ in range(5):
        guarded.ask("POST", "/api/v1/registries/fraud/sync", token=risk)
        guarded.ask("GET", "/api/v1/audit", token=risk)
    assert [one.details.get("count") for one in entries(guarded, "access.denied")] == [None, None]
    guarded.waypost.denials.flush(now=True)
    later = entries(guarded, "access.denied")[2:]
    assert {(one.details["permission"], one.details["count"]) for one in later} == {("sync", 4), ("audit", 4)}
    guarded.ask("GET", "/api/v1/audit", token=risk)
    assert len(entries(guarded, "access.denied")) == 5


def test_denials_of_many_kinds_are_bounded_too(guarded: Gate) -> None:
    lead = guarded.token("lead", ("operator", "team:risk"))
    for number in range(MOST_KINDS + 7):
        body = {"token": "ci", "role": "viewer", "on": f"team:invented-{number}"}
        assert guarded.ask("POST", "/api/v1/grants", token=lead, json=body).status_code == 403
    guarded.waypost.denials.flush(now=True)
    told = entries(guarded, "access.denied")
    assert len(told) == MOST_KINDS + 1
    assert told[-1].details == {"on": "others", "count": 7}


def test_requests_to_synchronise_are_counted_by_minute(guarded: Gate) -> None:
    op = guarded.token("op", ("operator", "*"))
    for _ in range(4):
        assert guarded.ask("POST", "/api/v1/registries/fraud/sync", token=op).status_code == 202
        with writing(guarded.waypost.engine) as connection:
            connection.execute(update(tables.sync).values(state="ok"))
    guarded.waypost.denials.flush(now=True)
    told = entries(guarded, "sync.requested")
    assert [one.details.get("count") for one in told] == [None, 3]
    assert {one.registry for one in told} == {"fraud"}


def test_what_is_not_there_is_no_denial(guarded: Gate) -> None:
    guarded.ask("GET", "/api/v1/registries/images", token=guarded.token("risk", ("viewer", "team:risk")))
    assert entries(guarded, "access.denied") == []


def test_refusals_of_one_source_are_counted_in_one_entry_without_its_address(guarded: Gate) -> None:
    for token in (None, "wp_nonsense", "somebody"):
        assert guarded.ask("GET", "/api/v1/registries", token=token).status_code == 401
    guarded.waypost.denials.flush()
    assert entries(guarded, "access.denied_anonymous") == []
    guarded.waypost.denials.flush(now=True)
    [entry] = entries(guarded, "access.denied_anonymous")
    assert entry.details == {"count": 3}
    assert set(entry.commitments) == {"address"}


def test_a_revoked_token_is_refused(guarded: Gate) -> None:
    risk = guarded.token("risk", ("viewer", "team:risk"))
    assert guarded.ask("GET", "/api/v1/registries", token=risk).status_code == 200
    with writing(guarded.waypost.engine) as connection:
        tokens.revoke(connection, "risk", LOCAL)
    guarded.waypost.reload()
    answer = guarded.ask("GET", "/api/v1/registries", token=risk)
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]


def test_tokens_are_made_renewed_and_revoked_over_http(guarded: Gate) -> None:
    admin = guarded.token("admin", ("operator", "*"))
    body = {"name": "ci", "role": "viewer", "scopes": ["read"], "expires_in_days": 90}
    made = guarded.ask("POST", "/api/v1/tokens", token=admin, json=body)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert guarded.ask("GET", "/api/v1/registries", token=secret).status_code == 200
    renewed = guarded.ask("POST", "/api/v1/tokens/ci/rotate", token=admin).json()["secret"]
    assert guarded.ask("GET", "/api/v1/registries", token=secret).status_code == 401
    assert guarded.ask("GET", "/api/v1/registries", token=renewed).status_code == 200
    assert guarded.ask("DELETE", "/api/v1/tokens/ci", token=admin).status_code == 204
    assert guarded.ask("DELETE", "/api/v1/tokens/ci", token=admin).status_code == 404
    assert guarded.ask("GET", "/api/v1/registries", token=renewed).status_code == 401
    listed = guarded.ask("GET", "/api/v1/tokens", token=admin)
    assert secret not in listed.text
    assert {one["name"] for one in listed.json()["tokens"]} == {"admin", "ci"}


def test_grants_are_given_and_taken_over_http(guarded: Gate) -> None:
    admin, risk = guarded.token("admin", ("operator", "*")), guarded.token("risk")
    given = guarded.ask(
        "POST", "/api/v1/grants", token=admin, json={"token": "risk", "role": "viewer", "on": "team:risk"}
    )
    assert given.status_code == 201
    assert len(guarded.ask("GET", "/api/v1/registries", token=risk).json()["registries"]) == 1
    assert guarded.ask("DELETE", f"/api/v1/grants/{given.json()['id']}", token=admin).status_code == 204
    assert guarded.ask("GET", "/api/v1/registries", token=risk).json()["registries"] == []


def test_a_token_out_of_its_scopes_is_denied(guarded: Gate) -> None:
    ci = guarded.token("ci", ("operator", "*"), scopes=["sync"])
    assert guarded.ask("GET", "/api/v1/registries", token=ci).status_code == 403


def test_metrics_are_for_who_may_read_everything(guarded: Gate) -> None:
    assert (
        guarded.ask("GET", "/metrics", token=guarded.token("a", ("viewer", "team:risk"))).status_code == 403
    )
    assert guarded.ask("GET", "/metrics", token=guarded.token("b", ("viewer", "*"))).status_code == 200


def test_invented_methods_are_counted_as_one(guarded: Gate) -> None:
    token = guarded.token("b", ("viewer", "*"))
    for number in range(3):
        guarded.ask(f"INVENTED{number}", "/api/v1/registries", token=token)
    counted = guarded.ask("GET", "/metrics", token=token).text
    assert 'method="other"' in counted
    assert "INVENTED" not in counted


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('[server]\nhost = "0.0.0.0"\n', "open to others"),
        ('[auth]\nmode = "token"\n[[auth.grants]]\nrole = "viewer"\n', "auth.grants.0"),
        ('[auth]\nmode = "token"\n[[auth.grants]]\ntoken = "ci"\nrole = "king"\n', "no role"),
    ],
)
def test_a_configuration_that_would_let_anybody_in_does_not_start(
    tmp_path: Any, config: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        with gate(tmp_path, config=config):
            pass


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_no_page_of_another_site_makes_changes_on_this_machine(
    tmp_path: Any, headers: dict[str, str]
) -> None:
    with gate(tmp_path, config="", teams=(("fraud", "risk"),)) as local:
        path = "/api/v1/registries/fraud/sync"
        assert local.ask("POST", path, headers=headers).status_code == 403
        assert local.ask("POST", path).status_code == 202
