"""What pages say where there is one of everything, and nothing to compare it with."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from adapters import Column, Key, ModelRecord, Schema, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.stages import parse_rules
from tests.gateway.access.gate import Gate, gate

RULES = {"production": ["stage:Production"], "staging": ["stage:Staging"]}
WHOEVER = tuple((role, "*") for role in ("approver", "auditor", "operator"))


def put(asked: Gate, *stages: str) -> None:
    """A model with a version in each of these stages."""
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
        writer.write([codec.encode(one) for one in (model, *versions)])
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


@pytest.mark.parametrize("to", ["staging", "production"])
def test_nothing_is_compared_with_itself_or_with_nothing(lone: tuple[Gate, str], to: str) -> None:
    page = shown(lone, f"/promote/fraud/scorer:1?to={to}")
    assert "Propose it" in page
    assert "Compare with what is in" not in page


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
