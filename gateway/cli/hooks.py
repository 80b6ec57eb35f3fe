"""`waypost hooks`: backends that announce what changes."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import get, only_here
from gateway.cli.failure import CommandError
from gateway.cli.screen import ago, as_json, emit_line, emit_table, say

app = typer.Typer(help="Backends that announce what changes.", no_args_is_help=True)
COLUMNS = ("REGISTRY", "LAST", "TAKEN", "MISSED", "WAITING")


@app.command("list")
def list_hooks(context: typer.Context) -> None:
    """What each registry has announced, and what runs found that it had not."""
    found = get(context.obj, "/hooks")
    if as_json(context.obj, found):
        return
    rows = [
        (one["registry"], ago(one["last_at"]), one["taken"], one["missed"], one["waiting"])
        for one in found["hooks"]
    ]
    emit_table(COLUMNS, rows)
    if not rows:
        say("nothing was announced yet: `waypost hooks add NAME` has a registry's backend do so")


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="the registry's name")],
    address: Annotated[
        str,
        typer.Option(
            help="where the backend reaches this gateway; else server.public_url, else where it listens"
        ),
    ] = "",
) -> None:
    """Have a registry's backend announce what changes, with what its configuration says proves it, and nothing else.
    What the registry's credentials may not do, an administrator of the backend does; the error says what.
    """
    invocation = only_here(context.obj, "a hook is added from the configuration file")
    from gateway.cli.local import configured
    from gateway.cli.registries import spec_of

    waypost = configured(invocation)
    line = waypost.registries.subscribe(
        spec_of(waypost, name), f"{address.rstrip('/') or _reached(waypost)}/hooks/{quote(name, safe='')}"
    )
    if not as_json(invocation, {"registry": name, "done": line}):
        emit_line(line)


def _reached(waypost: Any) -> str:
    """Where this gateway is reached, as far as the configuration says. Errors: `CommandError`."""
    from gateway.door.origin import ANY

    server = waypost.settings.server
    if server.public_url:
        return str(server.public_url)
    if server.host in ANY or not server.port:
        raise CommandError(
            "nobody said where the backend reaches this gateway: set server.public_url, or --address"
        )
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"
