"""What every test shares: the real servers."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.compiled import share_compiled_statements
from tests.compiling import compile_part
from tests.descriptors import held_too_many
from tests.servers.demo import Held
from tests.servers.fixtures import (
    DEMOS,
    database,
    demo,
    demo_gateway,
    demos,
    docker_registry,
    empty_database,
    mlflow_address,
    mlflow_process,
    mlflow_server,
    moto,
    moto_server,
    postgres,
    redis_server,
    redis_url,
)

__all__ = [
    "database",
    "demo",
    "demo_gateway",
    "demos",
    "docker_registry",
    "empty_database",
    "mlflow_address",
    "mlflow_process",
    "mlflow_server",
    "moto",
    "moto_server",
    "postgres",
    "redis_server",
    "redis_url",
]


TOGETHER = {
    "mlflow_process": "mlflow",
    "facade": "mlflow",
    "mlflow_process_of_ours": "mlflow",
    "moto_server": "moto",
}
"""What is started once in a process, and takes seconds of it, with the group of tests that go to the same process."""
DEAR = ("vendors", "e2e", "benchmarks", "soak", "gateway", "adapters")
"""Folders of tests that start servers, wait or make environments: they go first, so that no process ends long after the
others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vendors", action="store_true", help="all tests of the vendors' clients, not a sample")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Send to one process all tests on the shared MLflow server, those on the demo, and those of a module that share
    something: starting it is what costs.
    """
    for item in items:
        names = getattr(item, "fixturenames", ())
        if group := next((group for name, group in TOGETHER.items() if name in names), ""):
            item.add_marker(pytest.mark.xdist_group(group))
        elif _uses_demo(item):
            item.add_marker(pytest.mark.xdist_group("demo"))
        elif _shares_within_its_module(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    yield
    items.sort(key=_place)  # what was shuffled stays shuffled within each of them


def _place(item: pytest.Item) -> int:
    return next((place for place, name in enumerate(DEAR) if name in item.path.parts), len(DEAR))


def _shares_within_its_module(item: pytest.Item) -> bool:
    known: dict[str, Any] = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009
    return any(found[-1].scope == "module" for found in known.values())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the demo after the last test on it: a process of a parallel run gets all of them one after the other. See
    that what a module opened is closed.
    """
    yield
    held: Held | None = item.config.pluginmanager.get_plugin(DEMOS)
    if held is not None and "PYTEST_XDIST_WORKER" in os.environ and not (nextitem and _uses_demo(nextitem)):
        held.end()
    if nextitem is None or nextitem.path != item.path:
        assert not (many := held_too_many()), many


def _uses_demo(item: pytest.Item) -> bool:
    """Whether a test needs the demo, or says so by its group where it asks for it only when it runs."""
    groups = {
        value for mark in item.iter_markers("xdist_group") for value in (*mark.args, *mark.kwargs.values())
    }
    return "demo" in groups or "demo" in getattr(item, "fixturenames", ())


def pytest_sessionstart(session: pytest.Session) -> None:
    """Share the work of compiling with the other processes of a parallel run."""
    if name := os.environ.get("PYTEST_XDIST_WORKER"):
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        compile_part(session.config, int(name.removeprefix("gw")), count)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, which makes none: the collector takes a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of every garbage collection: it stays, and is a million objects."""
    gc.freeze()


IN_MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
"""Bytes that tests may come to need for their files, of which each is gone with its test."""


def _keep_files_in_memory() -> None:
    """Let no test wait for a disk, where there is room in memory and nobody has said where files are to be."""
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    found = os.statvfs(IN_MEMORY)
    if found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


def pytest_configure() -> None:
    """Keep a busy machine from failing a property: no test looks at a time. Try the same examples each time: new ones
    are drawn by `make soak`. Let what tests start hear Ctrl-C, also where this was itself started in the background,
    which shells make deaf to it.
    """
    _keep_files_in_memory()
    share_compiled_statements()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "waypost", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("waypost")
