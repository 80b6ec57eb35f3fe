"""`waypost searches`: searches that are kept under a name."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.client import ask, connect, get
from gateway.cli.completion import searches, teams
from gateway.cli.screen import ago, as_json, emit_table, say
from gateway.cli.search import print_answer

app = typer.Typer(help="Saved searches: keep, list, run and remove them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="the search's name or id", autocompletion=searches)]


@app.command("list")
def list_searches(context: typer.Context) -> None:
    """Your own searches, then those of teams."""
    found = get(context.obj, "/searches")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["name"],
            one["team"] or "(yours)",
            one["q"],
            one["sort"],
            ago(one["changed_at"]),
            one["saved_by_name"],
            one["id"],
        )
        for one in found["searches"]
    ]
    emit_table(("NAME", "TEAM", "QUERY", "SORT", "CHANGED", "BY", "ID"), rows)
    if not rows:
        say("no search is kept: `waypost searches save NAME QUERY` keeps one")


@app.command("save")
def save(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="what to call it")],
    query: Annotated[
        list[str], typer.Argument(help="as for `waypost search`; after -- where a word has a minus")
    ],
    team: Annotated[
        str, typer.Option(help="keep it for this team; empty: for yourself", autocompletion=teams)
    ] = "",
    sort: Annotated[str, typer.Option(help="as for `waypost search`")] = "relevance",
    group: Annotated[str, typer.Option(help="model or version")] = "model",
    strict: Annotated[bool, typer.Option("--strict", help="as for `waypost search`")] = False,
    literal: Annotated[str, typer.Option(help="as for `waypost search`")] = "",
) -> None:
    """Keep a search under a name; the one of this name is replaced."""
    body = {
        "name": name, "q": " ".join(query), "sort": sort, "group": group, "strict": strict, "literal": literal,
        "team": team or None,
    }  # fmt: skip
    found = ask(context.obj, "POST", "/searches", body=body)
    if not as_json(context.obj, found):
        say(f"{name} is kept: its address is {found['address']}")


@app.command("run")
def run(
    context: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=200, help="hits on a page")] = 20,
    cursor: Annotated[str, typer.Option(help="go on where a page ended")] = "",
) -> None:
    """What a saved search finds now."""
    with connect(context.obj) as gateway:
        kept = gateway.get(_path(name))
        asked: dict[str, Any] = {field: kept[field] for field in ("q", "sort", "group", "strict", "literal")}
        print_answer(context.obj, gateway.get("/search", **asked, limit=limit, cursor=cursor))


@app.command("remove")
def remove(context: typer.Context, name: Name) -> None:
    """Keep a search no longer."""
    with connect(context.obj) as gateway:
        gateway.ask("DELETE", _path(name))
    say(f"{name} is kept no longer")


def _path(name: str) -> str:
    return f"/searches/{quote(name, safe='')}"
