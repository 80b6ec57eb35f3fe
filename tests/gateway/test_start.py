"""A gateway's start: its processes are forked while threads of the first one are at work."""

import sys
from pathlib import Path

from gateway.demo.servers import answers, reserved_port, server
from tests.gateway.served import SERVE

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
