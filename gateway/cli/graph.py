"""`waypost deps` and `impact`: what a version is made from, and what breaks if it is touched."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.characters import inert
from gateway.cli.client import connect, of_reference, tell_where_unknown
from gateway.cli.completion import models, references
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.models import Ref, check_day
from gateway.cli.screen import (
    STYLES,
    as_json,
    console,
    counted,
    emit_json,
    emit_line,
    emit_table,
    emit_text,
    say,
)

if TYPE_CHECKING:
    from rich.tree import Tree

Depth = Annotated[int | None, typer.Option(min=1, max=1000, help="at most so many steps away")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="rows on a page")]
Cursor = Annotated[str, typer.Option(help="go on where a page ended")]
GRAVER = {"live": 3, "production": 2, "staging": 1, "other": 0, "none": -1}
FOLD_ABOVE = 20
"""More affected versions than this are folded by team."""
SHOWN_PER_TEAM = 3


class Export(StrEnum):
    """A form in which the graph is written for other programs."""

    CSV = "csv"
    DOT = "dot"
    SVG = "svg"


Form = Annotated[
    Export | None, typer.Option("--format", help="the whole as csv, or drawn (at most 200) as dot or svg")
]


class ImpactAction(StrEnum):
    """What is to be done to the version."""

    ARCHIVE = "archive"
    DELETE = "delete"
    MOVE_ALIAS = "move-alias"
    CHANGE = "change"


class Gate(StrEnum):
    """What fails a gate."""

    LIVE = "live"
    PRODUCTION = "production"
    STAGING = "staging"
    ANY = "any"


def deps(
    context: typer.Context,
    ref: Ref,
    depth: Depth = None,
    limit: Limit = 50,
    cursor: Cursor = "",
    form: Form = None,
) -> None:
    """What a version is made from or needs, nearest first."""
    path = f"/dependencies/{of_reference(ref)}"
    with connect(context.obj) as gateway:
        if form is not None:
            emit_text(gateway.text(path, depth=depth, format=form.value))
            return
        found = gateway.get(path, depth=depth, limit=limit, cursor=cursor)
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["distance"], one["ref"], one["kind"], one["stage"], one["team"],
            sorted({source["kind"] for source in one["sources"]}), one["via"], _going(one["deprecated"]),
        )
        for one in found["dependencies"]
    ]  # fmt: skip
    emit_table(("STEPS", "NEEDS", "KIND", "STAGE", "TEAM", "BY", "VIA", "DEPRECATED"), rows)
    if not rows:
        say(f"{found['ref']} says of nothing that it needs it")
    _tell(found)


def impact(
    context: typer.Context,
    ref: Annotated[
        str, typer.Argument(help="registry/model:version or …@alias", autocompletion=references)
    ] = "",
    action: Annotated[ImpactAction, typer.Option(help="what is to be done")] = ImpactAction.CHANGE,
    to: Annotated[
        str, typer.Option(help="move-alias: the version it moves to; change: what it would be like")
    ] = "",
    dataset: Annotated[
        str,
        typer.Option(
            help="instead of a reference: what learned from the dataset at this address, or of this name"
        ),
    ] = "",
    commit: Annotated[str, typer.Option(help="instead of a reference: what this code commit made")] = "",
    depth: Depth = None,
    limit: Limit = 50,
    cursor: Cursor = "",
    fail_on: Annotated[Gate | None, typer.Option(help="exit with 1 when something so grave is hit")] = None,
    table: Annotated[bool, typer.Option("--table", help="a table in place of the tree")] = False,
    form: Form = None,
) -> int:
    """What breaks and what is affected if a version is archived, deleted or changed, or an alias moves."""
    if sum(map(bool, (ref, dataset, commit))) != 1:
        raise CommandError("impact of what? A reference, or --dataset, or --commit")
    path = f"/impact/{of_reference(ref)}" if ref else "/impact"
    asked = {"depth": depth, "limit": limit, "cursor": cursor, "dataset": dataset, "commit": commit}
    if ref:
        asked |= {"action": action.value, "to": to}
    with connect(context.obj) as gateway:
        found = gateway.get(path, **asked) if form is None or fail_on is not None else {}
        if form is not None:
            emit_text(gateway.text(path, **asked, format=form.value))
    if form is None and context.obj.json:
        emit_json(found)
    elif form is None:
        _print(found, as_table=table)
        _tell(found, incomplete=fail_on is None)
    return gate(found, fail_on)


def gate(found: Mapping[str, Any], fail_on: Gate | None) -> int:
    """The exit code of a gate: 1 when something at least so grave is hit, or may be and nobody can read whether."""
    if fail_on is None:
        return OK
    least = 0 if fail_on is Gate.ANY else GRAVER[fail_on]
    hit, unreadable = GRAVER[found["severity"]] >= least, found["counts"]["unreadable"]
    fails = hit or unreadable > 0
    say(f"gate {fail_on}: {'fails' if fails else 'passes'}, the gravest that is hit is {found['severity']}")
    if unreadable:
        say(f"{counted(unreadable, 'version')} may need it: they name it in a dependency that cannot be read")
    for reason in found["incomplete"]:
        say(f"gate {fail_on}: this may not be everything: {reason}")
    return NO if fails else OK


def _print(found: Mapping[str, Any], *, as_table: bool) -> None:
    counts = found["counts"]
    what = found["action"].replace("-", " ") + (f" to {found['to']}" if found["to"] else "")
    emit_line(
        f"{found['ref']}, {what}: {counts['breaking']} break, {counts['affected']} affected in all, "
        f"{counts['production']} in production, {counts['live']} behind live endpoints, "
        f"{counted(counts['teams'], 'team')}, {counted(counts['registries'], 'registry', 'registries')}"
    )
    if as_table:
        emit_table(
            ("VERSION", "STEPS", "", "STAGE", "TEAM", "REASON", "VIA"),
            [
                (
                    one["ref"],
                    one["distance"],
                    _verdict(one),
                    one["stage"],
                    one["team"],
                    one["reason"],
                    one["via"],
                )
                for one in found["affected"]
            ],
        )
    elif found["affected"]:
        console().print(_tree(found))


def _verdict(one: Mapping[str, Any]) -> str:
    return "breaks" if one["breaks"] else ""


def _tree(found: Mapping[str, Any]) -> "Tree":
    """The affected under what leads to them; folded by team where they are many."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(inert(found["ref"]), "bold"))
    rows: Sequence[Mapping[str, Any]] = found["affected"]
    if found["counts"]["affected"] > FOLD_ABOVE:
        for team in found["by_team"]:
            _fold(root, team, [one for one in rows if one["team"] == team["team"]])
        return root
    branches: dict[str, Tree] = {}
    for one in sorted(rows, key=lambda one: one["distance"]):
        above = next((branches[ref] for ref in reversed(one["via"]) if ref in branches), root)
        branches[one["ref"]] = above.add(_leaf(one))
    return root


