"""`waypost principals`, `waypost sessions`: who is known here, who is signed in, and keeping somebody out."""

from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.client import ask, connect, get
from gateway.cli.failure import CommandError
from gateway.cli.screen import ago, as_json, emit_json, emit_table, say, when

principals = typer.Typer(
    help="People and services: who is known, and locking somebody out.", no_args_is_help=True
)
sessions = typer.Typer(help="Signed-in browsers: whose they are, and ending them.", no_args_is_help=True)
Who = Annotated[str, typer.Argument(help="an id as in the list, subject:SUBJECT or token:NAME")]


@principals.command("list")
def list_principals(context: typer.Context) -> None:
    """Everybody who was seen here, with the groups that the identity provider named last."""
    found = get(context.obj, "/principals")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["id"],
            one["who"],
            one["name"],
            "disabled" if one["disabled_at"] else "ok",
            one["sessions"],
            _groups(one),
            ago(one["said_at"]) if one["said_at"] else "",
            one["remark"],
        )
        for one in found["principals"]
    ]
    emit_table(("ID", "WHO", "NAME", "STATE", "SESSIONS", "GROUPS", "SAID", "REMARK"), rows)


@principals.command("disable")
def disable(context: typer.Context, who: Who) -> None:
    """Lock somebody out, within 5 seconds everywhere: sessions end, tokens stop, signing in is refused."""
    found = ask(context.obj, "POST", f"/principals/{quote(who, safe='')}/disable")
    if context.obj.json:
        emit_json(found)
    say(f"{who} is disabled, {found['ended']} sessions were ended")


@principals.command("enable")
def enable(context: typer.Context, who: Who) -> None:
    """Let somebody in again."""
    ask(context.obj, "POST", f"/principals/{quote(who, safe='')}/enable")
    say(f"{who} is enabled")


@sessions.command("list")
def list_sessions(context: typer.Context) -> None:
    """The sessions that stand: yours, or everybody's for who may give roles on everything."""
    found = get(context.obj, "/sessions")
    if as_json(context.obj, found):
        return
    rows = [
        (one["id"], one["name"], one["principal"], one["by"], ago(one["created_at"]), when(one["expires_at"]))
        for one in found["sessions"]
    ]
    emit_table(("ID", "WHO", "PRINCIPAL", "BEGUN WITH", "BEGUN", "ENDS"), rows)
    if not rows:
        say("nobody is signed in")


@sessions.command("end")
def end(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="a session's id, as in the list")] = "",
    of: Annotated[
        str, typer.Option(help="end all of this person or token: its id, subject:… or token:…")
    ] = "",
) -> None:
    """End a session, or all of somebody, within 5 seconds everywhere."""
    if bool(session) == bool(of):
        raise CommandError("say which session, or whose with --of")
    with connect(context.obj) as gateway:
        if session:
            gateway.ask("DELETE", f"/sessions/{quote(session, safe='')}")
            say(f"{session} is ended")
            return
        found = gateway.ask("DELETE", f"/principals/{quote(of, safe='')}/sessions")
    if context.obj.json:
        emit_json(found)
    say(f"{found['ended']} sessions of {of} were ended")


def _groups(one: dict[str, object]) -> str:
    groups = one["groups"]
    if isinstance(groups, list):
        return f"{len(groups)}"
    return "not known" if one["said_at"] else ""
