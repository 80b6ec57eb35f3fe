"""`waypost watch`, `changes` and `inbox`: what changes, as it changes and as it has changed."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from gateway.characters import inert
from gateway.cli.asked import Gateway, strangers_in
from gateway.cli.client import connect, get
from gateway.cli.completion import selectors
from gateway.cli.failure import NO, OK, UNREACHABLE, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import as_json, emit_json, emit_line, emit_table, say, when

Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="only events of this type, or noun, such as stage; repeatable"),
]
On = Annotated[
    str,
    typer.Option(help="only of team:NAME, registry:NAME, a model, or search:QUERY", autocompletion=selectors),
]
LOOK_EVERY = 1.0
PAUSE = 5.0
"""Seconds after which a gateway that did not answer is asked again."""
AT_ONCE = 100


def watch(
    context: typer.Context,
    kinds: Types = None,
    on: On = "",
    after: Annotated[
        str, typer.Option(help="go on behind the event with this id; else what comes from now on")
    ] = "",
    command: Annotated[
        str,
        typer.Option(
            "--exec",
            help="run this for each event, which it is given as JSON; the watch ends where it fails",
        ),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="end when there is nothing more")] = False,
) -> int:
    """Show what changes as it changes, or run a command for each event; --json prints CloudEvents, one a line."""
    words, asked = _words(command), {"type": list(kinds or ()), "on": on, "limit": AT_ONCE}
    with connect(context.obj) as gateway:
        reached = gateway.get("/events", **asked, after=after or "newest")
        say(*strangers_in(gateway, on, " yet"))
        while True:
            for event in reached["events"]:
                if words and _run(words, event) != OK:
                    say(f"{words[0]} failed at {_said(event)}; go on with it: {_again(after)}")
                    return NO
                after = event["id"]
                _show(event, as_json=context.obj.json)
            after = reached["next_after"] or ""
            if not reached["events"]:
                if once:
                    say(f"nothing more; go on later: {_again(after)}")
                    return OK
                time.sleep(LOOK_EVERY)
            reached = _asked(gateway, {**asked, "after": after})


def _asked(gateway: Gateway, asked: Mapping[str, Any]) -> Any:
    """The next events, from a gateway that answered before: where it is started again, that is waited for."""
    while True:
        try:
            return gateway.get("/events", **asked)
        except CommandError as error:
            if error.code != UNREACHABLE:
                raise
            say(f"{error}: trying again")
            time.sleep(PAUSE)


def _again(after: str) -> str:
    return f"`waypost watch --after {after}`" if after else "`waypost watch`"


def _words(command: str) -> list[str]:
    """The words of a command. Errors: `CommandError`."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise CommandError(f"--exec cannot be read as a command: {error}") from None


def _run(words: list[str], event: Mapping[str, Any]) -> int:
    """Run a command for an event, which it is given on standard input and, in part, in its environment."""
    told = {"TYPE": event["type"], "ID": event["id"], "SUBJECT": event.get("subject", "")}
    environment = {**os.environ, **{f"WAYPOST_EVENT_{name}": text for name, text in told.items()}}
    try:
        return subprocess.run(
            words, input=msgspec.json.encode(event), env=environment, check=False
        ).returncode
    except OSError as error:
        raise CommandError(f"--exec: {words[0]} cannot be run: {error.strerror}") from None


def _show(event: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_line(msgspec.json.encode(event).decode())
        return
    emit_line(f"{when(event['time'])}  {event['type'].removeprefix('waypost.')}  {_said(event)}")


def _said(event: Mapping[str, Any]) -> str:
    """What an event says, in a line."""
    data = event["data"]
    change = (
        f": {data.get('before') or 'nothing'} → {data.get('after') or 'nothing'}" if "after" in data else ""
    )
    fields = f" ({', '.join(data['fields'])})" if data.get("fields") else ""
    return inert(f"{event.get('subject', '')}{change}{fields}")


def changes(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="a time, today, yesterday or week, in UTC")] = "",
    kinds: Types = None,
    on: On = "",
    csv: Annotated[bool, typer.Option("--csv", help="everything as CSV")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="rows on a page")] = 100,
    cursor: Annotated[str, typer.Option(help="go on where a page ended")] = "",
) -> None:
    """What changed in the registries, the newest first."""
    asked = {"type": list(kinds or ()), "on": on, "since": since}
    with connect(context.obj) as gateway:
        if csv:
            sys.stdout.write(gateway.text("/changes", **asked, format="csv"))
            return
        found = gateway.get("/changes", **asked, limit=limit, cursor=cursor)
        unseen = [] if found["changes"] else list(strangers_in(gateway, on))
    _list(context.obj, found, *unseen)


inbox = typer.Typer(help="What you watch, and what came of it.", invoke_without_command=True)


@inbox.callback()
def read_inbox(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=200, help="rows on a page")] = 50,
    cursor: Annotated[str, typer.Option(help="go on where a page ended")] = "",
) -> None:
    """What changed of what you watch, and of what that needs, the newest first."""
    if context.invoked_subcommand is not None:
        return
    _list(context.obj, get(context.obj, "/inbox", limit=limit, cursor=cursor))


@inbox.command("watching")
def watching(context: typer.Context) -> None:
    """What you watch."""
    found = get(context.obj, "/watches")
    if as_json(context.obj, found):
        return
    emit_table(
        ("ID", "ON", "SINCE"), [(one["id"], one["on"], when(one["created_at"])) for one in found["watches"]]
    )
    if not found["watches"]:
        say("you watch nothing: `waypost inbox add team:NAME`, or a model, begins")


@inbox.command("add")
def add_watch(
    context: typer.Context,
    on: Annotated[
        str,
        typer.Argument(help="team:NAME, registry:NAME, a model or search:QUERY", autocompletion=selectors),
    ],
) -> None:
    """Watch something."""
    with connect(context.obj) as gateway:
        found = gateway.ask("POST", "/watches", body={"on": on})
        unseen = list(strangers_in(gateway, on, " yet"))
    if context.obj.json:
        emit_json(found)
    say(f"you watch {found['on']}; `waypost inbox` shows what comes of it", *unseen)


@inbox.command("remove")
def remove_watch(
    context: typer.Context, on: Annotated[str, typer.Argument(help="its id, or what you watch")]
) -> None:
    """Watch something no longer."""
    with connect(context.obj) as gateway:
        known = [one for one in gateway.get("/watches")["watches"] if on in (str(one["id"]), one["on"])]
        if not known:
            raise CommandError(f"you do not watch {on}: `waypost inbox watching` lists what you do")
        gateway.ask("DELETE", f"/watches/{known[0]['id']}")
    say(f"you watch {on} no longer")


def _list(invocation: Invocation, found: Mapping[str, Any], *unseen: str) -> None:
    if as_json(invocation, found):
        return
    rows = [
        (when(one["time"]), one["type"], one["subject"], one["before"], one["after"], one["fields"])
        for one in found["changes"]
    ]
    emit_table(("WHEN", "WHAT", "OF", "BEFORE", "AFTER", "FIELDS"), rows)
    if not rows:
        say("nothing changed", *unseen)
    if found["next_cursor"]:
        say(f"more: --cursor {found['next_cursor']}")
