"""Another backend than before answers: it is shown, and confirmed by what was looked at alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from federation import tables
from federation.database import writing
from gateway.cli.asked import AnsweredProblemError, Gateway
from gateway.cli.failure import CommandError
from gateway.cli.registries import confirm_identity
from tests.gateway.chained import chained


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with chained(tmp_path) as found:
        yield found


def offer(gateway: Gateway, identity: str | None) -> None:
    """What a run has found at the address of the registry `search`."""
    assert gateway.waypost is not None
    with writing(gateway.waypost.engine) as connection:
        connection.execute(
            update(tables.registry)
            .where(tables.registry.c.name == "search")
            .values(identity="known", offered_identity=identity)
        )


def test_what_answers_instead_is_confirmed_and_a_full_run_follows(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(gateway, "restored")
    assert gateway.get("/registries/search")["offered_identity"] == "restored"
    confirm_identity(gateway, "search", json=False)
    assert capsys.readouterr().out == "search is restored from now on; a full sync is queued\n"
    shown = gateway.get("/registries/search")
    assert (shown["offered_identity"], shown["syncs"][0]["state"]) == (None, "queued")
    told = gateway.get("/audit", action="registry.identity_confirmed")["entries"]
    assert [one["details"] for one in told] == [
        {"before": {"identity": "known"}, "after": {"identity": "restored"}}
    ]


def test_what_answers_by_now_is_not_what_was_looked_at(gateway: Gateway) -> None:
    offer(gateway, "a third one")
    with pytest.raises(AnsweredProblemError, match="look at it and ask again") as answer:
        gateway.ask("PUT", "/registries/search/identity", body={"identity": "restored"})
    assert answer.value.status == 409


def test_there_is_nothing_to_confirm_where_the_known_backend_answers(gateway: Gateway) -> None:
    offer(gateway, None)
    with pytest.raises(CommandError, match="nothing to confirm"):
        confirm_identity(gateway, "search", json=False)
