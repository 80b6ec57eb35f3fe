"""The page of many changes shows one plan of all that its button does, and does just that or nothing."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
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

RULES = {"production": ["tag:live=yes"], "archived": ["tag:old=yes"]}
HTML = {"Accept": "text/html"}


def write(asked: Gate, **tags: str) -> None:
    """Two models of two versions as the catalogue has them; `tags` are those of the first version of `scorer`, which
    version 1 of `reader` needs.
    """
    with writing(asked.waypost.engine) as connection:
        registry = connection.execute(select(tables.registry.c.id)).scalar_one()
        connection.execute(update(tables.registry).values(writable=True, stages=RULES))
        writer = CatalogueWriter(
            connection, Origin(registry, "fraud", parse_rules(RULES, {}), now(), importing=True)
        )
        for name, first in (("scorer", tags), ("reader", {"depends_on": "fraud/scorer:1"})):
            model = ModelRecord(key=Key("model", name), name=name)
            versions = [
                VersionRecord(key=Key("version", f"{name}:{one}"), model=model.key, version=one, tags=given)
                for one, given in (("1", first), ("2", {}))
            ]
            writer.write([codec.encode(one) for one in (model, *versions)])
        writer.batch.append(connection)
    asked.follow()


@pytest.fixture
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with gate(tmp_path_factory.mktemp("bulk"), teams=[("fraud", "risk")]) as found:
        write(found)
        yield found


@pytest.fixture
def token(fraud: Gate) -> str:
    return fraud.token("approver", ("approver", "*"), ("viewer", "*"))


def words(page: httpx.Response) -> str:
    main = re.search(r"<main.*</main>", page.text, re.DOTALL)
    assert main is not None, page.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main[0])).split())


def send(asked: Gate, token: str, *refs: str, **form: str) -> httpx.Response:
    chosen = {f"of {ref}": "on" for ref in refs}
    return asked.ask("POST", "/bulk", token=token, headers=HTML, data={**chosen, **form})


def behind_the_button(page: httpx.Response) -> dict[str, str]:
    """The fields that carry a preview out."""
    form = re.search(r'<form method="post" action="/bulk" class="acts">.*?</form>', page.text, re.DOTALL)
    assert form is not None, words(page)
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
    return {unescape(name): unescape(value) for name, value in found}


def asked_for(asked: Gate) -> list[str]:
    with asked.waypost.engine.connect() as connection:
        return list(connection.execute(select(operation.c.ref).order_by(operation.c.id)).scalars())


def test_what_a_search_finds_is_shown_whole_and_then_done(fraud: Gate, token: str) -> None:
    page = fraud.ask("GET", "/bulk?q=model:scorer", token=token, headers=HTML)
    refs = re.findall(r'name="of ([^"]+)" checked', page.text)
    assert sorted(refs) == ["fraud/scorer:1", "fraud/scorer:2"]
    shown = send(
        fraud, token, *refs, tags="area=ads\n team = a=b ", untag="none", until="2031-03-31", note="old"
    )
    assert shown.status_code == 200
    for fact in (
        "fraud/scorer:1 tag:area nothing ads",
        "fraud/scorer:2 tag:team nothing a=b",
        "fraud/scorer nothing 1 version would break",
        "whoever depends on it notices nothing",
    ):
        assert fact in words(shown)
    assert asked_for(fraud) == []
    done = fraud.ask("POST", "/bulk", token=token, headers=HTML, data=behind_the_button(shown))
    assert done.status_code == 202
    assert sorted(asked_for(fraud)) == ["fraud/scorer:1", "fraud/scorer:2"]
    assert "1 model is deprecated until 2031-03-31: fraud/scorer" in words(done)
    model = fraud.ask("GET", "/models/fraud/scorer", token=token, headers=HTML)
    assert "deprecated until 2031-03-31" in words(model)


def test_a_tag_that_decides_a_stage_shows_who_is_hit(fraud: Gate, token: str) -> None:
    page = words(send(fraud, token, "fraud/scorer:1", "fraud/reader:2", tags="old=yes"))
    assert "fraud/scorer:1 none archived by tag:old=yes" in page
    assert "fraud/reader:2 none archived by tag:old=yes" in page
    write(fraud, live="yes")
    page = words(send(fraud, token, "fraud/scorer:1", tags="old=yes", untag="live"))
    assert "fraud/scorer:1 production by tag:live=yes archived by tag:old=yes" in page
    assert "1 version would break" in page
    assert "fraud/reader:1" in page


def test_what_changed_meanwhile_is_shown_anew_and_nothing_is_done(fraud: Gate, token: str) -> None:
    button = behind_the_button(send(fraud, token, "fraud/scorer:1", "fraud/reader:1", tags="area=ads"))
    write(fraud, area="search")
    late = fraud.ask("POST", "/bulk", token=token, headers=HTML, data=button)
    assert late.status_code == 412
    assert "The plan is another one than was shown" in words(late)
    assert "fraud/scorer:1 tag:area search ads" in words(late)
    assert asked_for(fraud) == []
    again = fraud.ask("POST", "/bulk", token=token, headers=HTML, data=behind_the_button(late))
    assert again.status_code == 202
    assert len(asked_for(fraud)) == 2


def test_a_part_that_cannot_be_leaves_no_button_and_is_named(fraud: Gate, token: str) -> None:
    shown = send(fraud, token, "fraud/scorer:1", "fraud/nobody:1", "hidden/any:1", tags="area=ads")
    assert "Nothing is done while a part of it cannot be" in words(shown)
    assert "fraud/nobody:1 :" in words(shown)
    assert "Do all of this" not in words(shown)
    forced = send(fraud, token, "fraud/scorer:1", "fraud/nobody:1", tags="area=ads", plan="any")
    assert forced.status_code == 412
    assert asked_for(fraud) == []


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "Say what is to be done to them"),
        ({"tags": "area"}, "A tag is written as KEY=VALUE, one a line: area is none"),
        ({"until": "soon"}, "A day is written as 2026-12-31: soon is none"),
        ({"note": "old"}, "To deprecate their models, say until which day they stay"),
        ({"until": "2031-01-01", "replacement": "fraud"}, "fraud"),
        ({"until": "2031-01-01", "replacement": "fraud/scorer"}, "A model is not replaced by itself"),
    ],
)
def test_a_form_that_says_too_little_keeps_what_was_filled_in(
    fraud: Gate, token: str, form: dict[str, str], told: str
) -> None:
    shown = send(fraud, token, "fraud/scorer:1", **form)
    assert shown.status_code in (200, 422)
    assert told.casefold() in words(shown).casefold()
    assert 'name="of fraud/scorer:1" checked' in shown.text
    assert "Do all of this" not in words(shown)
    for value in form.values():
        assert value in shown.text


def test_a_query_that_cannot_be_read_and_one_that_finds_nothing_say_so(fraud: Gate, token: str) -> None:
    for query, told in (("stage:(", "mistake"), ("nothingislikethis", "Nothing fits")):
        shown = fraud.ask("GET", "/bulk", params={"q": query}, token=token, headers=HTML)
        assert shown.status_code == 200
        assert told in shown.text


def test_many_are_named_on_a_models_page(fraud: Gate, token: str) -> None:
    named = fraud.ask("GET", "/bulk?ref=fraud/scorer:1&ref=fraud/scorer:2", token=token, headers=HTML)
    assert sorted(re.findall(r'name="of ([^"]+)" checked', named.text)) == [
        "fraud/scorer:1",
        "fraud/scorer:2",
    ]
    assert 'formaction="/bulk"' in fraud.ask("GET", "/models/fraud/scorer", token=token, headers=HTML).text


def test_who_may_only_read_is_offered_none_of_it(fraud: Gate, token: str) -> None:
    reader = fraud.token("reader", ("viewer", "*"))
    for path in ("/?q=scorer", "/team", "/models/fraud/scorer"):
        assert "/bulk" in fraud.ask("GET", path, token=token, headers=HTML).text, path
        assert "/bulk" not in fraud.ask("GET", path, token=reader, headers=HTML).text, path
    assert send(fraud, reader, "fraud/scorer:1", tags="area=ads").status_code == 403
    assert asked_for(fraud) == []
