"""`waypost watch`: what changes, as it changes, for people and for scripts."""

import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import connect
from gateway.cli.failure import NO, OK, UNREACHABLE, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import emit_line, inert, say, when

Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="only events of this type, or noun, such as stage; repeatable"),
]
On = Annotated[str, typer.Option(help="only of team:NAME, registry:NAME, or a model")]
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
    invocation: Invocation = context.obj
    words, asked = _words(command), {"type": list(kinds or ()), "on": on, "limit": AT_ONCE}
    with connect(invocation) as gateway:
        reached = gateway.get("/events", **asked, after=after or "newest")
        while True:
            for event in reached["events"]:
                if words and _run(words, event) != OK:
                    say(f"{words[0]} failed at {_said(event)}; go on with it: {_again(after)}")
                    return NO
                after = event["id"]
                _show(event, as_json=invocation.json)
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
    return f"waypost watch --after {after}" if after else "waypost watch"


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
