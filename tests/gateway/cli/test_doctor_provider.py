"""`waypost doctor` says what an identity provider lacks, and of whom it did not say everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.database import writing
from federation.identity.people import Person
from federation.identity.sessions import begin_as_person
from gateway.cli.doctor import identity_provider
from gateway.cli.finding import Finding
from tests.gateway.access.gate import gate
from tests.gateway.access.test_oidc import CONFIG
from tests.servers.oidc import IdentityProvider
from tests.servers.oidc import identity_provider as served


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with served() as found:
        yield found


def findings(folder: Path, provider: IdentityProvider, *people: Person) -> list[Finding]:
    from datetime import timedelta

    with gate(folder, config=CONFIG.format(issuer=provider.url)) as found:
        for person in people:
            with writing(found.waypost.engine) as connection:
                begin_as_person(connection, person, timedelta(hours=1))
        return list(identity_provider(found.waypost))


def test_a_provider_that_answers_is_ok(tmp_path: Path, provider: IdentityProvider) -> None:
    [finding] = findings(tmp_path, provider)
    assert (finding.what, finding.state) == ("identity provider", "ok")


def test_people_whose_groups_were_not_said_are_counted(tmp_path: Path, provider: IdentityProvider) -> None:
    people = [Person(str(number), "Somebody", None, "too many groups") for number in range(2)]
    _, finding = findings(tmp_path, provider, *people, Person("3", "Else", ("ml",)))
    assert (finding.what, finding.state) == ("groups", "warn")
    assert finding.found == "of 2 people in a week: too many groups"


def test_a_provider_that_is_down_is_a_failure(tmp_path: Path, provider: IdentityProvider) -> None:
    provider.broken = True
    [finding] = findings(tmp_path, provider)
    assert finding.state == "fail"
