"""`waypost audit`: what happened, and the proof of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.asked import Gateway, meant, strangers
from gateway.cli.client import ask, connect, get
from gateway.cli.completion import references, registries, teams
from gateway.cli.consent import Yes, consent
from gateway.cli.export import export, signing
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.screen import as_json, counted, emit_json, emit_line, emit_table, say, when

app = typer.Typer(help="What happened, and the proof of it.", no_args_is_help=True)


@app.command("list")
def list_entries(
    context: typer.Context,
    ref: Annotated[str, typer.Option(help="of this model or version only", autocompletion=references)] = "",
    registry: Annotated[str, typer.Option(help="of this registry only", autocompletion=registries)] = "",
    team: Annotated[str, typer.Option(help="of this team's registries only", autocompletion=teams)] = "",
    actor: Annotated[str, typer.Option(help="by this person or token only: a name or an id")] = "",
    action: Annotated[str, typer.Option(help="of this kind only, such as stage.changed")] = "",
    since: Annotated[str, typer.Option(help="not before: 2026-05-03 or 2026-05-03T12:00:00Z")] = "",
    until: Annotated[str, typer.Option(help="before this time")] = "",
    after: Annotated[int | None, typer.Option(help="from the start, after this number")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="entries")] = 50,
) -> None:
    """Entries of the journal: the newest, or with --after in order from there."""
    asked = {
        "ref": ref, "registry": registry, "team": team, "actor": actor, "action": action,
        "since": since, "until": until,
        "after": after, "limit": limit, "newest_first": after is None,
    }  # fmt: skip
    with connect(context.obj) as gateway:
        found = gateway.get("/audit", **asked)
        unseen = [] if found["entries"] else list(strangers(gateway, registry=registry, team=team))
    if as_json(context.obj, found):
        return
    emit_table(("SEQ", "TIME", "ACTOR", "ACTION", "WHAT"), [_row(entry) for entry in found["entries"]])
    if not found["entries"]:
        say(f"nothing is recorded of that{_unknown(action)}", *unseen)


def _unknown(action: str) -> str:
    from federation.journal.journal import Action  # only now: it brings the database along

    known = [str(one) for one in Action]
    return "" if not action or action in known else f": no action is called {action}{meant(action, known)}"


def _row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    what = entry["summary"].removeprefix(entry["action"]).strip()
    return entry["seq"], when(entry["time"]), entry["actor_name"], entry["action"], what


@app.command()
def verify(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="an export: a file, or a folder of *.jsonl files")],
    key: Annotated[
        list[str] | None, typer.Option(help="a key obtained elsewhere: the text, or a file with it")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="a checkpoint kept elsewhere, as a file")
    ] = None,
) -> int:
    """Check an export without trusting the gateway that wrote it. Exit code 1 when something is wrong with it."""
    from federation.journal.verify import NotAnExportError, NoteError, verify_export

    try:
        report = verify_export(
            path,
            keys=[_key(text) for text in key or ()],
            checkpoints=[file.read_bytes() for file in checkpoint or ()],
        )
        if path.is_dir():
            from gateway.cli.evidence import compare_page

            compare_page(path, report)
    except (NotAnExportError, NoteError) as error:
        raise CommandError(str(error)) from None
    if context.obj.json:
        from dataclasses import asdict

        emit_json({"ok": report.ok, **asdict(report)})
    else:
        for line in str(report).splitlines():
            emit_line(line)
    return OK if report.ok else NO


app.command()(export)


@app.command()
def checkpoint(context: typer.Context) -> None:
    """The newest signed checkpoint: keep it somewhere else, and verify exports against it later."""
    with signing(context.obj) as gateway:
        note = gateway.text("/audit/checkpoint")
    if as_json(context.obj, {"checkpoint": note}):
        return
    for line in note.splitlines():
        emit_line(line)


@app.command()
def keys(context: typer.Context) -> None:
    """The log's name and the public keys that vouch for it."""
    with signing(context.obj) as gateway:
        found = gateway.get("/audit/keys")
    if as_json(context.obj, found):
        return
    for key in [*found["keys"], *found["witnesses"]]:
        emit_line(key)


@app.command()
def witnesses(context: typer.Context) -> int:
    """Where checkpoints go, and how each place stands. Exit code 1 where one is not ok."""
    found = get(context.obj, "/audit/witnesses")["witnesses"]
    if not as_json(context.obj, found):
        rows = [(one["name"], one["state"], one["size"], one["message"] or one["key"]) for one in found]
        emit_table(("WITNESS", "STATE", "ENTRIES", ""), rows)
    return OK if all(one["state"] == "ok" for one in found) else NO


@app.command()
def rotate(context: typer.Context) -> None:
    """Replace the key that signs checkpoints. The log records it; the next checkpoint is signed by both."""
    with signing(context.obj) as gateway:
        found = gateway.ask("POST", "/audit/rotation")
    if as_json(context.obj, found):
        return
    emit_line(found["key"])
    say("give this key to the witnesses that are gateways: audit.witness_for")


@app.command()
def resume(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="why the missing entries are lost for good")] = "",
) -> None:
    """Sign again although a witness knows more: what this database lacks is lost. The log records it."""
    found = ask(context.obj, "POST", "/audit/resume", query={"reason": reason})
    if as_json(context.obj, found):
        return
    say(f"signing goes on; left behind: {', '.join(found['left'])}")


@app.command()
def erase(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="a name, an address, or a principal's id, as it is written")],
    reason: Annotated[str, typer.Option(help="why; erased itself when you are")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="erase nothing: show how much would go")] = False,
    yes: Yes = False,
) -> None:
    """Remove a person's values beside the log, in the catalogue and the index. Proofs still hold; cannot be undone."""
    body = {"subject": subject, **({"reason": reason} if reason else {})}
    with connect(context.obj) as gateway:
        consent(
            f"erase {subject} for good?",
            yes=yes or dry_run,
            show=lambda: say(f"would go: {_gone(_erase(gateway, body, dry_run=True))}"),
        )
        found = _erase(gateway, body, dry_run=dry_run)
    if as_json(context.obj, found):
        return
    say(f"{'would be erased' if dry_run else 'erased'}: {_gone(found)}")


def _erase(gateway: Gateway, body: Mapping[str, Any], *, dry_run: bool) -> Mapping[str, Any]:
    query = {"dry_run": True} if dry_run else {}
    found: Mapping[str, Any] = gateway.ask("POST", "/audit/erasures", query=query, body=body)
    return found


def _gone(found: Mapping[str, Any]) -> str:
    others = counted(found["others"], "other row")
    return f"{counted(found['values'], 'value')}, {counted(found['records'], 'record')}, {others}"


@app.command()
def seal(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="entries signed before this time: 2026-05-03")],
) -> None:
    """Move old entries with their proofs into an archive file on the gateway's machine."""
    with signing(context.obj) as gateway:
        found = gateway.ask("POST", "/audit/seals", body={"before": before})
    if context.obj.json:
        emit_json(found)
    elif found["file"] is None:
        say("no entry is old enough, or too few follow it")
    else:
        emit_line(found["file"])
        say(
            f"sealed entries {found['first']} to {found['end'] - 1}; next: waypost audit verify {found['file']}"
        )


def _key(text: str) -> Any:
    from federation.journal.verify import parse_verifier_key

    file = Path(text)
    return parse_verifier_key(file.read_text().strip() if file.is_file() else text)
