"""The worker: the one process of a gateway that calls backends, writes the search index and builds the graph.

It is started and watched by `gateway.processes`; a plugin that hangs or holds the interpreter hurts only this
process.
"""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, cast

from federation.artifacts.artifacts import ArtifactCopier
from federation.database import DatabaseError, now
from federation.errors import UnavailableError, WaypostError
from federation.followers import Followers, Projection
from federation.logs import Log
from federation.loops import Guard, Loop
from federation.operations.dispatch import Dispatcher
from federation.operations.run import OperationContext
from federation.poison import InHand
from federation.promotions.crossing import Crossings
from federation.promotions.execution import PromotionRunner
from federation.promotions.outside import OutsideAnswers
from federation.sync.announced import AnnouncedReader, read_now
from federation.sync.context import SyncContext
from federation.sync.schedule import Scheduler
from gateway.descriptors import restore_descriptors
from gateway.exposed import exposed
from gateway.gates import Gates
from gateway.logs import configure_logs
from gateway.outlook import Outlook
from gateway.settings import load_settings
from gateway.signing import Signing
from gateway.start import UNUSABLE, settle, share_the_interpreter
from gateway.waypost import Waypost

log = Log(__name__)
LOOK_EVERY = 0.25
PACE = 0.05
"""Seconds from one round to the next at least: news that comes thicker is looked at together."""
BEAT_EVERY = 1.0
LONGEST_ROUND = 30.0
"""Seconds after which a loop that does not come round any more is no sign of life."""
TRIM_EVERY = 3600.0
FEED_KEPT = timedelta(days=7)
ASKING = 4
"""Questions of promotions that are asked of others at the same time."""
SNAPSHOTS_EVERY = 60.0
"""Seconds after which it is looked whether a snapshot of index or graph is due."""
PAUSE = 1.0
"""Seconds after a round in which something failed."""
ROUNDS = {"leases": "", "operations": "intents", "schedule": "sync", "announced": "events", "trim": ""}
"""What a round does, and the part of the gateway that this is told of."""
ABANDONED_LIMIT = 20
"""So many calls may hang for ever before the worker restarts itself to get its threads back."""
RESTART = 75
"""The exit code that asks to be started again at once."""


class WorkerLockedError(Exception):
    """Another worker writes this folder. One line that names it."""


