"""The servers are real, answer, are empty for each test, and never outlive the process that started them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import httpx
import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text

from gateway.demo.servers import Server, ServerStartError, answers, reserved_port, server
from tests.patience import PATIENCE
from tests.servers.postgres import Postgres

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
FAMILY = f"""
import os, subprocess, sys, time
print(os.getpid(), subprocess.Popen([sys.executable, "-c", {STUBBORN!r}]).pid, flush=True)
time.sleep(600)
"""
STARTER = f"""
import sys, time
from pathlib import Path
from gateway.demo.servers import server
log = Path(sys.argv[1], "log")
command = [sys.executable, "-c", {FAMILY!r}]
with server("family", command, port=1, log=log, ready=lambda: " " in log.read_text(), grace=0.3):
    print("started", flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or after
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_and_its_children_end_with_whoever_started_them(tmp_path: Path, ending: int) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        parent, child = map(int, (tmp_path / "log").read_text().split())
        assert alive(parent)
        assert alive(child)
        starter.send_signal(ending)
    assert eventually(lambda: not alive(parent) and not alive(child))


def test_a_server_that_ends_at_once_is_named_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such disk')"]
    with pytest.raises(ServerStartError, match=r"(?s)teapot ended while starting.*no such disk.*code 1"):
        with server("teapot", command, port=1, log=tmp_path / "log", ready=lambda: False):
            pass


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    log = tmp_path / "log"

    def ready() -> bool:
        assert eventually(lambda: bool(log.read_text()))
        return False

    with pytest.raises(ServerStartError, match="did not answer within 1 s"):
        with server("mute", command, port=1, log=log, ready=ready, patience=1):
            pass
    assert not answers(f"file://{log}")
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text().split()[0]), 0)


def test_a_reserved_port_is_given_to_nobody_else_but_can_be_listened_on() -> None:
    with reserved_port() as port:
        others = []
        for _ in range(300):
            one = socket.create_server(("127.0.0.1", 0))
            others.append(one)
        assert port not in {one.getsockname()[1] for one in others}
        for one in others:
            one.close()
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass


def test_mlflow_is_real_and_empty_for_each_test(mlflow_server: Server) -> None:
    api = f"{mlflow_server.url}/api/2.0/mlflow"
    with httpx.Client(verify=False, timeout=PATIENCE) as client:
        found = client.get(f"{api}/registered-models/search").json()
        assert found.get("registered_models", []) == []
        client.post(f"{api}/registered-models/create", json={"name": "left over"}).raise_for_status()
        client.post(f"{api}/experiments/create", json={"name": "left over"}).raise_for_status()


test_mlflow_is_empty_again = test_mlflow_is_real_and_empty_for_each_test


def test_postgres_is_real_and_hands_out_separate_databases(postgres: Postgres) -> None:
    def fill(url: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE notes (id int)"))
        engine.dispose()

    copies = [postgres.create(postgres.template("with_notes", fill)) for _ in range(2)]
    with psycopg.connect(postgres.address(copies[0])) as first:
        first.execute("INSERT INTO notes VALUES (1)")
    with psycopg.connect(postgres.address(copies[1])) as second:
        assert second.execute("SELECT count(*) FROM notes").fetchone() == (0,)
        version = second.execute("SHOW server_version").fetchone()
    assert version is not None
    assert version[0].startswith("18.")


def test_a_database_starts_empty_on_each_engine(empty_database: str) -> None:
    engine = create_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_over (id int)"))
    engine.dispose()


test_a_database_is_empty_again = test_a_database_starts_empty_on_each_engine


def test_redis_is_real_and_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left over", 1)


test_redis_is_empty_again = test_redis_is_real_and_empty


def test_moto_answers_as_aws_and_forgets(moto: Server) -> None:
    client = boto3.client(
        "sagemaker",
        region_name="eu-west-1",
        endpoint_url=moto.url,
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    assert client.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    client.create_model_package_group(ModelPackageGroupName="left-over")


test_moto_has_forgotten = test_moto_answers_as_aws_and_forgets


def test_a_server_that_is_told_to_end_needs_nobody_who_waits(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
    log = tmp_path / "log"
    with server("sleeper", sleeping, port=1, log=log, ready=lambda: "up" in log.read_text()) as running:
        running.end()
        assert eventually(lambda: not running.running)
