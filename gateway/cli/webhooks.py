"""`waypost webhooks`: the addresses that events are sent to."""

from typing import Annotated, Any, Literal

import typer

from gateway.cli.asked import Gateway, meant, strangers_in
from gateway.cli.client import connect, get
from gateway.cli.completion import selectors, webhooks
from gateway.cli.events import Types
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.screen import ago, as_json, counted, emit_json, emit_line, emit_table, say, when

app = typer.Typer(
    help="Webhooks: who is sent events, what became of them, sending again.", no_args_is_help=True
)
DeliveryState = Literal["waiting", "delivered", "dead"]
On = Annotated[
    str, typer.Option(help="only of team:NAME, registry:NAME, or a model", autocompletion=selectors)
]
Which = Annotated[str, typer.Argument(help="a webhook's id or name, as in the list", autocompletion=webhooks)]


@app.command("list")
def list_webhooks(context: typer.Context) -> None:
    """Your webhooks, with how many events wait for each and how many were given up."""
    found = get(context.obj, "/webhooks")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["id"], one["name"], one["url"], one["types"] or "all", one["on"] or "everything", one["waiting"],
            one["dead"], one["source"],
        )
        for one in found["webhooks"]
    ]  # fmt: skip
    emit_table(("ID", "NAME", "TO", "TYPES", "ON", "WAITING", "DEAD", "BY"), rows)
    if not rows:
        say("nobody is sent events: `waypost webhooks add NAME URL` begins")


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="what it is called")],
    url: Annotated[str, typer.Argument(help="where events are sent")],
    kinds: Types = None,
    on: On = "",
) -> None:
    """Have what happens from now on sent to an address; prints the secret that signs it, this once."""
    body = {"name": name, "url": url, "types": list(kinds or ()), "on": on}
    _secret(context, lambda gateway: gateway.ask("POST", "/webhooks", body=body), on)


@app.command("remove")
def remove(context: typer.Context, which: Which) -> None:
    """Send nothing there any more; what was not delivered is dropped."""
    with connect(context.obj) as gateway:
        gateway.ask("DELETE", _path(gateway, which))
    say(f"{which} is removed")


@app.command("rotate")
def rotate(
    context: typer.Context,
    which: Which,
    keep: Annotated[
        float, typer.Option(min=0, max=720, help="hours for which the former secret signs too")
    ] = 24.0,
) -> None:
    """Make a new secret, which is printed this once; the former one signs beside it for a while."""
    body = {"keep_hours": keep}
    _secret(context, lambda gateway: gateway.ask("POST", f"{_path(gateway, which)}/rotate", body=body))


@app.command("test")
def test(context: typer.Context, which: Which) -> int:
    """Send one event of the type waypost.webhook.test now; exit with 1 where it is not taken."""
    with connect(context.obj) as gateway:
        found = gateway.ask("POST", f"{_path(gateway, which)}/test")
    if not as_json(context.obj, found):
        say(f"taken with {found['status']}" if found["delivered"] else found["error"])
    return OK if found["delivered"] else NO


@app.command("deliveries")
def deliveries(
    context: typer.Context,
    which: Which,
    state: Annotated[DeliveryState | None, typer.Option(help="only in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="rows on a page")] = 50,
    cursor: Annotated[str, typer.Option(help="go on where a page ended")] = "",
) -> None:
    """What was sent to an address and what waits, the newest event first."""
    with connect(context.obj) as gateway:
        path = f"{_path(gateway, which)}/deliveries"
        found = gateway.get(path, state=state, limit=limit, cursor=cursor)
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["id"], one["type"], one["subject"], one["state"], one["tries"],
            ago(one["tried_at"]) if one["tried_at"] else "", one["status"], one["error"],
            when(one["due"]) if one["due"] else "",
        )
        for one in found["deliveries"]
    ]  # fmt: skip
    emit_table(("ID", "EVENT", "OF", "STATE", "TRIES", "TRIED", "STATUS", "ERROR", "NEXT"), rows)
    if not rows:
        say("nothing was sent of that" if state else "nothing was sent there yet, and nothing waits")
    if found["next_cursor"]:
        say(f"more: --cursor {found['next_cursor']}")


@app.command("replay")
def replay(
    context: typer.Context,
    which: Which,
    after: Annotated[str, typer.Option(help="what came behind the event with this id")] = "",
    since: Annotated[str, typer.Option(help="what came from this time on")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="what was given up")] = False,
) -> None:
    """Send events again, with the same ids."""
    if bool(after) + bool(since) + dead != 1:
        raise CommandError("replay what? One of --after ID, --since TIME, --dead")
    body: dict[str, Any] = {"after": after} if after else {"since": _time(since)} if since else {"dead": True}
    with connect(context.obj) as gateway:
        found = gateway.ask("POST", f"{_path(gateway, which)}/replay", body=body)
    if context.obj.json:
        emit_json(found)
    say(f"{counted(found['events'], 'event')} will be sent again")


def _time(text: str) -> str:
    from gateway.parameters import read_time

    found = read_time(text, "--since")
    assert found is not None
    return found.isoformat()


def _path(gateway: Gateway, which: str) -> str:
    """The address of a webhook that is named by id or name. Errors: `CommandError`."""
    known = gateway.get("/webhooks")["webhooks"]
    found = [one for one in known if which in (str(one["id"]), one["name"])]
    if len(found) != 1:
        many = (
            f"{len(found)} webhooks are called so: name it by its id" if found else "there is no such webhook"
        )
        near = meant(which, [one["name"] for one in known])
        raise CommandError(f"{many}; `waypost webhooks list` shows them{near}")
    return f"/webhooks/{found[0]['id']}"


def _secret(context: typer.Context, ask: Any, on: str = "") -> None:
    with connect(context.obj) as gateway:
        found = ask(gateway)
        unseen = list(strangers_in(gateway, on, " yet"))
    if as_json(context.obj, found):
        return
    say("the secret is shown this once; the receiver checks by it what it is sent:")
    emit_line(found["secret"])
    say(*unseen)
