"""A backend that misbehaves in every way we know costs its worker little, its neighbours nothing, and is told."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.served import Served, served
from tests.servers.hostile import MISBEHAVIOURS, Hostile, listening
from tests.soak import soak

MOST_MEMORY = 96.0
"""MiB of the worker above what it has when it is idle."""
LATER = 1.5
"""The healthy registry may take so many times as long as without the hostile one."""
FREE_WITHIN = 5.0
"""Seconds after which a core is free again."""
HEALTHY = 1_000
"""Versions of the healthy registry: so many that its run takes longer than a look at the clock of the machine."""
MISBEHAVES_FOR = 20.0
PATIENCE = 90.0
EVERY = len(MISBEHAVIOURS)
REGISTRY = """
[[registries]]
name = "{name}"
kind = "mlflow"
team = "t"
sync_every = 0
config = {{ url = "{url}", timeout = 1 }}
"""


@dataclass
class HostileWorld:
    """A gateway over a hostile registry and a healthy one."""

    gateway: Served
    hostile: Hostile
    log: Path

    def ask(self, name: str, *, full: bool = True) -> int:
        """Ask for a run; its id."""
        answer = self.gateway.client.post(f"/registries/{name}/sync", json={"full": full})
        return int(answer.raise_for_status().json()["id"])

    def state(self, sync_id: int) -> str | None:
        """How a run ended; None while it goes on."""
        run = self.gateway.client.get(f"/syncs/{sync_id}").json()
        return str(run["state"]) if run["finished_at"] else None

    def synced(self, name: str) -> tuple[str | None, float]:
        """How a run ended, and its seconds from the asking."""
        began, sync_id = time.monotonic(), self.ask(name)
        while (state := self.state(sync_id)) is None and time.monotonic() < began + PATIENCE:
            time.sleep(0.01)
        return state, time.monotonic() - began

    @property
    def worker(self) -> int:
        """The worker's process id."""
        config = str(self.log.with_name("waypost.toml")).encode()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
                if b"gateway.worker" in words and config in words:
                    return int(entry.name)
        raise AssertionError("there is no worker")


@contextmanager
def world(folder: Path) -> Iterator[HostileWorld]:
    """The gateway with both registries known and read once."""
    with Hostile() as hostile, listening(HEALTHY) as healthy:
        config = REGISTRY.format(name="hostile", url=hostile.url) + REGISTRY.format(
            name="healthy", url=healthy
        )
        with served(folder, config=config) as gateway:
            made = HostileWorld(gateway, hostile, folder / "gateway.log")
            for name in ("hostile", "healthy", "hostile"):
                assert made.synced(name)[0] == "ok"
            yield made


@soak(sample=1, full=2 * EVERY, batch=EVERY)
def test_a_hostile_backend_costs_little(
    cases: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    kinds = random.Random(seed).sample(list(MISBEHAVIOURS), min(cases, EVERY))
    with world(tmp_path_factory.mktemp("hostile")) as it:
        usual = max(it.synced("healthy")[1] for _ in range(20 if cases >= EVERY else 3))
        idle, worker = memory(it.worker, "VmRSS"), it.worker
        found = [
            f"{kind}: {line}"
            for kind in kinds
            for line in one(it, kind, idle, usual if cases >= EVERY else PATIENCE)
        ]
        if it.worker != worker:
            found.append("the worker was replaced")
        if "Traceback" in it.log.read_text():
            found.append("the log has a stack trace")
        return found


def one(it: HostileWorld, kind: str, idle: float, usual: float) -> Iterator[str]:
    """What is wrong while the backend misbehaves in one way, and after."""
    worker = it.worker
    Path(f"/proc/{worker}/clear_refs").write_text("5")  # the peak begins anew
    it.hostile.misbehaving = kind
    began, sync_id = time.monotonic(), it.ask("hostile")
    slowest = 0.0
    while it.state(sync_id) is None and time.monotonic() < began + MISBEHAVES_FOR:
        beside, seconds = it.synced("healthy")
        slowest = max(slowest, seconds)
        if beside != "ok":
            yield f"the healthy registry is {beside}"
    it.hostile.behave()
    if (more := memory(worker, "VmHWM") - idle) > MOST_MEMORY:
        yield f"the worker took {more:.0f} MiB more than idle"
    if slowest > LATER * usual:
        yield f"the healthy registry took {slowest:.2f} s instead of {usual:.2f} s"
    if not is_free(worker):
        yield f"a core is still busy after {FREE_WITHIN:g} s"
    while it.state(sync_id) is None and time.monotonic() < began + PATIENCE:
        time.sleep(0.05)
    if it.state(sync_id) is None:
        yield f"its run has not ended after {PATIENCE:g} s"
    after = it.synced("hostile")[0]
    if after not in ("ok", "partial"):
        yield f"its run is {after} although it behaves again"


def memory(process: int, what: str) -> float:
    """A figure of a process in MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def is_free(process: int) -> bool:
    """Whether a process comes to use less than half of a core in time."""
    deadline = time.monotonic() + FREE_WITHIN
    while time.monotonic() < deadline:
        before = _cpu(process)
        time.sleep(0.25)
        if _cpu(process) - before < 0.125:
            return True
    return False


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
