"""`waypost team`: what a team has to look at."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.asked import strangers
from gateway.cli.client import connect
from gateway.cli.completion import among, teams
from gateway.cli.failure import CommandError
from gateway.cli.screen import as_json, emit_line, emit_table, emit_text, say, when

LISTS = (
    "changed",
    "production",
    "without-owner",
    "without-card",
    "without-lineage",
    "stale",
    "waiting",
    "failing",
)
"""As in `gateway.team`, which brings the database along."""


def team(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="the team; none: yours, or every team that you see", metavar="TEAM", autocompletion=teams
        ),
    ] = "",
    which: Annotated[
        str,
        typer.Option(
            "--list",
            help=f"one list alone: {', '.join(LISTS[:-1])} or {LISTS[-1]}",
            autocompletion=among(LISTS),
        ),
    ] = "",
    csv: Annotated[bool, typer.Option("--csv", help="all rows of that list as CSV")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="rows of each list")] = 5,
) -> None:
    """What a team has to look at: in production, changed since yesterday, waiting, failing, and what is missing."""
    if csv and not which:
        raise CommandError("say of which list with --list, such as --list without-owner")
    path = f"/team/{quote(which, safe='')}" if which else "/team"
    with connect(context.obj) as gateway:
        if csv:
            emit_text(gateway.text(path, team=name, format="csv"))
            return
        found = gateway.get(path, team=name, limit=limit)
        is_seen = found.get("rows") or name in found.get("teams", ())
        unseen = [] if is_seen else list(strangers(gateway, team=name))
    if as_json(context.obj, found):
        return
    say(*unseen)
    for one in [found] if which else found["lists"]:
        _print(one)


def _print(one: Mapping[str, Any]) -> None:
    count = "more than are shown" if one["total"] is None else f"{one['total']:,}"
    emit_line(f"{one['title']}: {count} (--list {one['name']})")
    if one["rows"]:
        rows = [
            (row["ref"], row["state"], row["team"], row["owner"], when(row["time"]), row["detail"])
            for row in one["rows"]
        ]
        emit_table(("OF", "STATE", "TEAM", "OWNER", "WHEN", ""), rows)
    if one["query"]:
        say(f"the same: `waypost search '{one['query']}' --strict --group version`")
    emit_line("")
