"""`waypost sync`: read the registries now, and wait until everything found can be searched."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gateway.characters import inert
from gateway.cli.asked import Gateway
from gateway.cli.client import connect
from gateway.cli.completion import registries
from gateway.cli.failure import OK, UNREACHABLE, CommandError
from gateway.cli.screen import console, counted, emit_json, emit_table, say

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_EVERY = 0.2
ENDED = ("ok", "partial", "failed")
NEWS = ("created", "changed", "deleted", "quarantined", "reread")


def sync(
    context: typer.Context,
    registry: Annotated[
        str, typer.Argument(help="only this one; else every registry", autocompletion=registries)
    ] = "",
    full: Annotated[bool, typer.Option("--full", help="list everything again")] = False,
    wait: Annotated[bool, typer.Option(help="wait until it is done")] = True,
) -> int:
    """Read registries now. Exit code 3 when one could not be read."""
    with connect(context.obj) as gateway, _worker(gateway):
        names = [registry] if registry else attached(gateway)
        if not names:
            raise CommandError("no registry is configured: `waypost init` writes a first one")
        if not wait and gateway.waypost is not None:
            raise CommandError("--no-wait queues the work for a running gateway: name it with --url")
        runs = [
            gateway.ask("POST", f"/registries/{quote(name, safe='')}/sync", body={"full": full})
            for name in names
        ]
        done = follow(gateway, dict(zip(names, runs, strict=True))) if wait else runs
    if context.obj.json:
        emit_json(done)
    elif wait:
        _print(done)
    return UNREACHABLE if any(run["state"] == "failed" for run in done) else OK


def attached(gateway: Gateway) -> list[str]:
    """The names of the registries that can be synchronised."""
    return [one["name"] for one in gateway.get("/registries")["registries"] if one["state"] != "detached"]


def follow(gateway: Gateway, runs: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Wait for runs, by registry, with a bar for each on standard error. Returns how they ended."""
    current = dict(runs)
    with bars(list(runs)) as show:
        while waiting := [name for name, run in current.items() if run["state"] not in ENDED]:
            for name in waiting:
                current[name] = gateway.get(f"/syncs/{current[name]['id']}")
                show(name, current[name])
            time.sleep(LOOK_EVERY)
    return list(current.values())


@contextmanager
def bars(names: Sequence[str]) -> Iterator["Callable[[str, Mapping[str, Any]], None]"]:
    """A bar for each registry, on a terminal; nothing elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    screen = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
        TextColumn("{task.fields[read]}", markup=False), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        tasks = {name: progress.add_task(inert(name), total=None, read="waiting") for name in names}

        def show(name: str, run: Mapping[str, Any]) -> None:
            read = f"{run['state']}  {sum(run['counts'].values()):,} records"
            ended = {"total": 1, "completed": 1} if run["state"] in ENDED else {}
            progress.update(tasks[name], read=read, **ended)  # type: ignore[arg-type]

        yield show


@contextmanager
def _worker(gateway: Gateway) -> Iterator[None]:
    if gateway.waypost is None:
        yield
        return
    from gateway.cli.local import working

    with working(gateway.waypost) as mine:
        if not mine:
            say("another process is the worker: the job is queued there")
        yield


def _print(runs: Sequence[Mapping[str, Any]]) -> None:
    rows = [(run["registry"], run["state"], *(run["counts"].get(name, 0) for name in NEWS)) for run in runs]
    emit_table(("REGISTRY", "STATE", *(name.upper() for name in NEWS)), rows)
    for run in runs:
        for error in run["errors"]:
            say(error)
        if vague := run["counts"].get("unreadable", 0):
            many = counted(vague, "dependency", "dependencies")
            say(f"{run['registry']}: {many} cannot be read: `waypost insights unresolved` says which and why")
