"""`waypost bulk`: tags and deprecations of many models and versions, after one preview."""

import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import connect
from gateway.cli.completion import references
from gateway.cli.consent import Yes, consent
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.models import check_day
from gateway.cli.operations import DryRun, Plan, Wait, WriteOptions, carried_out, pair, ready
from gateway.cli.plans import told
from gateway.cli.screen import as_json, counted, emit_line, say

MOST = 200
"""Of one request."""


def bulk(
    context: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            help="models and versions; - reads them from standard input, one a line",
            autocompletion=references,
        ),
    ] = None,
    query: Annotated[str, typer.Option(help="every version that this search finds, besides")] = "",
    models: Annotated[
        bool, typer.Option("--models", help="of --query: the models, not their versions")
    ] = False,
    tag: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, on each of them")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="remove the tag with this key from each")] = None,
    until: Annotated[str, typer.Option(help="deprecate their models: the day until which they stay")] = "",
    replacement: Annotated[str, typer.Option(help="what replaces them")] = "",
    note: Annotated[str, typer.Option(help="why, for those who need them")] = "",
    plan: Plan = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    yes: Yes = False,
) -> int:
    """Set tags of many models and versions, or deprecate many models, after one preview: all of it or none."""
    invocation: Invocation = context.obj
    body: dict[str, Any] = {"tags": {**dict(map(pair, tag or [])), **dict.fromkeys(untag or [])}}
    if until:
        body["deprecate"] = {"until": until, "replacement": replacement or None, "note": note}
    if not body["tags"] and not until:
        raise CommandError("say what to do to them: --tag, --untag or --until")
    check_day("--until", until)
    with connect(invocation) as gateway:
        body["refs"] = list(dict.fromkeys([*_named(refs or []), *_found(gateway, query, models=models)]))
        if query and not body["refs"]:
            raise CommandError(f"nothing fits {query}")
        if not 1 <= len(body["refs"]) <= MOST:
            raise CommandError(f"name 1 to {MOST} models or versions, not {len(body['refs']):,}")
        terms = WriteOptions("", plan, "", dry_run, wait, yes)
        if dry_run or not plan:
            with ready(gateway, WriteOptions("", "", "", True, wait)):
                shown = gateway.ask("POST", "/bulk", query={"dry_run": True}, body=body)
            if dry_run:
                return _show(invocation, shown)
            consent(
                f"do this to {counted(len(body['refs']), 'model or version', 'models and versions')}?",
                yes=yes,
                show=lambda: _say(shown),
            )
            plan = shown["token"]
        with ready(gateway, terms):
            done = gateway.ask("POST", "/bulk", body={**body, "plan": plan})
            for ref in done["deprecated"]:
                say(f"{ref} is deprecated, it stays until {until}")
            return carried_out(invocation, gateway, done["operations"], terms)


def _named(refs: list[str]) -> Iterator[str]:
    for ref in refs:
        if ref == "-":
            yield from filter(None, (line.strip() for line in sys.stdin))
        else:
            yield ref


def _found(gateway: Gateway, query: str, *, models: bool) -> Iterator[str]:
    """What a search finds, up to one more than may be asked for."""
    cursor = "" if query else None
    seen = 0
    while cursor is not None and seen <= MOST:
        group = "model" if models else "version"
        found = gateway.get("/search", q=query, strict=True, group=group, limit=MOST, cursor=cursor)
        for hit in found["hits"]:
            seen += 1
            yield hit["ref"].partition(":")[0] if models else hit["ref"]
        cursor = found["next_cursor"]


def _show(invocation: Invocation, shown: Mapping[str, Any]) -> int:
    if not as_json(invocation, shown):
        for line in _lines(shown):
            emit_line(line)
        say(f"to do exactly this: the same command with --plan {shown['token']} in place of --dry-run")
    return NO if shown["refused"] else OK


def _say(shown: Mapping[str, Any]) -> None:
    for line in _lines(shown):
        say(line)


def _gone(impact: Mapping[str, Any] | None) -> str:
    """Who is hit once it has gone."""
    if impact is None:
        return "; who needs it is not known yet"
    hit = impact["counts"]["affected"]
    return f"; {counted(hit, 'version needs', 'versions need')} it" if hit else ""


def _lines(shown: Mapping[str, Any]) -> Iterator[str]:
    """The preview: what is refused first, then what each change writes."""
    for one in (*shown["tagged"], *shown["deprecated"]):
        if one["refusal"]:
            yield f"{one['ref']} cannot be: {one['refusal']}"
    first = 1
    for one in shown["tagged"]:
        if one["plan"]:
            yield from told(one["plan"], first)
            first += len(one["plan"]["steps"])
    for one in shown["deprecated"]:
        if not one["refusal"]:
            before = f", not until {one['before']['until']}" if one["before"] else ""
            yield f"{one['ref']} is deprecated{before}{_gone(one['impact'])}"
    if shown["unchanged"]:
        yield f"{counted(shown['unchanged'], 'of them is', 'of them are')} so already"
