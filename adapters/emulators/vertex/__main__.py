"""`python -m adapters.emulators.vertex`: the emulator as a process. Prints its address; stops with its parent."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress

from adapters.emulators.vertex.demo import seed
from adapters.emulators.vertex.faults import Faults
from adapters.emulators.vertex.server import Service, start
from adapters.emulators.vertex.state import ProjectState


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators.vertex", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--project", default="demo")
    parser.add_argument("--location", default="us-central1")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="added to every call")
    parser.add_argument("--quota", type=int, default=0, metavar="N", help="calls a minute; 0 is unlimited")
    parser.add_argument("--operation-seconds", type=float, default=0, help="how long an operation takes")
    parser.add_argument("--demo", action="store_true", help="begin with the models of a made-up shop team")
    parser.add_argument("--stay", action="store_true", help="outlive the process that started it")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    state = ProjectState(arguments.project, arguments.location, operation_seconds=arguments.operation_seconds)
    faults = Faults()
    server, address, _ = await start(Service(state, faults), arguments.port)
    if arguments.demo:
        await asyncio.to_thread(seed, address, arguments.project, arguments.location)
    faults.latency, faults.quota_per_minute = arguments.latency / 1000, arguments.quota
    print(address, flush=True)  # noqa: T201 -- whoever starts the process reads it here
    stopped = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    parent = os.getppid()
    while not stopped.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), 0.5)
        if os.getppid() != parent and not arguments.stay:
            stopped.set()
    await server.stop(0.5)


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
