"""Workers in processes of their own that kill themselves, with SIGKILL, at a named point."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from adapters import Capability, discover
from adapters.discovery import Discovered, Plugin
from federation.database import open_engine, reading, writing
from federation.journal.log import Batch
from federation.leases import Leases
from federation.operations.intent import Asker, Steps, digest_of, record
from federation.operations.run import OperationContext, work
from federation.operations.tables import operation
from federation.operations.wanted import kind_of
from federation.registries.connections import Connections

IN_THE_WORKER = ("beginning", "begun", "answered", "finishing", "finished")
IN_THE_CALL = ("sending", "requested", "applied")
"""Before the adapter is called; after its first request to the backend; after the backend did everything."""
WRITING = ("intending", "intended")
"""In the process that writes the intent: before its commit, and after."""
POINTS = (*WRITING, *IN_THE_CALL, *IN_THE_WORKER)
PRELOADED = ["adapters.mlflow", "adapters.rest", "adapters.sagemaker", "boto3", "federation.operations.run"]
LIFE = 300.0
"""Seconds after which a victim hangs, also on a machine that is busy with other things."""


@dataclass(frozen=True)
class Death:
    """Where a victim dies, and what it needs to live until then."""

    point: str
    url: str
    registry_id: int
    kind: str
    environment: Mapping[str, str]


def killed(target: Callable[..., None], *arguments: object) -> bool:
    """Run a function in a process of its own until it ends; whether it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    process.join(LIFE)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"a victim did not end within {LIFE:g} s")
    assert process.exitcode in (0, -signal.SIGKILL), f"a victim ended with {process.exitcode}"
    return process.exitcode != 0


def die() -> None:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(LIFE)


def carry_out(death: Death) -> None:
    """Carry out whatever is due of a registry, until death or until everything has an outcome."""
    os.environ.update(death.environment)

    def at(point: str) -> None:
        if point == death.point:
            die()

    engine = open_engine(death.url)
    context = OperationContext(engine, Connections(mortal(death)), Leases("worker"), at=at)
    asked = operation.c
    end = time.monotonic() + LIFE / 2
    while time.monotonic() < end:
        work(context, death.registry_id)
        with reading(engine) as connection:
            waiting = select(asked.id).where(
                asked.registry_id == death.registry_id, asked.finished_at.is_(None)
            )
            if connection.execute(waiting.limit(1)).first() is None:
                break
        time.sleep(0.1)
    context.connections.close()
    engine.dispose()


def write(connection: Connection, steps: Steps, asker: Asker) -> int:
    """Write the steps of one plan down; the id of the first."""
    batch = Batch()
    rows = record(connection, [(steps, asker)], batch)[0]
    batch.append(connection)
    return int(rows[0].id)


def intend(death: Death, steps: Steps, key: str) -> None:
    """Write intents, and die before their commit or after."""
    engine = open_engine(death.url)
    with writing(engine) as connection:
        write(connection, steps, Asker("local", key, digest_of(kind_of(steps[0].wanted))))
        if death.point == "intending":
            die()
    if death.point == "intended":
        die()
    engine.dispose()


def mortal(death: Death) -> Discovered:
    """The adapters, that of the registry's kind with a death in its writes."""
    adapters = discover()
    real = adapters.get(death.kind)

    def over(name: str) -> Callable[..., Any]:
        write_it = getattr(real, name)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            if death.point == "sending":
                die()
            if death.point == "requested":
                self.observe(lambda method, path, status, seconds: die())
            answer = write_it(self, *arguments, **named)
            if death.point == "applied":
                die()
            return answer

        return call

    methods = {one.value: over(one.value) for one in Capability if one in real.capabilities}
    adapter = type("Mortal", (real,), methods)
    return Discovered({**adapters.plugins, death.kind: Plugin(death.kind, "a test", lambda: adapter)})
