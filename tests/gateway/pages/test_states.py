"""Pages with nothing on them say why, and what to do; forms that would be refused are not shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.graph.remembered import SMALL
from federation.stages import parse_rules
from tests.gateway.access.gate import Gate, gate
from tests.patience import until

PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gateway over one registry that is read only and has one model."""
    with gate(tmp_path_factory.mktemp("shut"), teams=[("fraud", "risk")]) as found:
        with writing(found.waypost.engine) as connection:
            registry = connection.execute(select(tables.registry.c.id)).scalar_one()
            model = ModelRecord(key=Key("model", "m"), name="scorer", aliases={"champion": "1"})
            version = VersionRecord(key=Key("version", "m:1"), model=model.key, version="1")
            writer = CatalogueWriter(
                connection, Origin(registry, "fraud", parse_rules({}, {}), now(), importing=True)
            )
            writer.write([codec.encode(model), codec.encode(version)])
            writer.batch.append(connection)
        found.follow()
        yield found


def read(asked: Gate, path: str, token: str) -> str:
    answer = asked.ask("GET", path, token=token, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("path", ["/", "/registries"])
def test_who_may_see_nothing_is_told_whom_to_ask(shut: Gate, path: str) -> None:
    text = read(shut, path, shut.token(f"newcomer{len(path)}"))
    assert "You may see no registry yet." in text
    assert "[[registries]]" not in text


@pytest.mark.parametrize("path", ["/", "/registries"])
def test_who_may_see_everything_is_told_how_to_configure_a_registry(tmp_path: Path, path: str) -> None:
    with gate(tmp_path) as empty:
        text = read(empty, path, empty.token("operator", ("viewer", "*")))
    assert "No registry is configured yet." in text
    assert "[[registries]]" in text


@pytest.mark.parametrize("ref", ["fraud/scorer", "fraud/scorer:1"])
def test_a_registry_that_is_read_only_offers_no_change(shut: Gate, ref: str) -> None:
    token = shut.token(f"approver-{len(ref)}", ("approver", "*"), ("viewer", "*"))
    text = read(shut, f"/change/{ref}?what=alias&name=champion&value=1", token)
    assert "writable = true" in text
    assert 'method="post"' not in text


@contextmanager
def writable(shut: Gate, *unavailable: str) -> Iterator[str]:
    """The registry may be changed meanwhile, but for what its last probe found missing; gives an approver's token."""

    def set_to(is_writable: bool, missing: tuple[str, ...]) -> None:
        with writing(shut.waypost.engine) as connection:
            values = {"writable": is_writable, "unavailable": list(missing)}
            connection.execute(update(tables.registry).values(values))

    set_to(True, unavailable)
    name = "-".join(("writer", *unavailable))
    try:
        yield shut.token(name, ("approver", "*"), ("viewer", "*"))
    finally:
        set_to(False, ())


def test_what_the_adapter_cannot_change_has_no_form(shut: Gate) -> None:
    with writable(shut, "set_alias", "set_tags") as token:
        text = read(shut, "/change/fraud/scorer:1?what=alias&name=champion&value=1", token)
        assert ('id="h-stage"' in text, 'id="h-alias"' in text, 'id="h-tags"' in text) == (True, False, False)
        assert "Registry fraud cannot set alias today: the last probe found it missing" in text
        assert 'method="post"' not in text


def test_stages_that_cannot_be_written_are_not_offered(shut: Gate) -> None:
    with writable(shut, "set_stage") as token:
        text = read(shut, "/change/fraud/scorer:1?what=stage&value=staging", token)
        assert [f"<option>{stage}" in text for stage in ("production", "staging")] == [True, False]
        assert ('id="h-alias"' in text, 'id="h-tags"' in text) == (True, True)
        assert "Staging: no rule for staging of registry fraud can be written" in text
        assert "Set the stage" not in text
    with writable(shut) as token:
        text = read(shut, "/change/fraud/scorer:1", token)
        assert [f"<option>{stage}" in text for stage in ("production", "staging")] == [True, False]
        assert "Staging: fraud/scorer:1 would stay production because of alias:champion" in text


def test_a_list_that_does_not_exist_is_not_found(shut: Gate) -> None:
    token = shut.token("viewer", ("viewer", "*"))
    assert shut.ask("GET", "/insights/gossip", token=token, headers=PAGE).status_code == 404
    assert "Nothing yet." in read(shut, "/insights", token)


def test_lists_of_a_large_graph_are_shown_as_soon_as_they_are_counted(shut: Gate) -> None:
    token = shut.token("curious", ("viewer", "*"))
    shut.waypost.lists.small = 0
    try:
        first = read(shut, "/insights/orphans", token)
        assert "aria-busy" in first
        assert "being counted for the first time" in first
        assert '<noscript><a href="/insights/orphans">Look again</a></noscript>' in first
        until(lambda: "Counted" in read(shut, "/insights/orphans", token), "the list is counted")
        until(lambda: "aria-busy" not in read(shut, "/insights", token), "all lists are counted")
        assert "the oldest list is of" in read(shut, "/insights", token)
        exact = shut.ask("GET", "/insights/orphans.json", token=token).json()
        assert [item["ref"] for item in exact["items"]] == []
    finally:
        shut.waypost.lists.small = SMALL


def test_who_may_not_is_told_which_role_may_and_what_has_a_number_leads_to_its_list(shut: Gate) -> None:
    token = shut.token("reader-of-pages", ("viewer", "*"))
    refused = shut.ask("GET", "/audit", token=token, headers=PAGE)
    assert refused.status_code == 403
    assert "for the role auditor; " in refused.text
    missing = shut.ask("GET", "/promotions/5", token=token, headers=PAGE)
    assert missing.status_code == 404
    assert '<a href="/promotions">what is there</a>' in missing.text
