"""A gateway that reads from a standby: what somebody has seen already, they see again."""

from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from federation.database import open_engine
from gateway.cli.doctor import postgresql
from tests.federation.graph.chain import build
from tests.federation.graph.estate import Estate
from tests.gateway.access.gate import gate
from tests.patience import until
from tests.servers import blank
from tests.servers.postgres import postgres_server, standby_of


def test_who_sends_a_position_sees_it_however_far_the_standby_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_at: list[str] = []
    execute: Any = psycopg.Cursor.execute

    def noted(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if "model.name = " in str(query):
            asked_at.append(
                {"on": "standby", "off": "primary"}[self.connection.info.parameter_status("in_hot_standby")]
            )
        return execute(self, query, *args, **more)

    with postgres_server() as primary, standby_of(primary) as follower:
        name = blank.postgresql(primary)
        engine = open_engine(primary.url(name))
        estate = Estate(tmp_path, engine)
        build(estate)
        (tmp_path / "gateway").mkdir()
        config = f'[database]\nurl = "{primary.url(name)}"\nstandby = "{follower.url(name)}"\n'
        with gate(tmp_path / "gateway", config=config) as asked:
            asked.waypost.answering = True

            def said() -> str:
                return {one.what: one for one in postgresql(asked.waypost)}["standby"].found

            until(lambda: said() == "up to date", "the standby has come so far")
            monkeypatch.setattr(psycopg.Cursor, "execute", noted)
            assert asked.ask("GET", "/api/v1/versions/texts/encoder:3").status_code == 200
            assert set(asked_at) == {"standby"}
            with psycopg.connect(follower.address(name), autocommit=True) as connection:
                connection.execute("SELECT pg_wal_replay_pause()")
            estate.rename("texts", "words")
            positions = asked.waypost.positions
            headers = {"Waypost-Position": positions.seal(positions.newest())}
            asked_at.clear()
            assert asked.ask("GET", "/api/v1/versions/words/encoder:3", headers=headers).status_code == 200
            assert asked_at[-1] == "primary"
            assert asked.ask("GET", "/api/v1/versions/texts/encoder:3").json()["registry"] == "texts"
            assert asked_at[-1] == "standby"
            assert said().startswith("1 changes behind")
            with psycopg.connect(follower.address(name)) as connection:
                rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (name,))
                answering = [int(pid) for (pid,) in rows.fetchall()]
            assert len(answering) > 1, "the gateway's own are among them"
            follower.server.kill()
            # What still answers when it is asked may die in the middle of a read, which then fails as a read there may.
            until(lambda: not any(map(_lives, answering)), "all that answered are gone")
            for _ in range(2):
                assert asked.ask("GET", "/api/v1/versions/words/encoder:3").status_code == 200
            assert [one.state for one in postgresql(asked.waypost) if one.what == "standby"] == ["fail"]
        engine.dispose()


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
