"""A gateway's start: its processes are forked while threads of the first one work, and it is not the only one."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import text

from federation.database import reading, writing
from federation.registries import configured
from gateway.demo.servers import answers, reserved_port, server
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.gateway.served import SERVE
from tests.patience import until
from tests.servers import blank
from tests.servers.postgres import Postgres

WATCHED = """
import os, sys, threading, time

FIRST = os.getpid()

class Threads:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if os.getpid() == FIRST and threading.current_thread() is not threading.main_thread():
            print("imported in a thread:", name, flush=True)

sys.meta_path.insert(0, Threads)
os.register_at_fork(before=lambda: time.sleep(1))
"""
"""Each fork takes as long as on a busy machine, and what threads import until it is over is told."""


SETTLED = """
import gc
from gateway.start import YOUNG, settle
settle()
kept = gc.get_freeze_count()
stats = gc.get_stats()
page = [[number] for number in range(YOUNG - 1_000)]
assert gc.get_stats() == stats, "a page of records was looked through while it was made"
assert kept > 1_000
more = [[number] for number in range(2_000)]
assert gc.get_stats() != stats, "no garbage is looked for any more"
"""


def test_a_process_that_has_settled_looks_for_garbage_neither_in_its_modules_nor_in_each_page() -> None:
    done = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_process_is_forked_in_the_middle_of_an_import_which_it_would_await_for_ever(
    tmp_path: Path,
) -> None:
    program, file, log = tmp_path / "serve.py", tmp_path / "waypost.toml", tmp_path / "gateway.log"
    program.write_text(WATCHED + SERVE)
    with reserved_port() as port:
        file.write_text(f'[server]\nport = {port}\nworkers = 2\n[database]\nurl = "sqlite:///waypost.db"\n')

        def ready() -> bool:
            return answers(f"http://127.0.0.1:{port}/health/ready")

        command = [sys.executable, str(program), str(file)]
        environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
        with server("gateway", command, port=port, log=log, ready=ready, environment=environment):
            assert "imported in a thread" not in log.read_text()


def test_two_gateways_that_start_at_once_make_each_registry_once(postgres: Postgres, tmp_path: Path) -> None:
    name, file = blank.postgresql(postgres), tmp_path / "waypost.toml"
    file.write_text(
        f'[database]\nurl = "{postgres.url(name)}"\n[[registries]]\nname = "r"\nkind = "memory"\nteam = "t"\n'
    )
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    )
    one, other = (Waypost(load_settings(file)) for _ in range(2))

    def waits() -> int:
        with reading(one.engine) as connection:  # each time anew: it is read once in a transaction
            return int(connection.execute(text(waiting)).scalar_one())

    with ThreadPoolExecutor(1) as thread:
        with writing(one.engine, alone=True) as connection:
            configured.apply(connection, [one.settings.registries[0].spec()])
            prepared = thread.submit(other.prepare)
            until(waits, "the other one waits")
        assert prepared.result(timeout=60) == []
    for waypost in (one, other):
        waypost.close()
    postgres.drop(name)
