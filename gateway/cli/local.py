"""The gateway in this process: the configured database opened, and the worker's work where no worker runs."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from federation import changes, schema
from federation.access import EVERYTHING
from federation.catalogue.states import read_registries
from federation.database import now, reading
from federation.followers import Followers
from gateway.cli.invocation import Invocation, debugging
from gateway.logs import configure_logs
from gateway.settings import load_settings, settings_file
from gateway.waypost import Waypost
from gateway.worker import Worker, WorkerLockedError, worker_lock

__all__ = ["configured", "opened", "working"]
_SILENT = logging.CRITICAL + 1


def configured(invocation: Invocation) -> Waypost:
    """The gateway that the configuration describes, with nothing opened yet. Errors: `SettingsError`."""
    settings = load_settings(settings_file(invocation.config))
    configure_logs(settings.log)
    if not debugging():
        logging.getLogger().setLevel(_SILENT)  # what went wrong is told by the command itself
    return Waypost(settings)


@contextmanager
def opened(invocation: Invocation) -> Iterator[Waypost]:
    """The gateway, its database at the schema of this version, its index caught up where no worker does that."""
    waypost = configured(invocation)
    try:
        schema.require(waypost.engine)
        _begin(waypost)
        with suppress(WorkerLockedError):
            _catch_up(waypost)
        yield waypost
    finally:
        waypost.close()


@contextmanager
def working(waypost: Waypost) -> Iterator[bool]:
    """Be the worker while the block lasts, for what is asked for in it. False where another process is it."""
    with ExitStack() as held:
        try:
            held.enter_context(worker_lock(waypost.settings.search.path))
        except WorkerLockedError:
            yield False
            return
        worker = Worker(waypost, by_schedule=False)
        thread = threading.Thread(target=worker.run, name="worker", daemon=True)
        thread.start()
        try:
            yield True
        finally:
            worker.stop()
            thread.join()


def _begin(waypost: Waypost) -> None:
    """Make the file's registries known to a database that has none yet."""
    with reading(waypost.engine) as connection:
        known = read_registries(connection, EVERYTHING, now())
    if not known and waypost.settings.registries:
        waypost.apply_registries()


def _catch_up(waypost: Waypost) -> None:
    with reading(waypost.engine) as connection:
        newest = changes.newest(connection)
    if waypost.served < newest:
        with worker_lock(waypost.settings.search.path):
            Followers(waypost.followers()).catch_up()
        waypost.reload()
