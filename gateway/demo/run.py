"""`waypost demo`: real servers with the models of the demo, one gateway in front of them, until Ctrl-C."""

import os
import select
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from federation.programs import program
from gateway.cli.client import remote
from gateway.cli.failure import UNREACHABLE, CommandError
from gateway.cli.screen import console, counted, say
from gateway.cli.sync import attached, follow
from gateway.demo.clouds import CLOUDS, CREDENTIALS, DECLARED, cloud_server
from gateway.demo.fill import fill, prepare, train
from gateway.demo.models import REGISTRIES
from gateway.demo.servers import Server, ServerStartError, answers, mlflow_server, reserved_port, server
from gateway.demo.stores import STORES
from gateway.demo.tamper import emit, tamper

SYNC_EVERY = 5
TRY = (
    ("what is in production against fraud, in any team", "search fraud stage:production"),
    ("one version, whatever its alias means today", "show search/product-ranker@champion"),
    ("what breaks if the search team archives its encoder", "impact search/encoder:3 --action archive"),
    ("what a page in Vertex AI rests on: SageMaker, MLflow, a share, git", "deps storefront/search-blend:7"),
    ("what was in production, everywhere", "production"),
    ("what happened", "audit list --limit 10"),
)


def run_demo() -> int:
    """Start everything, say what to try, wait for Ctrl-C, end everything. Errors: `CommandError`."""
    if any(find_spec(name) is None for name in ("mlflow", "boto3", "google.cloud.aiplatform_v1")):
        raise CommandError(
            "the demo starts MLflow servers and two clouds' emulators: pip install 'waypost[demo]'"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while it starts, too, its folder goes with it
    try:
        with tempfile.TemporaryDirectory(prefix="waypost-demo-") as name, ExitStack() as running:
            url = start(Path(name), running)
            database = Path(name) / "waypost.db"
            tell(url, database)
            wait_for_the_end(lambda: show_tampering(database, url))
            say("stopping …")
    except ServerStartError as error:
        first, *log = str(error).splitlines()
        raise CommandError(f"{first} {log[-1].strip() if log else ''}".strip(), UNREACHABLE) from None
    say("nothing is left running")
    return 0


def start(folder: Path, running: ExitStack) -> str:
    """Start and fill the servers, start the gateway, read everything; returns the gateway's address.

    What was started ends with `running`. Errors: `ServerStartError`, `CommandError`.
    """
    told = ", ".join(one.title for one in STORES)
    with steps() as step:
        finish = step(f"starting {len(REGISTRIES)} MLflow servers, two clouds' emulators, {told}")
        clouds = {one.name: running.enter_context(cloud_server(one, folder)) for one in CLOUDS}
        folders = {one.name: folder / one.name for one in REGISTRIES}
        # They open their databases at the first request, so these are made while the servers import all of MLflow.
        teams = {name: running.enter_context(mlflow_server(its, wait=False)) for name, its in folders.items()}
        prepare(folders)
        servers = clouds | teams
        stores = {one.name: running.enter_context(one.open(folder / one.name)) for one in STORES}
        finish()
        with_models = sum(len(registry.models) + len(registry.prompts) for registry in REGISTRIES)
        finish = step(f"registering {with_models} models by MLflow's own client")
        done = fill(folders, finish)
        for one in servers.values():
            one.wait()
        urls = {name: one.url for name, one in teams.items()}
        train(urls, done, finish)
        finish()
        finish = step("starting the gateway")
        gateway = running.enter_context(
            gateway_server(folder, urls, {name: servers[name].port for name in clouds}, stores)
        )
        finish()
    running.callback(end_all, gateway, *servers.values())
    with remote(gateway.url) as api:
        runs = {name: api.ask("POST", f"/registries/{name}/sync") for name in attached(api)}
        follow(api, runs)
        for edge in (*DECLARED, *(edge for one in STORES for edge in one.declared)):
            api.ask("POST", "/dependencies", body=dict(edge))
        known = api.get("/registries")["registries"]
    models, versions = (sum(one[what] for one in known) for what in ("models", "versions"))
    say(
        f"read {counted(models, 'model')} and {counted(versions, 'version')} of {counted(len(known), 'team')}"
    )
    return gateway.url


def end_all(*servers: Server) -> None:
    """Tell all of them to end, so that none waits for another."""
    for one in servers:
        one.end()


@contextmanager
def gateway_server(
    folder: Path, urls: Mapping[str, str], ports: Mapping[str, int], stores: Mapping[str, str]
) -> Iterator[Server]:
    """The gateway on a free port, in front of MLflow at these addresses, clouds at these ports, and stores with
    these tables `config`.
    """
    with reserved_port() as port:
        file = folder / "waypost.toml"
        file.write_text(configuration(port, urls, ports, stores))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
        with server(
            "Waypost",
            program("gateway", "serve", "--config", str(file)),
            port=port,
            log=folder / "waypost.log",
            ready=lambda: answers(f"http://127.0.0.1:{port}/health/ready"),
            environment=inherited | CREDENTIALS,
            grace=15.0,
        ) as running:
            yield running


def configuration(
    port: int,
    urls: Mapping[str, str],
    ports: Mapping[str, int],
    stores: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The demo's `waypost.toml`."""
    parts = [f'[server]\nport = {port}\n\n[database]\nurl = "sqlite:///waypost.db"\n']
    parts += [
        f'[[registries]]\nname = "{one.name}"\nkind = "mlflow"\nteam = "{one.team}"\nsync_every = {SYNC_EVERY}\n'
        f'writable = true\nconfig = {{ url = "{urls[one.name]}" }}\n'
        for one in REGISTRIES
        if one.name in urls
    ]
    parts += [one.table(ports[one.name], SYNC_EVERY) for one in CLOUDS if one.name in ports]
    parts += [one.table(stores[one.name], SYNC_EVERY) for one in STORES if one.name in stores]
    return "\n".join(parts)


@contextmanager
def steps() -> Iterator[Callable[[str], Callable[..., None]]]:
    """Steps shown on standard error: each begins with its name and returns what tells its progress and end."""
    screen = console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="✓"), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
        MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:

        def begin(what: str) -> Callable[..., None]:
            if not screen.is_terminal:
                say(what)
            task = progress.add_task(what, total=None)

            def tell(done: int = 1, total: int = 1) -> None:
                progress.update(task, completed=done, total=total)

            return tell

        yield begin


def tell(url: str, database: Path) -> None:
    """The address, and what to try, on standard output."""
    here = shutil.which("waypost")
    ours = Path(sys.executable).with_name("waypost")
    program = "waypost" if here and Path(here).resolve() == ours.resolve() else short(ours)
    lines = ["", f"Waypost answers at {url}  (API: {url}/docs)", "", "Try in another terminal:", ""]
    for what, command in TRY:
        lines += [f"  # {what}", f"  {program} {command} --url {url}", ""]
    lines += ["Change something with MLflow's own client and search again after five seconds.", ""]
    here_too = f"{short(Path(sys.executable))} -m gateway.demo.tamper {database} {url}"
    offer = "press Enter here" if sys.stdin.isatty() else "run this in another terminal"
    lines += [f"Change one row of the audit log behind the gateway's back and watch verify name it: {offer}"]
    lines += [f"  {here_too}", "", "Ctrl-C ends everything."]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def short(path: Path) -> str:
    """A path relative to the working folder where it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def show_tampering(database: Path, url: str) -> None:
    """Change a row of the audit log, and show what the verifier says."""
    try:
        tamper(database, url, emit)
    except CommandError as error:
        say(str(error))


def wait_for_the_end(on_enter: Callable[[], None]) -> None:
    """Until Ctrl-C or SIGTERM; at a terminal, Enter is answered."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    listens = sys.stdin.isatty()
    while not ended.wait(0.0 if listens else 1.0):
        if listens and select.select([sys.stdin], [], [], 0.5)[0]:
            if not sys.stdin.readline():
                listens = False
            else:
                on_enter()
