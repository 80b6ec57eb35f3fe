"""What the bounds on everything that comes from outside cost, beside the build that had none of them."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import httpx

from tests.benchmarks import Figure, benchmark
from tests.benchmarks.builds import FORMER, Build, builds, in_turn
from tests.servers.hostile import listening

GOAL = 1 / 0.98
"""Our time may be so many times the former build's."""
SYNC = """
import sys
import time

from adapters import discover
from federation import schema
from federation.database import open_engine, writing
from federation.sync import schedule
from federation.sync.run import run

try:
    from federation.registries import configured
    from federation.sync.context import SyncContext
except ImportError:
    from federation import registries as configured
    from federation.sync.run import SyncContext
try:
    from federation.leases import Leases
    from federation.registries.connections import Connections
except ImportError:
    Leases, Connections = str, lambda adapters: adapters

try:
    from federation.sync.details import read_details as read_files
except ImportError:
    from federation.sync.schemas import read_schemas as read_files

database, url, versions = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = open_engine(database)
schema.migrate(engine)
spec = configured.RegistrySpec(name="ml", kind="mlflow", team="t", config={"url": url})
with writing(engine) as connection:
    configured.apply(connection, [spec])
context = SyncContext(engine, Connections(discover()), Leases("worker"))
began = time.perf_counter()
with writing(engine) as connection:
    sync_id = schedule.request(connection, 1, full=True)
assert run(context, sync_id) == "ok"
assert read_files(context, 1, versions) == versions
print(time.perf_counter() - began)
"""


@benchmark(sample=20, full=10_000, servers=True)
def bounds_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """A full sync of so many versions with their schemas, one version over HTTP, and a search as a process."""
    both = builds(folder)
    rounds = 5 if size > 1000 else 1
    with listening(size) as url:
        config = (
            '[database]\nurl = "sqlite:///waypost.db"\n[[registries]]\nname = "ml"\nkind = "mlflow"\nteam = "t"\n'
            f'sync_every = 0\nconfig = {{ url = "{url}" }}\n'
        )
        yield _compared(
            f"full sync of {size:,} versions with schemas", _syncs(both, folder, url, size), rounds
        )
        places = {build: folder / f"place-{build.name}" for build in both}
        for build, place in places.items():
            place.mkdir()
            (place / "waypost.toml").write_text(config)
            build.waypost(place, "sync")
        searches = [partial(build.waypost, place, "search", "model-1") for build, place in places.items()]
        yield _compared("waypost search as a process", searches, 5 * rounds)
        present, former = both
        with (
            present.serving(places[present], config) as ours,
            former.serving(places[former], config) as theirs,
            httpx.Client(base_url=f"{ours}/api/v1", trust_env=False, timeout=60) as our_client,
            httpx.Client(base_url=f"{theirs}/api/v1", trust_env=False, timeout=60) as their_client,
        ):
            reads = [partial(_read, client, 100) for client in (our_client, their_client)]
            yield _compared("GET /versions/{ref} over HTTP, 100 times", reads, 6 * rounds)


def _compared(name: str, calls: Sequence[Callable[[], object]], times: int) -> Figure:
    ours, theirs = (taken.p50 for taken in in_turn(times, *calls))
    return Figure(f"{name}, p50", ours, "s", GOAL * theirs, (f"build {FORMER}", theirs))


def _syncs(both: tuple[Build, Build], folder: Path, url: str, size: int) -> Sequence[Callable[[], object]]:
    program, numbers = folder / "sync.py", count()
    program.write_text(SYNC)

    def sync(build: Build) -> None:
        database = f"sqlite:///{folder / f'sync-{next(numbers)}.db'}"
        command = [sys.executable, str(program), database, url, str(size)]
        done = subprocess.run(command, env=build.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return [partial(sync, build) for build in both]


def _read(client: httpx.Client, times: int) -> None:
    for at in range(times):
        answer = client.get(f"/versions/ml%2Fmodel-{at % 10}:1")
        assert answer.status_code == 200, answer.text
