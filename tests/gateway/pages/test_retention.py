"""The page of retention says its rules in words, to whom they concern, and asks for what is to be done."""

from collections.abc import Iterator

import pytest

from tests.gateway.access.gate import Gate, gate

CONFIG = """
[auth]
mode = "token"
[[retention]]
on = "*"
archive = "stage:staging and age > 30d"
hold = ["tag:legal_hold=true"]
[[retention]]
on = "team:secret"
delete = "created > 1y"
"""
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    teams = [("fraud", "risk"), ("hidden", "secret")]
    with gate(tmp_path_factory.mktemp("retention"), config=CONFIG, teams=teams) as found:
        yield found


def test_the_rules_are_told_in_words_beside_what_is_written(ruled: Gate) -> None:
    page = ruled.ask("GET", "/retention", token=ruled.token("op", ("operator", "*")), headers=HTML).text
    assert "For <bdi>every version</bdi>" in page
    assert (
        "Archives a version when its stage is staging and it has had its stage for more than 30 days." in page
    )
    assert "<code>stage:staging and age &gt; 30d</code>" in page
    assert "Keeps a version when it has the tag legal_hold = true." in page
    assert "For <bdi>every version of team secret</bdi>" in page
    assert "Deletes a version when it was made more than 1 year ago." in page


def test_rules_of_others_are_not_told(ruled: Gate) -> None:
    token = ruled.token("viewer", ("viewer", "team:risk"))
    page = ruled.ask("GET", "/retention", token=token, headers=HTML).text
    told = ruled.ask("GET", "/api/v1/retention", token=token).json()["rules"]
    assert "every version</bdi>" in page
    assert "secret" not in page
    assert [(one["on"], one["about"]) for one in told] == [("*", "every version")]


def test_who_ticks_nothing_is_told_that(ruled: Gate) -> None:
    token = ruled.token("tidy", ("approver", "*"))
    form = {"Content-Type": "application/x-www-form-urlencoded", **HTML}
    answer = ruled.ask("POST", "/retention", token=token, headers=form, content="")
    assert answer.status_code == 422
    assert "nothing was ticked" in answer.text.lower()
