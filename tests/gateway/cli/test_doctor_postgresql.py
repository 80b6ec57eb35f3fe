"""What `doctor` says of PostgreSQL: what a failover may lose, and whether there is room for this gateway."""

from pathlib import Path

import pytest
from sqlalchemy import text

from federation.database import writing
from federation.replication import ServerReport, Standby
from gateway.cli.doctor import postgresql, replication
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.servers.postgres import Postgres

SYNCHRONOUS, LATE = Standby("two", True, 0), Standby("two", False, 4096)


@pytest.mark.parametrize(
    ("report", "state", "words"),
    [
        (ServerReport("on", "two", (SYNCHRONOUS,), 97), "ok", "loses nothing that was acknowledged: two"),
        (ServerReport("on", "two", (Standby("", False, None),), 97), "ok", "loses nothing"),
        (ServerReport("on", "two", (), 97), "fail", "what is written waits for one"),
        (ServerReport("on", "", (LATE,), 97), "warn", "may lose what was acknowledged last, 4,096 bytes"),
        (ServerReport("local", "two", (LATE,), 97), "warn", "asynchronous"),
        (ServerReport("on", "", (), 97), "ok", "no standby is attached"),
        (ServerReport("off", "two", (SYNCHRONOUS,), 97), "warn", "synchronous_commit is off"),
    ],
)
def test_what_a_failover_may_lose(report: ServerReport, state: str, words: str) -> None:
    found = replication(report)
    assert (found.what, found.state) == ("replication", state)
    assert words in found.found
    assert bool(found.remedy) == (state != "ok")


def test_doctor_looks_at_the_server_that_is_there(postgres: Postgres, tmp_path: Path) -> None:
    name, config = postgres.create(), tmp_path / "waypost.toml"
    database = f'[database]\nurl = "{postgres.url(name)}"\nconnections = '
    said = {}
    for connections in (16, 80):
        config.write_text(f"{database}{connections}\n")
        waypost = Waypost(load_settings(config))
        said[connections] = {one.what: one for one in postgresql(waypost)}
        with writing(waypost.engine) as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "off"
        waypost.close()
    assert [said[16]["connections"].state, said[80]["connections"].state] == ["ok", "warn"]
    assert said[16]["connections"].found == "this gateway may hold 48, all of them together 197"
    assert said[16]["replication"].state == "warn"
    postgres.drop(name)
