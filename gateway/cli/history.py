"""`waypost production`: everything that was in production then."""

import sys
from typing import Annotated, Literal

import typer

from gateway.cli.asked import strangers
from gateway.cli.client import connect
from gateway.cli.completion import registries, teams
from gateway.cli.models import AsOf, moment
from gateway.cli.screen import as_json, emit_table, say


def production(
    context: typer.Context,
    as_of: AsOf = "",
    stage: Annotated[
        Literal["production", "staging", "archived"], typer.Option(help="what was held")
    ] = "production",
    registry: Annotated[str, typer.Option(help="of this registry only", autocompletion=registries)] = "",
    team: Annotated[str, typer.Option(help="of this team's registries only", autocompletion=teams)] = "",
    csv: Annotated[bool, typer.Option("--csv", help="everything as CSV")] = False,
) -> None:
    """Everything that was in production then, in every registry; since and until as intervals, in UTC."""
    asked = {"as_of": as_of, "stage": stage, "registry": registry, "team": team}
    with connect(context.obj) as gateway:
        if csv:
            sys.stdout.write(gateway.text("/production", **asked, format="csv"))
            return
        found = gateway.get("/production", **asked)
        unseen = [] if found["versions"] else list(strangers(gateway, registry=registry, team=team))
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["ref"], one["team"], one["owner"], moment(one["began_after"], one["began_by"]),
            moment(one["ended_after"], one["ended_by"]) or "now", one["began_actor_name"],
            "" if one["certain"] else "perhaps",
        )
        for one in found["versions"]
    ]  # fmt: skip
    emit_table(("VERSION", "TEAM", "OWNER", "SINCE", "UNTIL", "BY", ""), rows)
    if not rows:
        say(f"nothing is known to have been in {stage}" + (" then" if as_of else ""), *unseen)
    if found["next_cursor"]:
        say("there are more: --csv writes all of them")
