"""The page of a change shows the plan that its button makes, and refuses to make another one."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.operations.tables import operation
from federation.stages import parse_rules
from tests.gateway.access.gate import Gate, gate

RULES = {"production": ["alias:champion", "stage:Production"], "archived": ["stage:Archived"]}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
ASKED = "/change/fraud/scorer:1?what=stage&value=production"


def write(asked: Gate, champion: str, native: str) -> None:
    """The model as the catalogue has it: `champion` names a version, version 2 is called `native` by the backend."""
    with writing(asked.waypost.engine) as connection:
        registry = connection.execute(select(tables.registry.c.id)).scalar_one()
        model = ModelRecord(key=Key("model", "m"), name="scorer", aliases={"champion": champion})
        versions = [
            VersionRecord(key=Key("version", f"m:{number}"), model=model.key, version=number, stage=stage)
            for number, stage in (("1", "None"), ("2", native))
        ]
        writer = CatalogueWriter(
            connection, Origin(registry, "fraud", parse_rules(RULES, {}), now(), importing=True)
        )
        writer.write([codec.encode(one) for one in (model, *versions)])
        writer.batch.append(connection)
    asked.follow()


@pytest.fixture
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with gate(tmp_path_factory.mktemp("change"), teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        write(found, "2", "Production")
        yield found


def shown(asked: Gate, token: str) -> tuple[str, dict[str, str]]:
    """What the page says, and the fields behind its button."""
    answer = asked.ask("GET", ASKED, token=token, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    card = re.search(r'<section class="card".*?</section>', answer.text, re.DOTALL)
    assert card is not None
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', card[0])
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", card[0])).split()), {n: unescape(v) for n, v in hidden}


def made(asked: Gate) -> list[str]:
    with asked.waypost.engine.connect() as connection:
        return list(connection.execute(select(operation.c.kind).order_by(operation.c.id)).scalars())


def test_both_versions_are_shown_and_the_button_makes_just_that(fraud: Gate) -> None:
    token = fraud.token("approver", ("approver", "*"), ("viewer", "*"))
    text, fields = shown(fraud, token)
    assert "1 alias:champion of fraud/scorer 2 1" in text
    assert "2 stage of fraud/scorer:2 Production Archived" in text
    assert "fraud/scorer:1 none production by alias:champion" in text
    assert "fraud/scorer:2 production by alias:champion archived by stage:Archived" in text
    assert "fraud/scorer@stage:production means fraud/scorer:2 now, and then fraud/scorer:1" in text
    answer = fraud.ask("POST", "/change/fraud/scorer:1", token=token, headers=FORM, content=urlencode(fields))
    assert answer.status_code == 303, answer.text
    assert made(fraud) == ["set_alias", "set_stage"]
    page = fraud.ask("GET", answer.headers["location"], token=token, headers={"Accept": "text/html"})
    assert "The step after it" in page.text


def test_what_is_no_longer_as_it_was_shown_is_shown_anew_and_not_made(fraud: Gate) -> None:
    token = fraud.token("approver", ("approver", "*"), ("viewer", "*"))
    _, fields = shown(fraud, token)
    write(fraud, "2", "Staging")
    answer = fraud.ask("POST", "/change/fraud/scorer:1", token=token, headers=FORM, content=urlencode(fields))
    assert answer.status_code == 412
    assert "The plan is another one than was shown" in answer.text
    assert 'name="plan"' in answer.text
    assert made(fraud) == []


@pytest.mark.parametrize(
    ("name", "said"), [("champion", "Move @champion to version 1"), ("new", "Set @new to version 1")]
)
def test_an_alias_that_is_new_is_set_and_one_that_is_there_is_moved(
    fraud: Gate, name: str, said: str
) -> None:
    token = fraud.token("approver", ("approver", "*"), ("viewer", "*"))
    asked = f"/change/fraud/scorer?what=alias&name={name}&value=1"
    page = fraud.ask("GET", asked, token=token, headers={"Accept": "text/html"}).text
    assert f">{said}</button>" in page


def test_who_may_not_read_the_log_is_not_led_to_it_from_what_was_deleted(fraud: Gate) -> None:
    gone = update(tables.version).where(tables.version.c.version == "1").values(deleted_at=now())
    with writing(fraud.waypost.engine) as connection:
        connection.execute(gone)
    told = {
        role: fraud.ask(
            "GET",
            "/versions/fraud/scorer:1",
            token=fraud.token(role, (role, "*")),
            headers={"Accept": "text/html"},
        )
        for role in ("viewer", "auditor")
    }
    assert [one.status_code for one in told.values()] == [410, 410]
    assert "Everything that was known of it" in told["viewer"].text
    assert [name for name, one in told.items() if "/audit?ref=" in one.text] == ["auditor"]
