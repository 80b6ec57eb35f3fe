"""The gateway in this process: the configured database opened, and the worker's work where no worker runs.

What the worker is made of is imported only where there is work for it.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from federation import schema
from federation.logs import NONE
from gateway.cli.invocation import Invocation, debugging
from gateway.cli.screen import say
from gateway.settings import load_settings, settings_file
from gateway.start import share_the_interpreter
from gateway.waypost import FOLLOWERS, Waypost

__all__ = ["catch_up", "configured", "opened", "working"]


def configured(invocation: Invocation) -> Waypost:
    """The gateway that the configuration describes, with nothing opened yet. Errors: `SettingsError`."""
    settings = load_settings(settings_file(invocation.config))
    if debugging():
        from gateway.logs import configure_logs

        configure_logs(settings.log)
    else:
        logging.getLogger().setLevel(NONE)  # what went wrong is told by the command itself
    return Waypost(settings)


@contextmanager
def opened(invocation: Invocation) -> Iterator[Waypost]:
    """The gateway, its database at the schema of this version."""
    waypost = configured(invocation)
    try:
        schema.require(waypost.engine)
        _begin(waypost)
        yield waypost
    finally:
        waypost.close()


@contextmanager
def working(waypost: Waypost) -> Iterator[bool]:
    """Be the worker while the block lasts, for what is asked for in it. False where another process is it."""
    from gateway.worker import Worker, WorkerLockedError, worker_lock

    with ExitStack() as held:
        try:
            held.enter_context(worker_lock(waypost.settings.search.path))
        except WorkerLockedError:
            yield False
            return
        share_the_interpreter()
        worker = Worker(waypost, by_schedule=False)
        thread = threading.Thread(target=worker.run, name="worker", daemon=True)
        thread.start()
        try:
            yield True
        finally:
            worker.stop()
            thread.join()


def catch_up(waypost: Waypost, followers: Iterable[str] = FOLLOWERS) -> None:
    """Bring followers up to the catalogue, where no worker does that."""
    newest = waypost.positions.newest()
    late = [name for name in followers if waypost.position(name) < newest]
    if not late:
        return
    from federation.followers import Followers
    from gateway.worker import WorkerLockedError, worker_lock

    with suppress(WorkerLockedError):
        with worker_lock(waypost.settings.search.path):
            Followers({name: one for name, one in waypost.followers().items() if name in late}).catch_up()
        waypost.reload()


def _begin(waypost: Waypost) -> None:
    """Make the file's registries known to a database that has none yet."""
    specs = [one.spec() for one in waypost.settings.registries]
    late = waypost.registries.unapplied(specs) if specs else []
    if late is None:
        waypost.apply_registries()
        if waypost.settings.policies:
            waypost.apply_policies()
        return
    if waypost.settings.policies:
        late = [*late, *waypost.policies.unapplied(waypost.settings.policies)]
    if late:
        say(f"the file says something new of {', '.join(late)}: it counts from `waypost registries apply` on")