@contextmanager
def worker_lock(folder: Path) -> Iterator[None]:
    """Hold the folder of index and graph for writing. Errors: `WorkerLockedError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WorkerLockedError(f"another worker writes {folder}") from None
        yield


@dataclass(slots=True)
class Worker:
    """The parts of the worker, wired together."""

    waypost: Waypost
    by_schedule: bool = True
    """False: only runs that somebody asked for are made."""
    followers: Followers = field(init=False)
    scheduler: Scheduler = field(init=False)
    announced: AnnouncedReader = field(init=False)
    operations: Dispatcher = field(init=False)
    signing: Signing = field(init=False)
    promotions: Loop = field(init=False)
    snapshots: Loop = field(init=False)
    asking: ThreadPoolExecutor = field(init=False)
    """Asks what promotions want to know of others."""
    outlook: Outlook = field(init=False)
    _news: threading.Event = field(default_factory=threading.Event)
    _asked: threading.Event = field(default_factory=threading.Event)
    """Something may be due of a promotion."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _round: float = 0.0

    def __post_init__(self) -> None:
        waypost = self.waypost
        self.signing = Signing(waypost, waypost.reports)
        derived = waypost.followers()
        names = tuple(derived)  # what a worker has ended with is not held by its loops
        self.followers = Followers(
            {**derived, **waypost.shared_followers()},
            moved=lambda name: waypost.wake.tell("api") if name in names else None,
            behind={"webhooks": "events"},
            reports=waypost.reports,
        )
        self.snapshots = Loop(
            "snapshots",
            lambda: self._keep_snapshots(names),
            pause=SNAPSHOTS_EVERY,
        )
        self.outlook = Outlook(waypost)
        in_hand = InHand(waypost.settings.search.path)
        died_at = in_hand.recover()
        if died_at:
            log.warning("the worker before this one died at its work", work=", ".join(died_at)[:300])
        context = SyncContext(
            engine=waypost.engine,
            connections=waypost.connections,
            leases=waypost.leases,
            wrote=self._wrote,
            stopping=self._stopped.is_set,
            in_hand=in_hand,
        )
        self.scheduler = Scheduler(context, on_end=self._news.set, by_schedule=self.by_schedule)
        self.announced = AnnouncedReader(context, on_end=self._news.set)
        operations = OperationContext(
            engine=waypost.engine,
            connections=waypost.connections,
            leases=waypost.leases,
            wrote=self._wrote,
            stopping=self._stopped.is_set,
            in_hand=in_hand,
        )
        self.operations = Dispatcher(operations, on_end=self._ended)
        self.asking = ThreadPoolExecutor(ASKING, thread_name_prefix="outside")
        runner = PromotionRunner(
            waypost.engine,
            waypost.adapters,
            waypost.leases,
            lambda: waypost.graph,
            OutsideAnswers(
                partial(read_now, context),
                Gates(waypost.settings),
                self.asking,
                Crossings(waypost.engine, waypost.adapters, ArtifactCopier(waypost.settings.plugins)),
            ),
            wrote=self._wrote,
        )
        self.promotions = Loop(
            "promotions",
            lambda: self._promote(runner),
            reports=waypost.reports,
            part="intents",
            by="promotions",
        )

    def run(self, beat: Callable[[], None] = lambda: None) -> int:
        """Work until `stop`. Returns the exit code."""
        self.followers.start()
        self.signing.start()
        self.outlook.start()
        self.promotions.start()
        if self.waypost.snapshots.place:
            self.snapshots.start()
        self.waypost.wake.listen("worker", self._look)
        self._round = time.monotonic()
        heart = Loop("heart", lambda: self._beat(beat))
        heart.start()
        guards = {name: Guard(name, self.waypost.reports, part, by=name) for name, part in ROUNDS.items()}
        trimmed = 0.0
        try:
            while not self._stopped.is_set() and not guards["leases"](self._give_back):
                self._round = time.monotonic()
                self._stopped.wait(PAUSE)
            while not self._stopped.is_set():
                self._round = time.monotonic()
                if time.monotonic() - trimmed >= TRIM_EVERY:
                    trimmed = time.monotonic()
                    guards["trim"](self._trim)
                well = guards["leases"](self._keep) & guards["operations"](self.operations.tick)
                well &= guards["schedule"](self.scheduler.tick)
                well &= guards["announced"](self.announced.tick)
                if self.waypost.connections.abandoned.count > ABANDONED_LIMIT:
                    log.error("too many calls to backends hang: restarting", calls=ABANDONED_LIMIT)
                    return RESTART
                self.waypost.reports.well("worker")
                if not well:
                    self._stopped.wait(PAUSE)
                self._news.wait(min(LOOK_EVERY, self.scheduler.next_due or LOOK_EVERY))
                self._stopped.wait(max(0.0, self._round + PACE - time.monotonic()))
                self._news.clear()
        finally:
            self.stop()
            heart.stop()
            self.promotions.stop()
            self.snapshots.stop()
            self._asked.set()
            self.promotions.join(LONGEST_ROUND)
            self.asking.shutdown(wait=True, cancel_futures=True)
            self.outlook.close()
            self.operations.close()
            self.scheduler.close()
            self.announced.close()
            self.followers.close()
            self.signing.close()
            self.waypost.connections.close()
            with suppress(DatabaseError):
                self._give_back()  # others need not wait until what we held has run out
        return 0

    def _beat(self, beat: Callable[[], None]) -> None:
        """Beat while the loop goes round; one round may wait for a busy database."""
        if time.monotonic() - self._round < LONGEST_ROUND:
            beat()
        self._stopped.wait(BEAT_EVERY)

    def stop(self) -> None:
        """End `run` at the next look."""
        self.scheduler.context.in_hand.let_go()
        self._stopped.set()
        self._news.set()

    def _look(self) -> None:
        self._news.set()
        self._asked.set()
        self.followers.look()
        self.signing.look()

    def _ended(self) -> None:
        """Operations came to their outcome."""
        self._news.set()
        self._asked.set()

    def _promote(self, runner: PromotionRunner) -> None:
        self._asked.wait(LOOK_EVERY)
        self._asked.clear()
        if not runner.tick():
            self._stopped.wait(PACE)

    def _keep_snapshots(self, names: Sequence[str]) -> None:
        known = cast("Mapping[str, Projection]", self.followers.followers)
        derived = {name: known[name] for name in names if name in known}
        if any(one.position <= 0 for one in derived.values()):
            self.snapshots.stopped.wait(PAUSE)  # there is nothing yet
            return
        self.waypost.snapshots.keep(derived)
        self.snapshots.stopped.wait(SNAPSHOTS_EVERY)

    def _wrote(self) -> None:
        self.followers.look()
        self.signing.look()
        self.waypost.wake.tell("worker", everywhere=True)

    def _give_back(self) -> None:
        """Only one worker holds the lock of this folder, so whoever else had its name is dead."""
        self.waypost.leases.reclaim(self.waypost.engine)

    def _keep(self) -> None:
        self.waypost.leases.renew(self.waypost.engine)

    def _trim(self) -> None:
        self.waypost.positions.trim(now() - FEED_KEPT)
        self.waypost.events.webhooks.trim()