def _fold(root: "Tree", team: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """One team with its exact numbers and the gravest of it that are on this page."""
    from rich.text import Text

    text = Text(inert(team["team"]), "bold")
    text.append(f": {team['affected']:,} affected", "not bold")
    for name, style in (("breaking", "breaks"), ("production", "production"), ("live", "live")):
        if team[name]:
            text.append(f", {team[name]:,} {name}", STYLES[style])
    branch = root.add(text)
    for one in rows[:SHOWN_PER_TEAM]:
        branch.add(_leaf(one))
    if (more := team["affected"] - len(rows[:SHOWN_PER_TEAM])) > 0:
        branch.add(Text(f"… {more:,} more: --table or --format csv", "dim"))


def _leaf(one: Mapping[str, Any]) -> Any:
    from rich.text import Text

    text = Text(inert(one["ref"]))
    if one["stage"] not in ("", "none"):
        text.append(f"  {one['stage']}", STYLES.get(one["stage"], ""))
    for endpoint in one["endpoints"]:
        takes_requests = endpoint["live"] and endpoint["percent"]
        style = STYLES["live"] if takes_requests else "dim"
        text.append(f"  {inert(endpoint['name'])} {endpoint['percent']:g} %", style)
    if one["breaks"]:
        text.append("  breaks", STYLES["breaks"])
    text.append(f"  {inert(one['team'])}: {inert(one['reason'])}", "dim")
    return text


def _going(deprecated: Mapping[str, Any] | None) -> str:
    """That a model is to go, in a few words."""
    if not deprecated:
        return ""
    instead = f", use {deprecated['replacement']}" if deprecated["replacement"] else ""
    return f"until {deprecated['until']}{instead}"


def deprecate(
    context: typer.Context,
    ref: Annotated[
        str, typer.Argument(help="registry/model; without: what is deprecated", autocompletion=models)
    ] = "",
    until: Annotated[str, typer.Option(help="the day until which it stays, such as 2027-03-31")] = "",
    replacement: Annotated[str, typer.Option(help="what replaces it", autocompletion=models)] = "",
    note: Annotated[str, typer.Option(help="why, for those who need it")] = "",
    reinstate: Annotated[bool, typer.Option("--reinstate", help="take that back")] = False,
) -> None:
    """Say that a model is to go, or list what is; it is shown with everything that needs the model."""
    if ref and bool(until) == reinstate:
        raise CommandError("say until when with --until, or take it back with --reinstate")
    check_day("--until", until)
    with connect(context.obj) as gateway:
        if ref:
            body = {"until": until, "replacement": replacement or None, "note": note}
            path = f"/models/{of_reference(ref)}/{'reinstate' if reinstate else 'deprecate'}"
            gateway.ask("POST", path, body=None if reinstate else body)
            say(f"{ref} stays" if reinstate else f"{ref} is deprecated, it stays until {until}")
            if replacement and not reinstate:
                tell_where_unknown(gateway, replacement)
            return
        found = gateway.get("/deprecations")
    if as_json(context.obj, found):
        return
    rows = [
        (one["ref"], one["until"], one["replacement"], one["said_by_name"], one["note"])
        for one in found["deprecations"]
    ]
    emit_table(("MODEL", "UNTIL", "REPLACEMENT", "BY", "NOTE"), rows)
    if not rows:
        say("nothing is deprecated")


def _why(one: Mapping[str, Any]) -> str:
    return f": {one['reason']}" if one["reason"] else ", which nobody has"


def _tell(found: Mapping[str, Any], *, incomplete: bool = True) -> None:
    """What is to be known besides; a gate says itself why something may be missing."""
    if found.get("deprecated"):
        say(f"{found['deprecated']['ref']} is deprecated: {_going(found['deprecated'])}")
    for one in found["unresolved"]:
        say(f"unresolved: {one['consumer']} needs {one['wanted']}{_why(one)}")
    if found["note"]:
        say(found["note"])
    for reason in found["incomplete"] if incomplete else ():
        say(f"this may not be everything: {reason}")
    if found.get("next_cursor"):
        say(f"more: --cursor {found['next_cursor']}")
