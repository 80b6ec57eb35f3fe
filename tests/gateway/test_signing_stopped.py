"""A database that was put back from an old backup: doctor, the check of readiness and the metrics tell of it."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from federation.health import UNHEARD
from federation.journal.checkpoints import WitnessAheadError
from federation.journal.logkey import SigningError
from gateway.app import create_app
from gateway.cli import run
from gateway.cli.failure import NO, OK
from gateway.cli.local import catch_up
from gateway.exposed import exposed
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.federation.journal.logs import happen
from tests.servers import blank


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway in this folder that has signed what happened, and whose database of before that is `backup.db`."""
    file = tmp_path / "waypost.toml"
    file.write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/waypost.db"\n[search]\npath = "{tmp_path}/index"\n'
        f'[audit]\nkey = "{tmp_path}/log.key"\n'
    )
    blank.sqlite(tmp_path / "waypost.db")
    waypost = Waypost(load_settings(file))
    catch_up(waypost)
    sign(waypost)
    waypost.close()
    shutil.copy(tmp_path / "waypost.db", tmp_path / "backup.db")
    happen(waypost.engine, 3)
    sign(waypost)
    waypost.close()
    return file


def sign(waypost: Waypost) -> None:
    while waypost.journal.signer.sign() is not None:
        pass


def put_back(config: Path) -> None:
    for file in config.parent.glob("waypost.db*"):
        file.unlink()
    shutil.copy(config.with_name("backup.db"), config.with_name("waypost.db"))
    waypost = Waypost(load_settings(config))
    happen(waypost.engine)
    with pytest.raises(WitnessAheadError):
        sign(waypost)
    waypost.close()


def ask(config: Path, path: str) -> httpx.Response:
    waypost = Waypost(load_settings(config))
    transport = httpx.ASGITransport(app=create_app(waypost))  # type: ignore[arg-type]

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    try:
        return asyncio.run(get())
    finally:
        waypost.close()


def finding(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["doctor", "--json", "--config", str(config)])
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    return code, found["signing"]


def test_all_is_well_while_checkpoints_are_signed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, signing = finding(config, capsys)
    assert (code, signing["state"]) == (OK, "ok")
    ready = ask(config, "/health/ready")
    checks = {name: said for name, said in ready.json()["checks"].items() if said != UNHEARD}
    assert ready.status_code == 200
    assert checks == dict.fromkeys(("signing", "witnesses", "index", "graph", "database", "clock"), "ok")
    assert "waypost_signing_ok 1.0" in ask(config, "/metrics").text


def test_a_stop_of_signing_is_told_and_reads_go_on(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_back(config)
    code, signing = finding(config, capsys)
    assert (code, signing["state"]) == (NO, "fail")
    assert "no checkpoint of the audit log is signed any more" in signing["found"]
    assert "waypost audit resume" in signing["remedy"]
    ready = ask(config, "/health/ready")
    told = ready.json()
    assert (ready.status_code, told["status"], told["problems"]) == (200, "ok", [])
    assert "waypost doctor" in told["checks"]["signing"]
    assert "waypost_signing_ok 0.0" in ask(config, "/metrics").text


def test_an_older_database_is_noticed_at_the_start_although_nothing_was_written(config: Path) -> None:
    for file in config.parent.glob("waypost.db*"):
        file.unlink()
    shutil.copy(config.with_name("backup.db"), config.with_name("waypost.db"))
    waypost = Waypost(load_settings(config))
    with pytest.raises(WitnessAheadError):
        waypost.journal.signer.sign()
    waypost.close()
    assert ask(config, "/health/ready").json()["checks"]["signing"] != "ok"


def test_a_start_with_all_there_is_signs_nothing_anew(config: Path) -> None:
    waypost = Waypost(load_settings(config))
    assert waypost.journal.signer.sign() is None
    waypost.close()


def test_a_key_that_others_can_read_is_told_and_strangers_are_not_told_where_it_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = config.with_name("log.key")
    key.chmod(0o644)
    assert exposed(load_settings(config)) == [key]
    run(["doctor", "--json", "--config", str(config)])
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert (found["secrets"]["state"], found["secrets"]["remedy"]) == ("warn", f"chmod 600 {key}")
    key.chmod(0o600)
    assert exposed(load_settings(config)) == []
    key.write_text("no key")
    waypost = Waypost(load_settings(config))
    happen(waypost.engine)
    with pytest.raises(SigningError) as raised:
        waypost.journal.signer.sign()
    waypost.close()
    assert str(config.parent) not in str(raised.value)
    assert str(key) in raised.value.whole
