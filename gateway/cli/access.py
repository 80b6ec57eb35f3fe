"""`waypost token`, `waypost grants`, `waypost whoami`: who may do what.

Without `--url` they open the configured database, and whoever can do that may do everything: so the first token of a
gateway is made.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.asked import Gateway, meant, strangers_in
from gateway.cli.client import ask, connect, get
from gateway.cli.completion import among, places
from gateway.cli.completion import tokens as token_names
from gateway.cli.failure import CommandError
from gateway.cli.invocation import TOKEN, Invocation
from gateway.cli.screen import ago, as_json, emit_line, emit_table, say, when

tokens = typer.Typer(help="API tokens: make, list, renew and revoke them.", no_args_is_help=True)
grants = typer.Typer(help="Roles: who holds which, and on what.", no_args_is_help=True)
LIFE = re.compile(r"(\d+(?:\.\d+)?)([hdwy])")
DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.0}
Name = Annotated[str, typer.Argument(help="the token's name or id", autocompletion=token_names)]
ROLES = ("viewer", "contributor", "approver", "auditor", "operator", "attester", "emergency", "impact.global")
"""As in `federation.access`, which brings the database along."""
Role = Annotated[
    str, typer.Option(help=f"{', '.join(ROLES[:-1])} or {ROLES[-1]}", autocompletion=among(ROLES))
]
On = Annotated[
    str,
    typer.Option(
        help="what the role holds on: * for everything, team:NAME or registry:NAME", autocompletion=places
    ),
]


@tokens.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="what to call it: a-z, 0-9, '-', '_', '.'")],
    role: Role = "",
    on: On = "*",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="limit it to this permission, such as read; may be given more than once"),
    ] = None,
    expires: Annotated[str, typer.Option(help="when it ends: 12h, 90d, 4w, 1y; empty: never")] = "",
) -> None:
    """Make a token. Its secret is shown this once."""
    body = {
        "name": name,
        "role": role or None,
        "on": on,
        "scopes": scope or None,
        "expires_in_days": _days(expires) if expires else None,
    }
    found = ask(context.obj, "POST", "/tokens", body=body)
    _show_secret(context.obj, found)


@tokens.command("list")
def list_tokens(context: typer.Context) -> None:
    """Every token, without its secret; a former secret that still goes on is one of its own."""
    found = get(context.obj, "/tokens")
    if as_json(context.obj, found):
        return
    rows = [
        (
            one["name"],
            one["id"],
            one["state"],
            when(one["expires_at"]) or "never",
            ago(one["last_used_at"]),
            ", ".join(one["scopes"] or ["all"]),
            one["created_by_name"],
        )
        for one in found["tokens"]
    ]
    emit_table(("TOKEN", "ID", "STATE", "EXPIRES", "USED", "SCOPES", "BY"), rows)
    if not rows:
        say("there is no token: `waypost token create NAME --role viewer` makes one")


@tokens.command("revoke")
def revoke(context: typer.Context, name: Name) -> None:
    """End a token, and every session begun with it, within 5 seconds everywhere."""
    ask(context.obj, "DELETE", f"/tokens/{quote(name, safe='')}")
    say(f"{name} is revoked")


@tokens.command("rotate")
def rotate(
    context: typer.Context,
    name: Name,
    keep: Annotated[
        str, typer.Option(help="how long the old secret goes on: 12h, 3d; empty: not at all")
    ] = "",
) -> None:
    """Give a token a new secret. Roles, scopes and life stay."""
    body = {"keep_hours": _days(keep) * 24 if keep else 0.0}
    found = ask(context.obj, "POST", f"/tokens/{quote(name, safe='')}/rotate", body=body)
    _show_secret(context.obj, found)


@grants.command("list")
def list_grants(context: typer.Context) -> None:
    """Every role that was given, and to whom."""
    found = get(context.obj, "/grants")
    if as_json(context.obj, found):
        return
    emit_table(
        ("ID", "WHO", "ROLE", "ON", "FROM", "BY"),
        [
            (one["id"], one["who"], one["role"], one["scope"], one["source"], one["created_by_name"])
            for one in found["grants"]
        ],
    )
    if not found["grants"]:
        say("no role was given: `waypost grants add --token NAME --role viewer` gives one")


@grants.command("add")
def add(
    context: typer.Context,
    role: Role,
    on: On = "*",
    token: Annotated[str, typer.Option(help="name of the token it is for", autocompletion=token_names)] = "",
    subject: Annotated[str, typer.Option(help="subject of the person it is for, as the provider says")] = "",
    group: Annotated[str, typer.Option(help="the identity provider's group it is for")] = "",
) -> None:
    """Give a role to a token, a person or a group."""
    who = {"token": token or None, "subject": subject or None, "group": group or None}
    with connect(context.obj) as gateway:
        found = gateway.ask("POST", "/grants", body={"role": role, "on": on, **who})
        remarks = list(_not_there_yet(gateway, token, on))
    if not as_json(context.obj, found):
        emit_line(f"grant {found['id']}: {found['who']} is {found['role']} on {found['scope']}")
    for line in remarks:
        say(line)
    if remarks:
        say(f"`waypost grants remove {found['id']}` takes the role away again")


def _not_there_yet(gateway: Gateway, token: str, on: str) -> Iterator[str]:
    """What a role names that nobody has made yet: it counts from then on, or a name is misspelt."""
    if token and token not in (names := [one["name"] for one in gateway.get("/tokens")["tokens"]]):
        yield f"there is no token {token} yet that you see{meant(token, names)}"
    yield from strangers_in(gateway, on, " yet")


@grants.command("remove")
def remove(
    context: typer.Context, number: Annotated[int, typer.Argument(help="its id, as in the list")]
) -> None:
    """Take a role away, within 5 seconds everywhere."""
    ask(context.obj, "DELETE", f"/grants/{number}")
    say(f"grant {number} is removed")


def whoami(context: typer.Context) -> None:
    """Who you are to the gateway, and what you may do."""
    found = get(context.obj, "/whoami")
    if as_json(context.obj, found):
        return
    emit_line(f"{found['name']} ({found['id']})")
    rows = [
        (one["permission"], "everything" if one["registries"] is None else ", ".join(one["registries"]))
        for one in found["permissions"]
    ]
    emit_table(("MAY", "ON"), rows)
    if not rows:
        say("you have no role, so you see nothing: ask an operator for one")


def _show_secret(invocation: Invocation, found: Mapping[str, Any]) -> None:
    if as_json(invocation, found):
        return
    emit_line(found["secret"])
    say(f"this secret of {found['token']['name']} is shown once; commands take it from {TOKEN}")


def _days(text: str) -> float:
    found = LIFE.fullmatch(text.strip())
    if found is None:
        raise CommandError(f"{text} is no length of time: write 12h, 90d, 4w or 1y")
    return float(found[1]) * DAYS[found[2]]
