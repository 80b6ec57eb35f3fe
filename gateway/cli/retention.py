"""`waypost retention`: what rules archive and delete, and doing it."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import connect
from gateway.cli.completion import models
from gateway.cli.consent import Yes, consent
from gateway.cli.failure import NO, OK
from gateway.cli.operations import Wait, outcomes, worked
from gateway.cli.promotions import settled
from gateway.cli.screen import as_json, counted, emit_json, emit_table, say

AT_ONCE = 500
"""Versions of one request."""
Under = Annotated[str, typer.Argument(help="a registry or a model; else everything", autocompletion=models)]

app = typer.Typer(
    help="What the rules of retention archive and delete, and why all else is kept.", no_args_is_help=True
)


@app.command()
def plan(
    context: typer.Context,
    under: Under = "",
    whole: Annotated[bool, typer.Option("--all", help="also what is kept, with the reasons")] = False,
) -> None:
    """What would be archived and deleted."""
    with connect(context.obj) as gateway:
        found = list(_planned(gateway, under))
        rules = gateway.get("/retention", under=under, limit=1)["rules"]
    due = [one for one in found if one["does"] != "keep"]
    if as_json(context.obj, found if whole else due):
        return
    shown = found if whole else due
    if shown:
        rows = [
            (one["ref"], one["stage"], one["does"], one["rule"] or "; ".join(one["why"])) for one in shown
        ]
        emit_table(("VERSION", "STAGE", "", "BECAUSE"), rows)
    for one in rules:
        say(f"for {one['about']}: {'; '.join(one['says'])}")
    say(f"{counted(len(found), 'version')} under a rule, {len(due)} of them due")


@app.command()
def apply(context: typer.Context, under: Under = "", wait: Wait = True, yes: Yes = False) -> int:
    """Archive and delete what is due: archiving is a promotion, under its policies. Exit code 1 when one is refused."""
    done: list[Any] = []
    with connect(context.obj) as gateway, worked(gateway, wait=wait):
        due = [one for one in _planned(gateway, under) if one["does"] != "keep"]
        gone = [one["ref"] for one in due if one["does"] == "delete"]
        consent(
            f"delete {counted(len(gone), 'version')}?",
            yes=yes or not gone,
            show=lambda: say(f"would be deleted: {', '.join(gone)}"),
        )
        for begin in range(0, len(due), AT_ONCE):
            chosen = [{"ref": one["ref"], "does": one["does"]} for one in due[begin : begin + AT_ONCE]]
            done += gateway.ask("POST", "/retention", body={"versions": chosen})["versions"]
        for one in done if wait else ():
            one["state"] = _end(gateway, one)
    if context.obj.json:
        emit_json(done)
    elif done:
        emit_table(("VERSION", "", "BECAME"), [(one["ref"], one["does"], _became(one)) for one in done])
    refused = [
        one for one in done if one["refused"] or one.get("state") not in (None, "done", "ok", "waiting")
    ]
    say(f"{len(done)} versions due, {len(refused)} of them refused or not done")
    return NO if refused else OK


def _planned(gateway: Gateway, under: str) -> Iterator[Any]:
    cursor: str | None = ""
    while cursor is not None:
        page = gateway.get("/retention", under=under, limit=AT_ONCE, cursor=cursor)
        yield from page["versions"]
        cursor = page["next_cursor"]


def _end(gateway: Gateway, one: Any) -> str | None:
    """The state that what was asked for has come to, or waits for people in."""
    if one["promotion"]:
        return str(settled(gateway, gateway.get(f"/promotions/{one['promotion']}"))["state"])
    if one["operation"]:
        *_, last = outcomes(gateway, gateway.get(f"/operations/{one['operation']}"), wait=True)
        return str(last["state"])
    return None


def _became(one: Any) -> str:
    if one["refused"]:
        return str(one["refused"])
    made = f"promotion {one['promotion']}" if one["promotion"] else f"operation {one['operation']}"
    return f"{made}: {one['state']}" if one.get("state") else made
