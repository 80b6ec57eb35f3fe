"""`waypost registries`: how they stand, whether they answer, and what the file says of them."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import connect, get, only_here
from gateway.cli.completion import registries
from gateway.cli.consent import Yes, consent
from gateway.cli.failure import OK, CommandError, explain
from gateway.cli.invocation import Invocation
from gateway.cli.screen import ago, as_json, counted, emit_fields, emit_json, emit_line, emit_table, say

app = typer.Typer(help="The registries: how they stand, whether they answer.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="the registry's name", autocompletion=registries)]


@app.command("list")
def list_registries(context: typer.Context) -> None:
    """Every registry with its state and how fresh it is."""
    found = get(context.obj, "/registries")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["name"],
            one["kind"],
            one["team"],
            one["state"],
            one["models"],
            one["versions"],
            ago(one["last_success_at"]),
        )
        for one in found["registries"]
    ]
    emit_table(("REGISTRY", "KIND", "TEAM", "STATE", "MODELS", "VERSIONS", "SYNCHRONISED"), rows)
    for one in found["registries"]:
        _remark(one)
    if not rows:
        say("no registry is configured: `waypost init` writes a first one")


def _remark(one: Mapping[str, Any]) -> None:
    if one["last_error"]:
        say(one["last_error"])
    for missing in one["missing"]:
        say(f"{one['name']}: {missing}")
    for overlap in one.get("overlaps", ()):
        say(overlap["says"])
    if one["held"]:
        say(
            f"{one['name']}: {counted(one['held'], 'delete')} held: `waypost registries confirm {one['name']}` "
            "when they are really gone"
        )


@app.command("test")
def test(context: typer.Context, name: Name) -> int:
    """Ask a configured registry's backend who it is, before anything is saved. Exit code 3 when it does not answer."""
    invocation = only_here(context.obj, "a registry is tested from the configuration file")
    found = probe(invocation, name)
    if not as_json(invocation, found):
        error = found.pop("error")
        missing = found.pop("missing")
        emit_fields(found)
        for line in missing:
            emit_line(f"missing: {line}")
        if error:
            say(error)
    return int(found["code"]) if "code" in found else OK


@app.command()
def apply(context: typer.Context) -> None:
    """Bring registries, policies and who is who in line with the configuration file."""
    invocation = only_here(context.obj, "the file is applied beside the gateway's database")
    from federation import schema
    from gateway.cli.local import configured

    waypost = configured(invocation)
    try:
        schema.require(waypost.engine)
        lines = [*waypost.apply_registries(), *waypost.apply_policies()]
        waypost.wake.tell("worker", everywhere=True)
    finally:
        waypost.close()
    if as_json(invocation, lines):
        return
    for line in lines:
        emit_line(line)
    if not lines:
        say("nothing to change")


@app.command()
def confirm(
    context: typer.Context,
    name: Name,
    identity: Annotated[
        bool,
        typer.Option("--identity", help="it is the same backend, moved or restored; its history goes on"),
    ] = False,
) -> None:
    """Believe that what is missing was deleted: the next run proves each delete and takes it over. With --identity,
    that a backend which says it is another one is the same as before.
    """
    invocation: Invocation = context.obj
    with connect(invocation) as gateway:
        if identity:
            confirm_identity(gateway, name, json=invocation.json)
            return
        found = gateway.ask("POST", f"/registries/{quote(name, safe='')}/confirm")
    if not as_json(invocation, found):
        emit_line(f"{counted(found['confirmed'], 'delete')} confirmed")


def confirm_identity(gateway: Gateway, name: str, *, json: bool) -> None:
    """Confirm the identity that the registry's backend shows now."""
    path = f"/registries/{quote(name, safe='')}"
    offered = gateway.get(path)["offered_identity"]
    if offered is None:
        raise CommandError(
            f"{name}: no other backend than the known one has answered: there is nothing to confirm"
        )
    found = gateway.ask("PUT", f"{path}/identity", body={"identity": offered})
    if json:
        emit_json(found)
    else:
        emit_line(f"{name} is {offered} from now on; a full sync is queued")


@app.command()
def forget(
    context: typer.Context,
    name: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="forget nothing: show what would go")] = False,
    yes: Yes = False,
) -> None:
    """Remove a detached registry and everything known of it but its journal entries."""
    path = f"/registries/{quote(name, safe='')}/forget"
    with connect(context.obj) as gateway:
        if dry_run:
            found = gateway.ask("POST", path, query={"dry_run": True})
            if not as_json(context.obj, found):
                emit_line(_forgotten(found))
            return
        consent(
            f"forget {name} and everything known of it?",
            yes=yes,
            show=lambda: say(_forgotten(gateway.ask("POST", path, query={"dry_run": True}))),
        )
        gateway.ask("POST", path)
    say(f"{name} is forgotten")


def _forgotten(found: Mapping[str, Any]) -> str:
    gone = (counted(found[one], one[:-1]) for one in ("models", "versions", "endpoints"))
    needing = [f"{counted(number, 'version')} of {name}" for name, number in found["needed_by"].items()]
    return f"would go: {', '.join(gone)}; needed by {', '.join(needing) or 'nothing else'}"


def probe(invocation: Invocation, name: str) -> dict[str, Any]:
    """What the backend of a configured registry says of itself, or why it does not."""
    from gateway.cli.local import configured

    waypost = configured(invocation)
    spec = spec_of(waypost, name)
    waypost.registries.check(spec)
    return probe_spec(waypost, spec)


def spec_of(waypost: Any, name: str) -> Any:
    """A registry of the configuration file. Errors: `CommandError`."""
    specs = {one.name: one.spec() for one in waypost.settings.registries}
    if name not in specs:
        known = ", ".join(specs) or "none"
        raise CommandError(f"no registry {name} in the configuration: it has {known}")
    return specs[name]


def probe_spec(waypost: Any, spec: Any) -> dict[str, Any]:
    """The same for a registry that may not be in any file yet. `code` is there where it failed."""
    from adapters import AdapterError

    found: dict[str, Any] = {"registry": spec.name, "kind": spec.kind}
    try:
        probed = waypost.registries.probe(spec)
    except AdapterError as error:
        line, code = explain(error)
        return {**found, "missing": [], "error": line, "code": code}
    return {
        **found,
        "version": probed.info.version,
        "identity": probed.info.identity,
        "answered in": f"{probed.seconds:.2f} s",
        "missing": list(probed.info.missing),
        "error": None,
    }
