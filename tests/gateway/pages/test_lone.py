"""What pages say where there is one of everything, and nothing to compare it with."""

import re
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import select, update

from adapters import Column, EndpointRecord, Key, ModelRecord, Schema, Traffic, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.stages import parse_rules
from tests.gateway.access.gate import Gate, gate

RULES = {"production": ["stage:Production"], "staging": ["stage:Staging"]}
WHOEVER = tuple((role, "*") for role in ("approver", "auditor", "operator"))


def put(asked: Gate, *stages: str, serving: Sequence[EndpointRecord] = ()) -> None:
    """A model with a version in each of these stages, and what serves it."""
    with writing(asked.waypost.engine) as connection:
        registry = connection.execute(select(tables.registry.c.id)).scalar_one()
        model = ModelRecord(key=Key("model", "m"), name="scorer", aliases={"champion": "1"})
        schema = Schema((Column("age", "double"),), (Column("score", "double"),))
        versions = [
            VersionRecord(
                key=Key("version", f"m:{number}"), model=model.key, version=str(number), stage=stage, schema=schema
            )
            for number, stage in enumerate(stages, 1)
        ]  # fmt: skip
        origin = Origin(registry, "fraud", parse_rules(RULES, {}), now(), importing=True)
        writer = CatalogueWriter(connection, origin)
        writer.write([codec.encode(one) for one in (model, *versions, *serving)])
        writer.batch.append(connection)
    asked.follow()


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, str]]:
    """A gateway with one registry, model and version, and the token of somebody who sees all of it."""
    with gate(tmp_path_factory.mktemp("lone"), teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        put(found, "Staging")
        yield found, found.token("ada", *WHOEVER)


def shown(lone: tuple[Gate, str], path: str) -> str:
    asked, token = lone
    return asked.ask("GET", path, token=token, headers={"Accept": "text/html"}).text


def test_one_of_something_is_not_many(lone: tuple[Gate, str]) -> None:
    asked, _ = lone
    with writing(asked.waypost.engine) as connection:
        connection.execute(update(tables.registry).values(models=1, versions=2))
    page = shown(lone, "/registries/fraud")
    for tile in ("model</dt><dd>1<", "versions</dt><dd>2<", "endpoints</dt><dd>0<"):
        assert f"<dt>{tile}" in page


def test_a_schema_has_no_columns_in_which_nothing_stands(lone: tuple[Gate, str]) -> None:
    page = shown(lone, "/versions/fraud/scorer:1")
    assert '<th scope="col">Type</th><th scope="col">Required</th></tr>' in page


def test_nothing_is_compared_with_itself_or_with_nothing(lone: tuple[Gate, str]) -> None:
    pages = {to: shown(lone, f"/promote/fraud/scorer:1?to={to}") for to in ("staging", "production")}
    assert "Propose it<" in pages["production"]
    assert not [to for to, page in pages.items() if "Compare with what is in" in page]


def test_a_stage_that_a_version_has_is_not_proposed_again(lone: tuple[Gate, str]) -> None:
    asked, token = lone
    page = shown(lone, "/promote/fraud/scorer:1?to=staging")
    assert "It is in staging already" in page
    assert "Propose it<" not in page
    assert 'name="into" maxlength="4096" spellcheck="false" required' in page, "elsewhere it may be proposed"
    body = {"ref": "fraud/scorer:1", "to": "staging", "reason": "again"}
    planned = asked.ask("POST", "/api/v1/promotions", token=token, json={**body, "dry_run": True}).json()
    assert planned["is_so_already"]
    refused = asked.ask("POST", "/api/v1/promotions", token=token, json=body)
    assert (refused.status_code, refused.json()["detail"]) == (409, "fraud/scorer:1 is staging already")


def test_what_a_version_serves_itself_is_told_from_what_depends_on_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with gate(tmp_path_factory.mktemp("served"), teams=[("fraud", "risk")]) as found:
        version = Key("version", "m:1")
        serving = EndpointRecord(
            key=Key("endpoint", "e"), name="score", live=True, traffic=(Traffic(version, 100.0),)
        )
        put(found, "Production", serving=(serving,))
        page = shown((found, found.token("ada", *WHOEVER)), "/impact/fraud/scorer:1?action=archive")
    assert "<dt>of them live</dt><dd>0<" in page
    assert '<dt>gravest hit</dt><dd class="word">live: itself<' in page


def test_a_rollback_says_whom_a_policy_leaves_it_to(tmp_path_factory: pytest.TempPathFactory) -> None:
    policy = '[auth]\nmode = "token"\n[[policies]]\nname = "ranks"\non = "*"\n'
    with gate(tmp_path_factory.mktemp("back"), config=policy, teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        put(found, "Production", "None")
        put(found, "None", "Production")
        page = shown((found, found.token("ada", *WHOEVER)), "/rollback/fraud/scorer")
    assert "comes back to production" in page
    assert "Policy <bdi>ranks</bdi> leaves this to <bdi>role:approver</bdi>." in page
    assert "No policy has a say" not in page


def test_the_log_says_what_was_made_and_nothing_secret(tmp_path_factory: pytest.TempPathFactory) -> None:
    with gate(tmp_path_factory.mktemp("told"), teams=[("fraud", "risk")]) as asked:
        token = asked.token("ada", *WHOEVER)
        hook = {"name": "chat", "url": "https://hooks.example/services/S3CRET?key=S3CRET"}
        assert asked.ask("POST", "/api/v1/webhooks", token=token, json=hook).status_code == 201
        kept = {"name": "losses of ada", "q": "scorer"}
        assert asked.ask("POST", "/api/v1/searches", token=token, json=kept).is_success

        def told(action: str) -> list[str]:
            found = asked.ask("GET", f"/api/v1/audit?action={action}", token=token).json()["entries"]
            return [one["summary"] for one in found]

        assert told("webhook.added") == ["webhook.added (chat, at https://hooks.example)"]
        assert told("search.saved") == ["search.saved (losses of ada)"]
        [made] = told("token.created")
        assert re.fullmatch(r"token\.created \(t-\w+, until [-0-9T:+]+, of (token:)?ada\)", made), made
        erased = asked.ask("POST", "/api/v1/audit/erasures", token=token, json={"subject": "ada"})
        assert erased.is_success, erased.text
        [search] = told("search.saved")
        assert re.fullmatch(r"search\.saved \(search q-\w+\)", search), search


def test_a_start_page_offers_queries_about_what_there_is(lone: tuple[Gate, str]) -> None:
    page = shown(lone, "/")
    queries = re.findall(r'<a href="/\?q=([^"]+)"><code>([^<]+)<', page)
    assert "depends_on:&#34;fraud/scorer:1&#34;" in dict(queries).values()
    assert "encoder" not in page
    for query, _ in queries:
        assert "cannot be read as a query" not in shown(lone, f"/?q={query}")


def test_what_holds_the_stage_is_compared_with(tmp_path_factory: pytest.TempPathFactory) -> None:
    with gate(tmp_path_factory.mktemp("two"), teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        put(found, "Staging", "None")
        page = shown((found, found.token("ada", *WHOEVER)), "/promote/fraud/scorer:2?to=staging")
    assert "Compare with what is in staging now" in page


def test_what_is_so_already_has_no_button(lone: tuple[Gate, str]) -> None:
    page = shown(lone, "/change/fraud/scorer:1?what=alias&name=champion&value=1")
    assert "Nothing changes" in page
    assert 'name="plan"' not in page


def test_a_webhook_names_who_made_it(lone: tuple[Gate, str]) -> None:
    asked, token = lone
    made = asked.ask(
        "POST", "/api/v1/webhooks", token=token, json={"name": "chat", "url": "https://hooks.example/x"}
    )
    assert made.status_code == 201, made.text
    assert '<td data-label="By"><bdi>ada</bdi></td>' in shown(lone, "/webhooks")


def test_the_newest_entry_of_the_log_leads_back_only_and_what_is_beyond_it_to_the_log(
    lone: tuple[Gate, str],
) -> None:
    asked, token = lone
    newest = asked.ask("GET", "/audit.json", token=token).json()["entries"][0]["seq"]
    last, former = (shown(lone, f"/audit/{number}") for number in (newest, newest - 1))
    assert "Previous entry" in last
    assert "Next entry" not in last
    assert "Next entry" in former
    assert '<a href="/audit">newest entries</a>' in shown(lone, f"/audit/{newest + 1}")