def prepared(waypost: Waypost, beat: Callable[[], None]) -> bool:
    """Prepare as soon as the database is there; False where only whoever runs the gateway can mend what is wrong."""
    waiting = Guard("database", waypost.reports, "database")

    def live() -> None:
        beat()
        heart.stopped.wait(BEAT_EVERY)

    heart = Loop("heart", live)
    heart.start()
    try:
        while True:
            try:
                for line in waypost.prepare():
                    log.info(line)
            except UnavailableError as error:
                waiting.failed(error)
                time.sleep(PAUSE)
            except WaypostError as error:
                log.error("the gateway cannot run so and ends", error=error.whole)
                return False
            else:
                waiting.well()
                return True
    finally:
        heart.stop()


def main(config: str, beats: int, prepares: bool) -> int:
    """Run as a process of its own: heartbeats go to the file descriptor `beats`; the end of standard input
    means stop. `prepares`: nobody has done so yet.
    """
    restore_descriptors()
    share_the_interpreter()
    settings = load_settings(Path(config))
    configure_logs(settings.log)
    waypost = Waypost(settings)
    worker: Worker | None = None

    def wait_for_the_end(stdin: IO[str]) -> None:
        with suppress(OSError, ValueError):
            stdin.read()
        if worker is None:
            os._exit(0)
        worker.stop()

    threading.Thread(target=wait_for_the_end, args=(sys.stdin,), daemon=True).start()

    def beat() -> None:
        with suppress(OSError):
            os.write(beats, b".")

    for path in exposed(settings):
        log.warning("others on this machine can read a secret: chmod 600", file=str(path))
    waypost.report_as("worker")
    waypost.trace_as("worker")
    if prepares and not prepared(waypost, beat):
        return UNUSABLE
    locking = Guard("worker's lock", waypost.reports, "worker")
    while True:
        try:
            with worker_lock(settings.search.path):
                worker = Worker(waypost)
                settle()
                try:
                    return worker.run(beat)
                finally:
                    if waypost.tracing is not None:
                        waypost.tracing.close()
        except (WorkerLockedError, DatabaseError, OSError) as error:
            locking.failed(error)
            beat()
            time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), "prepare" in sys.argv[3:]))
