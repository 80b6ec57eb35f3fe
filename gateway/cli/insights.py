"""`waypost insights`, `bom` and `dependencies`: top lists, bills of materials, and edges that people declare."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.client import ask, connect, get, of_reference, tell_where_unknown
from gateway.cli.completion import insights as insight_names
from gateway.cli.completion import references
from gateway.cli.graph import Cursor, Depth, Limit
from gateway.cli.models import Ref
from gateway.cli.screen import as_json, emit_line, emit_table, emit_text, say, when

dependencies = typer.Typer(
    help="Edges that no backend can say: declare, list, take back.", no_args_is_help=True
)


class Kind(StrEnum):
    """What a declared edge says."""

    DEPENDS_ON = "depends_on"
    DERIVED_FROM = "derived_from"


def insights(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="which list; none: what lists there are", autocompletion=insight_names)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="lines")] = 20,
    cursor: Cursor = "",
    csv: Annotated[bool, typer.Option("--csv", help="as CSV")] = False,
) -> None:
    """Top lists over the graph: most depended on, deepest chains, orphans, findings and others."""
    with connect(context.obj) as gateway:
        path = f"/insights/{of_reference(name)}" if name else "/insights"
        if csv and name:
            emit_text(gateway.text(path, limit=limit, cursor=cursor, format="csv"))
            return
        found = gateway.get(path, limit=limit if name else None, cursor=cursor)
    if as_json(context.obj, found):
        return
    if not name:
        emit_table(("LIST", "SHOWS"), [(one["name"], one["explains"]) for one in found["insights"]])
        return
    emit_line(f"{found['total']:,} {found['name']}: {found['explains']}")
    rows = [
        (one["value"], one["ref"], one["stage"], one["team"], one["detail"], one["refs"])
        for one in found["items"]
    ]
    emit_table(("VALUE", "REF", "STAGE", "TEAM", "DETAIL", "REFS"), rows)
    if found["next_cursor"]:
        say(f"more: --cursor {found['next_cursor']}")


def bom(
    context: typer.Context,
    ref: Ref,
    depth: Depth = None,
    output: Annotated[Path | None, typer.Option(help="write it to this file")] = None,
    spec: Annotated[Literal["1.6", "1.7"], typer.Option(help="the version of CycloneDX")] = "1.6",
) -> None:
    """The bill of materials of a version with everything upstream, as CycloneDX JSON (ML-BOM)."""
    with connect(context.obj) as gateway:
        found = gateway.text(f"/bom/{of_reference(ref)}", depth=depth, spec=spec)
    if output is None:
        emit_text(found + "\n")
        return
    output.write_text(found + "\n", encoding="utf-8")
    say(f"written: {output}")


@dependencies.command("declare")
def declare(
    context: typer.Context,
    consumer: Annotated[
        str, typer.Argument(help="the version that needs the other", autocompletion=references)
    ],
    provider: Annotated[
        str,
        typer.Argument(help="what it needs: a version, alias, stage or model", autocompletion=references),
    ],
    kind: Annotated[Kind, typer.Option(help="what the edge says")] = Kind.DEPENDS_ON,
    note: Annotated[str, typer.Option(help="why, for people")] = "",
) -> None:
    """Declare that one version needs another."""
    body = {"consumer": consumer, "provider": provider, "kind": kind.value, "note": note}
    with connect(context.obj) as gateway:
        made = gateway.ask("POST", "/dependencies", body=body)
        for reference in (made["consumer"], made["provider"]):
            tell_where_unknown(gateway, reference)
    if not as_json(context.obj, made):
        emit_line(f"{made['id']}: {made['consumer']} {made['kind']} {made['provider']}")


@dependencies.command("list")
def show(context: typer.Context, limit: Limit = 50, cursor: Cursor = "") -> None:
    """The declared edges that stand, oldest first."""
    found = get(context.obj, "/dependencies", limit=limit, cursor=cursor)
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["id"],
            one["consumer"],
            one["kind"],
            one["provider"],
            when(one["created_at"]),
            one["said_by_name"],
            one["note"],
        )
        for one in found["dependencies"]
    ]
    emit_table(("ID", "CONSUMER", "KIND", "PROVIDER", "SINCE", "BY", "NOTE"), rows)
    if found["next_cursor"]:
        say(f"more: --cursor {found['next_cursor']}")


@dependencies.command("withdraw")
def withdraw(
    context: typer.Context, dependency: Annotated[int, typer.Argument(help="the id of the edge")]
) -> None:
    """Take a declared edge back."""
    ask(context.obj, "DELETE", f"/dependencies/{dependency}")
    say(f"taken back: {dependency}")
