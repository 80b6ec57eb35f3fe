"""An upgrade goes through a cluster gateway by gateway: the release before works on over the schema of this one."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from federation import schema
from federation.access import LOCAL
from federation.operations.asking import RequestedChange
from federation.operations.wanted import SetTags
from federation.references import parse
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.gateway.paper import PLUGINS, Paper, ask, catalogued, finished, problems
from tests.patience import PATIENCE
from tests.servers.postgres import Postgres

ROOT = Path(__file__).parents[2]
WORKER = """
import sys, threading
from pathlib import Path
from federation import schema
from gateway.settings import load_settings
from gateway.waypost import Waypost
from gateway.worker import Worker

waypost = Waypost(load_settings(Path(sys.argv[1])))
schema.migrate(waypost.engine)
waypost.prepare()
worker = Worker(waypost)
thread = threading.Thread(target=worker.run)
thread.start()
print(schema.LATEST, flush=True)
sys.stdin.read()
worker.stop()
thread.join()
waypost.close()
"""
"""A worker of whatever release is imported, on a database that it brings to its own schema, until its input ends."""


def git(*words: str) -> bytes:
    """What git says of this checkout."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The code of before the newest migration, out of the history of this checkout."""
    try:
        [newest] = (ROOT / "federation" / "migrations" / "versions").glob(f"{schema.LATEST}_*.py")
        log = ("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest.relative_to(ROOT)))
        packed = git("archive", f"{git(*log).decode().strip()}^", "adapters", "federation", "gateway")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this checkout has no history")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(tmp_path / "before", filter="data")
    return tmp_path / "before"


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    made = Paper(tmp_path / "paper")
    for number in range(3):
        made.add(f"model-{number}", 2)
    return made


@pytest.fixture
def configured(postgres: Postgres, tmp_path: Path, paper: Paper) -> Iterator[Path]:
    """The same configuration for both releases."""
    name, file = postgres.create(), tmp_path / "gateway" / "waypost.toml"
    file.parent.mkdir()
    registry = paper.config("r").replace("sync_every", "writable = true\nsync_every")
    file.write_text(f'plugins = "{PLUGINS}"\n[database]\nurl = "{postgres.url(name)}"\n{registry}')
    yield file
    postgres.drop(name)


def test_the_release_before_works_on_over_the_schema_of_this_one(
    before: Path, configured: Path, paper: Paper
) -> None:
    environment = {"PYTHONPATH": str(before), "PYTHONSAFEPATH": "1", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(configured)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=configured.parent,
        text=True,
    ) as worker:
        with ExitStack() as running:
            running.callback(worker.communicate, "")
            assert worker.stdout is not None
            theirs = worker.stdout.readline().strip()
            waypost = running.enter_context(closing(Waypost(load_settings(configured))))
            assert schema.migrate(waypost.engine) == (theirs, schema.LATEST)
            assert theirs < schema.LATEST
            waypost.prepare()
            assert finished(waypost.engine, ask(waypost.engine, "r")).state == "ok"
            paper.add("model-3", 2)
            assert finished(waypost.engine, ask(waypost.engine, "r")).state == "ok"
            assert catalogued(waypost.engine, "r") == paper.truth()
            waypost.operations.start()
            change = RequestedChange(parse("r/model-1:2"), SetTags({"upgraded": "no"}))
            asked = waypost.operations.request(LOCAL, change).result(timeout=PATIENCE)
            done = waypost.operations.wait(LOCAL.view, asked.operation.id, PATIENCE)
            assert (done.state, done.error) == ("ok", None)
            assert problems(waypost.engine) == []
        assert worker.returncode == 0
