"""Promotions over HTTP, pages and command line; and that no other way leads to a guarded stage."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import insert, select, update

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.database import now, writing
from federation.policies.policy import RolloutTerms
from federation.promotions.crossing import Crossing
from federation.promotions.rollout import Rollout
from federation.promotions.tables import promotion
from gateway.cli import run
from gateway.mlflow import site
from gateway.worker import worker_lock
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.worlds import Draft, write

RULES = {"production": ["alias:champion", "tag:live=yes"], "staging": ["alias:challenger"]}
CONFIG = """
[auth]
mode = "token"
[[policies]]
name = "risk-production"
on = "team:risk"
require = ["license"]
approvals = [{ count = 1, from = ["role:approver"] }]
[[people]]
principal = "oidc:ann"
names = ["memory:ann"]
"""
MODEL = Key("model", "m")
RECORDS = (
    ModelRecord(key=MODEL, name="scorer", aliases={"champion": "1", "challenger": "2"}),
    VersionRecord(key=Key("version", "v1"), model=MODEL, version="1", tags={"live": "yes"}),
    VersionRecord(key=Key("version", "v2"), model=MODEL, version="2", license="MIT"),
    VersionRecord(key=Key("version", "v3"), model=MODEL, version="3"),
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gateway with a policy on one of its two teams."""
    folder: Path = tmp_path_factory.mktemp("promotions")
    with gate(folder, config=CONFIG, teams=(("fraud", "risk"), ("images", "vision"))) as found:
        with writing(found.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        for registry in ("fraud", "images"):
            write(found, Draft(registry, RECORDS))
        found.follow()
        yield found


FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
WRITES: dict[str, tuple[str, Any]] = {
    "set_stage": ("/versions/{0}/scorer:2/stage", {"stage": "production"}),
    "set_alias": ("/models/{0}/scorer/aliases/champion", {"version": "2"}),
    "remove_alias_or_model": ("/models/{0}/scorer", None),
    "set_version_tags": ("/versions/{0}/scorer:2/tags", {"tags": {"live": "yes"}}),
    "set_model_tags": ("/models/{0}/scorer/tags", {"tags": {"a": "b"}}),
    "delete_version": ("/versions/{0}/scorer:1", None),
    "register_version": (
        "/registries/{0}/versions",
        {"model": "scorer", "source": "s3://x", "tags": {"live": "yes"}},
    ),
}
"""What every route that writes to a backend is sent, so that it would change who is in production."""
HARMLESS = {"set_model_tags"}
"""Tags of a model decide no stage of this registry's."""
OF_MLFLOW: dict[str, dict[str, Any]] = {
    "delete_model": {},
    "set_alias": {"alias": "champion", "version": "2"},
    "create_version": {"source": "s3://x", "tags": [{"key": "live", "value": "yes"}]},
    "delete_version": {"version": "1"},
    "transition_stage": {"version": "2", "stage": "Production", "archive_existing_versions": True},
    "tag_version": {"version": "3", "key": "live", "value": "yes"},
}
"""The same for every call of MLflow's dialect that writes."""
OF_NO_STAGE = {
    "create_model", "rename_model", "update_model", "tag_model", "untag_model", "update_version", "untag_version",
    "delete_alias",
}  # fmt: skip
"""Version 1 is in production by alias and by tag: it stays so without one of them."""


def test_no_other_way_leads_to_a_guarded_stage(guarded: Gate) -> None:
    token = guarded.token("deployer", ("approver", "*"))
    writing_routes = {
        handler.handler_name: next(iter(handler.http_methods))
        for route in guarded.app.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "terms" in handler.resolve_dependencies()
    }
    assert writing_routes.keys() == WRITES.keys()  # another way that is added must be tried here
    for name, method in writing_routes.items():
        path, body = WRITES[name]
        sent = {} if body is None else {"json": body}
        for dry in ("", "?dry_run=true"):
            answer = guarded.ask(method, f"/api/v1{path.format('fraud')}{dry}", token=token, **sent)
            if name in HARMLESS:
                assert answer.status_code in (200, 202), answer.text
                continue
            assert (answer.status_code, answer.json()["type"]) == (409, "/problems/promotion-required"), name
            assert answer.json()["plan"].endswith("?to=production")
        free = guarded.ask(method, f"/api/v1{path.format('images')}?dry_run=true", token=token, **sent)
        assert free.status_code == 200, free.text
    assert {change.__name__ for change, _ in site.WRITES.values()} == OF_MLFLOW.keys() | OF_NO_STAGE
    for address, (change, _) in site.WRITES.items():
        if change.__name__ in OF_NO_STAGE:
            continue
        verb, place = address.split(" ")
        body = {"name": "scorer", **OF_MLFLOW[change.__name__]}
        answer = guarded.ask(verb, f"/mlflow/fraud{place}", token=token, json=body)
        assert answer.status_code == 403, (change.__name__, answer.text)
        assert "propose it (waypost promote" in answer.json()["message"], change.__name__
    form = urlencode({"what": "stage", "value": "production", "name": ""})
    answer = guarded.ask("POST", "/change/fraud/scorer:2", token=token, headers=FORM, content=form)
    assert answer.status_code == 409
    page = guarded.ask("GET", "/change/fraud/scorer:2?what=stage&value=production", token=token, headers=FORM)
    assert "guarded by policy risk-production" in page.text


def test_a_promotion_from_its_plan_to_its_approval(guarded: Gate) -> None:
    proposer, approver = guarded.token("ann", ("contributor", "*")), guarded.token("bo", ("approver", "*"))
    asked = {"ref": "fraud/scorer:2", "to": "production", "reason": "better"}
    plan = guarded.ask("POST", "/api/v1/promotions", token=proposer, json={**asked, "dry_run": True}).json()
    assert (plan["says_no"], [one["name"] for one in plan["checks"]]) == (False, ["require.license"])
    assert plan["waits_for"] == ["1 more of role:approver (policy risk-production)"]
    made = guarded.ask("POST", "/api/v1/promotions", token=proposer, json=asked)
    assert made.status_code == 201, made.text
    place = f"/api/v1/promotions/{made.json()['id']}"
    assert guarded.ask("POST", f"{place}/approve", token=proposer, json={}).status_code == 403
    shown = guarded.ask("GET", place.removeprefix("/api/v1"), token=approver, headers={"Accept": "text/html"})
    assert "0 of 1, out of <bdi>role:approver" in shown.text
    could = guarded.ask("GET", place, token=proposer).json()["judgement"]["needs"][0]["could"]
    assert "bo" in could
    assert "ann" not in could, "who proposed it"
    assert "bo</bdi> could" in shown.text or ", ".join(could) + " could" in shown.text
    for who, waits in ((proposer, []), (approver, [made.json()["id"]])):
        mine = guarded.ask("GET", "/api/v1/promotions?waiting_for=me", token=who).json()["promotions"]
        assert [one["id"] for one in mine] == waits
    assert "could be approved by you now" in guarded.ask("GET", "/promotions", token=approver).text
    said = guarded.ask(
        "POST",
        place.removeprefix("/api/v1"),
        token=approver,
        headers=FORM,
        content=urlencode({"word": "approve", "evidence": plan["evidence"], "words": "yes"}),
    )
    assert said.status_code == 303, said.text
    found = guarded.ask("GET", place, token=approver).json()
    assert [(one["kind"], one["name"]) for one in found["said"]] == [("approve", "bo")]
    assert found["judgement"]["waits_for"] == []
    # No backend has these records: whoever carried it out would find that they are gone.
    assert guarded.ask("POST", f"{place}/cancel", token=proposer, json={}).json()["state"] == "cancelled"
    other = guarded.token("stranger", ("viewer", "team:vision"))
    assert guarded.ask("GET", "/api/v1/plans", token=other).json()["versions"] == []
    shown = guarded.ask("GET", "/policies?to=production", token=approver, headers={"Accept": "text/html"})
    assert "2 kept back" in shown.text
    begun, seen = "/api/v1/plans?limit=1", []
    while begun:
        found = guarded.ask("GET", begun, token=approver).json()
        seen += [one["ref"] for one in found["versions"]]
        begun = found["next_cursor"] and f"/api/v1/plans?limit=1&cursor={found['next_cursor']}"
    assert seen == [f"fraud/scorer:{name}" for name in "123"]
    back = {"model": "fraud/scorer", "dry_run": True}
    refused = guarded.ask("POST", "/api/v1/rollbacks", token=approver, json=back)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-way-back")
    assert refused.json()["detail"].endswith(". A promotion brings any version there")
    shown = guarded.ask("GET", "/rollback/fraud/scorer", token=approver, headers={"Accept": "text/html"})
    assert "There is no way back" in shown.text
    assert "no other version held it, as far as is known" in shown.text
    offered = [one for one in "123" if f'href="/promote/fraud/scorer:{one}?to=production"' in shown.text]
    assert offered == ["2", "3"], "the first is in production"
    reader = guarded.token("onlooker", ("viewer", "*"))
    shown = guarded.ask("GET", "/rollback/fraud/scorer", token=reader, headers={"Accept": "text/html"})
    assert "There is no way back" in shown.text
    assert "/promote/" not in shown.text  # which a reader may not propose
    assert guarded.ask("GET", place, token=other).status_code == 404
    assert guarded.ask("GET", "/api/v1/promotions", token=other).json()["promotions"] == []
    for one in guarded.ask("GET", "/api/v1/promotions", token=proposer).json()["promotions"]:
        shown = guarded.ask("GET", f"/api/v1/promotions/{one['id']}", token=proposer).json()
        assert one == {name: shown[name] for name in one}
        if one["id"] == made.json()["id"]:
            assert one["proposer_name"] == "ann"
    assert guarded.ask("GET", "/api/v1/policies", token=other).json()["policies"] == []


def test_what_was_stated_is_given_back_byte_for_byte(guarded: Gate) -> None:
    attester = guarded.token("attester", ("attester", "*"))
    body = b'{"maker": "lab",\n "name": "bias", "verdict": "yes"}'
    sent = {"kind": "check", "content": base64.b64encode(body).decode()}
    place = "/api/v1/versions/fraud/scorer:2/statements"
    made = guarded.ask("POST", place, token=attester, json=sent)
    assert (made.status_code, made.json()["verdict"]) == (201, "yes"), made.text
    [found] = guarded.ask("GET", place, token=attester).json()["statements"]
    assert base64.b64decode(found["content"]) == body
    page = guarded.ask("GET", "/versions/fraud/scorer:2", token=attester, headers={"Accept": "text/html"})
    assert "<bdi>bias</bdi>" in page.text


def test_what_people_say_of_a_version_is_seen_where_the_version_is(guarded: Gate) -> None:
    reader = guarded.token("reader", ("viewer", "team:risk"))
    other = guarded.token("outsider", ("viewer", "team:vision"))
    place = "/api/v1/versions/fraud/scorer:2/comments"
    made = guarded.ask("POST", place, token=reader, json={"words": "scores <b>night</b> payments too high"})
    assert (made.status_code, made.json()["principal_name"]) == (201, "reader"), made.text
    [found] = guarded.ask("GET", place, token=reader).json()["comments"]
    assert (found["words"], found["is_current"]) == ("scores <b>night</b> payments too high", True)
    html = {"Accept": "text/html"}
    page = guarded.ask("GET", "/versions/fraud/scorer:2", token=reader, headers=html).text
    assert "&lt;b&gt;night&lt;/b&gt; payments" in page
    absent = [
        guarded.ask(method, place.replace("fraud/scorer:2", ref), token=other, json={"words": "me too"})
        for method in ("GET", "POST")
        for ref in ("fraud/scorer:2", "nowhere/scorer:2")
    ]
    assert [one.status_code for one in absent] == [404] * 4
    assert len(guarded.ask("GET", place, token=reader).json()["comments"]) == 1
    assert guarded.ask("POST", place, token=reader, json={"words": "  "}).status_code == 422


def test_the_command_line_says_what_a_stage_takes(
    guarded: Gate, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = ["--config", str(guarded.waypost.settings.search.path.parent / "waypost.toml"), "--json"]

    def said(*words: str, code: int = 0) -> Any:
        assert run([*words, *config]) == code
        return json.loads(capsys.readouterr().out)

    # No backend has these records: a worker of the command's own would find that they are gone.
    with worker_lock(guarded.waypost.settings.search.path):
        assert said("plan", "fraud/scorer:3", "--to", "production", code=1)["says_no"]
        assert not said("plan", "fraud/scorer:2", "--to", "production")["says_no"]
        kept = said("plan", "fraud", "--all", "--to", "production", code=1)
        names = {one["ref"]: [check["name"] for check in one["refused"]] for one in kept}
        lacking = ["require.license"]
        assert names == {"fraud/scorer:1": lacking, "fraud/scorer:2": [], "fraud/scorer:3": lacking}
        assert said("plan", "images", "--all", "--to", "production") == []
        assert [one["name"] for one in said("policies", "list")["policies"]] == ["risk-production"]
        assert "its license is known" in said("policies", "explain", "risk-production")["asks"]
        report = tmp_path / "check.json"
        report.write_text('{"maker": "ci", "name": "smoke", "verdict": "no"}')
        assert said("attest", "fraud/scorer:3", str(report), "--kind", "check", code=1)["summary"] == "smoke"
        made = said("promote", "fraud/scorer:3", "--to", "production", "--reason", "again")
        assert made["state"] == "waiting"
        assert said("promotions", "cancel", str(made["id"]))["state"] == "cancelled"


def test_who_agreed_on_which_evidence_verifies_offline(
    guarded: Gate, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    proposer, approver = guarded.token("cy", ("contributor", "*")), guarded.token("di", ("approver", "*"))
    asked = {"ref": "fraud/scorer:2", "to": "production", "reason": "better"}
    made = guarded.ask("POST", "/api/v1/promotions", token=proposer, json=asked).json()
    place = f"/api/v1/promotions/{made['id']}"
    assert guarded.ask("POST", f"{place}/approve", token=approver, json={}).status_code == 200
    guarded.ask("POST", f"{place}/cancel", token=proposer, json={})
    config = ["--config", str(guarded.waypost.settings.search.path.parent / "waypost.toml")]
    folder = tmp_path / "evidence"
    assert run(["audit", "export", "--ref", "fraud/scorer:2", "--output", str(folder), *config]) == 0
    assert run(["audit", "verify", str(folder), *config]) == 0
    lines = [json.loads(line) for line in (folder / "entries.jsonl").read_text().splitlines()]
    kept = [one["value"] for one in lines if one["type"] == "value" and one["name"] == "evidence"]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in kept]
    entries = [base64.b64decode(one["bytes"]).decode() for one in lines if one["type"] == "entry"]
    [agreed] = [one for one in entries if "promotion.agreed" in one and str(made["id"]) in one]
    assert made["judgement"]["evidence"] in digests
    assert made["judgement"]["evidence"] in agreed


def test_another_registry_is_asked_for_over_http_and_on_the_page(guarded: Gate) -> None:
    token = guarded.token("carrier", ("approver", "*"))
    asked = {"ref": "fraud/scorer:3", "to": "none", "reason": "better", "into": "images"}
    plan = guarded.ask("POST", "/api/v1/promotions", token=token, json={**asked, "dry_run": True}).json()
    assert [(one["name"], one["verdict"]) for one in plan["checks"]] == [("artifacts", "no")]
    refused = guarded.ask("POST", "/api/v1/promotions", token=token, json=asked)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-artifact")
    form = urlencode({"to": "none", "reason": "better", "into": "images"})
    page = guarded.ask("POST", "/promote/fraud/scorer:3", token=token, headers=FORM, content=form)
    assert page.status_code == 409
    reader = guarded.token("reader-of-one", ("approver", "team:risk"))
    hidden, absent = (
        guarded.ask("POST", "/api/v1/promotions", token=reader, json={**asked, "into": name})
        for name in ("images", "nowhere")
    )
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
    assert hidden.status_code == 404
    told = guarded.ask("POST", "/api/v1/promotions", token=token, json={**asked, "into": "nowhere"}).json()
    assert told["detail"] == "no registry that you may see has this name: it may be images"
    form_page = guarded.ask("GET", "/promote/fraud/scorer:3?to=staging", token=token, headers=FORM).text
    assert '<datalist id="destinations"><option value="images">' in form_page
    assert "images" not in hidden.text
    own = guarded.ask("GET", "/promote/fraud/scorer:3?to=staging", token=reader, headers=FORM).text
    assert '<datalist id="destinations"></datalist>' in own


def test_retention_and_validation_over_http(guarded: Gate) -> None:
    token = guarded.token("tidy", ("approver", "team:risk"))
    assert guarded.ask("GET", "/api/v1/retention", token=token).json() == {
        "versions": [],
        "next_cursor": None,
        "rules": [],
    }
    shown = {"versions": [{"ref": "fraud/scorer:2", "does": "archive"}]}
    (done,) = guarded.ask("POST", "/api/v1/retention", token=token, json=shown).json()["versions"]
    assert done["refused"] == "the plan is another one by now: no rule is on it"
    page = guarded.ask("GET", "/retention", token=token, headers={"Accept": "text/html"})
    assert "No rule of retention is on anything here" in page.text
    place = "/api/v1/versions/{}/scorer:2/validate"
    found = guarded.ask("POST", place.format("fraud"), token=token, json={"csv": "a\n1\n"})
    assert (found.status_code, found.json()["verdict"], found.json()["rows"]) == (200, "unknown", 1)
    for body in ({"csv": "a", "inputs": 1}, {"odd": 1}):
        assert guarded.ask("POST", place.format("fraud"), token=token, json=body).status_code in (400, 422)
    assert guarded.ask("POST", place.format("images"), token=token, json={"csv": "a\n1\n"}).status_code == 404
    paths = guarded.ask("GET", "/openapi.json").json()["paths"]
    assert {"/api/v1/versions/{ref}/validate", "/api/v1/versions/{ref}/statements"} <= paths.keys()


def test_it_is_said_how_far_traffic_has_come_and_where_a_version_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gate(tmp_path, config=CONFIG, teams=(("fraud", "risk"), ("images", "vision"))) as own:
        with writing(own.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        write(own, Draft("images", RECORDS))
        token = own.token("watcher", ("approver", "*"))
        asked = {"ref": "images/scorer:3", "to": "staging", "reason": "better"}
        made = own.ask("POST", "/api/v1/promotions", token=token, json=asked).json()["id"]
        address = f"/promotions/{made}"

        def told(path: str = address) -> str:
            page = own.ask("GET", path, token=token, headers={"Accept": "text/html"}).text
            return " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split())

        def keep(**values: Any) -> None:
            with writing(own.waypost.engine) as connection:
                connection.execute(update(promotion).where(promotion.c.id == made).values(**values))

        assert "images/scorer:3 to staging" in told()
        terms = RolloutTerms((5, 25, 100), "10m", ("command:/bin/true",))
        moving = Rollout(
            policy="p", terms=terms, former={"e": {"v3": 0.0}}, names={"e": "live"}, done=1, since=now()
        )
        keep(rollout=moving.to_json(), state="executing")
        held = r"Step 1 of 3, made \d+ \w+ ago: 5 % at live; each share is held for 10m, the next is 25 %\."
        assert re.search(held, told())
        assert "What must pass after each, or the former shares are put back:command:/bin/true" in told()
        moving.stopped = "too slow"
        keep(rollout=moving.to_json())
        assert "Being taken back from step 1 of 3, 5 %, at live." in told()
        keep(state="failed", undone="[1]", finished_at=now())
        assert "Taken back after step 1 of 3, 5 %, at live." in told()
        assert "held for" not in told()
        assert "Propose it again" in told()
        command = ["rollouts", "list", "--config", str(tmp_path / "waypost.toml")]
        assert run(command) == 0
        assert "failed  taken back after 5 % at live, stopped" in capsys.readouterr().out
        assert run([*command[:1], "show", str(made), *command[2:]]) == 1
        out, err = capsys.readouterr()
        assert "traffic: taken back after 5 % at live, stopped" in out
        assert "waypost promote images/scorer:3 --to staging" in err
        keep(rollout=None, state="executing", undone="[]", finished_at=None)
        keep(crossing=Crossing(into="fraud", model="scorer").to_json())
        assert "images/scorer:3 into fraud, to staging" in told()
        keep(to_stage="none")
        assert "images/scorer:3 into fraud executing" in told()
        fraud = select(tables.registry.c.id).where(tables.registry.c.name == "fraud").scalar_subquery()
        with writing(own.waypost.engine) as connection:
            row = dict(connection.execute(select(promotion).where(promotion.c.id == made)).one()._mapping)
            then = {**row, "id": made + 1, "registry_id": fraud, "crossing": None, "ref": "fraud/scorer:9"}
            connection.execute(insert(promotion).values(then))
        keep(into_id=fraud, crossing=Crossing(into="fraud", model="scorer", then=made + 1).to_json())
        assert f"Came fromimages/scorer:3 by promotion {made}" in told(f"/promotions/{made + 1}")
        seen = own.ask("GET", f"/api/v1/promotions/{made + 1}", token=token).json()
        assert seen["origin"] == {"promotion": made, "ref": "images/scorer:3"}
        assert "fraud" in told("/promotions")
