"""`waypost audit`: what happened, and the proof of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import connect
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import emit_json, emit_line, emit_table, say, when

app = typer.Typer(help="What happened, and the proof of it.", no_args_is_help=True)


@app.command("list")
def list_entries(
    context: typer.Context,
    ref: Annotated[str, typer.Option(help="of this model or version only")] = "",
    registry: Annotated[str, typer.Option(help="of this registry only")] = "",
    actor: Annotated[str, typer.Option(help="by this principal only")] = "",
    action: Annotated[str, typer.Option(help="of this kind only, such as version.stage")] = "",
    since: Annotated[str, typer.Option(help="not before: 2026-05-03 or 2026-05-03T12:00:00Z")] = "",
    until: Annotated[str, typer.Option(help="before this time")] = "",
    after: Annotated[int | None, typer.Option(help="from the start, after this number")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="entries")] = 50,
) -> None:
    """Entries of the journal: the newest, or with --after in order from there."""
    invocation: Invocation = context.obj
    asked = {
        "ref": ref, "registry": registry, "actor": actor, "action": action, "since": since, "until": until,
        "after": after, "limit": limit, "newest_first": after is None,
    }  # fmt: skip
    with connect(invocation) as gateway:
        found = gateway.get("/audit", **asked)
    if invocation.json:
        emit_json(found)
        return
    emit_table(("SEQ", "TIME", "ACTOR", "ACTION", "WHAT"), [_row(entry) for entry in found["entries"]])
    if not found["entries"]:
        say("nothing is recorded of that")


def _row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return entry["seq"], when(entry["time"]), entry["actor"], entry["action"], entry["summary"]


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

    invocation: Invocation = context.obj
    try:
        report = verify_export(
            path,
            keys=[_key(text) for text in key or ()],
            checkpoints=[file.read_bytes() for file in checkpoint or ()],
        )
    except (NotAnExportError, NoteError) as error:
        raise CommandError(str(error)) from None
    if invocation.json:
        from dataclasses import asdict

        emit_json({"ok": report.ok, **asdict(report)})
    else:
        for line in str(report).splitlines():
            emit_line(line)
    return OK if report.ok else NO


def _key(text: str) -> Any:
    from federation.journal.verify import parse_verifier_key

    file = Path(text)
    return parse_verifier_key(file.read_text().strip() if file.is_file() else text)
