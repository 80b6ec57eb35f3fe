"""`waypost backup` and `waypost restore`: the database as one file, and back."""

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.client import only_here
from gateway.cli.screen import as_json, counted, emit_line, say

WHY = "a backup is made where the database's configuration is"
if TYPE_CHECKING:
    from federation.backups.backups import Backup


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="the file to make; it must not exist")],
) -> None:
    """Write the whole database into one file, in one consistent state, while the gateway runs. Holds no signing key."""
    from federation.backups import backups
    from gateway.cli.local import configured

    invocation = only_here(context.obj, WHY)
    waypost = configured(invocation)
    try:
        made = backups.make(waypost.engine, file)
    finally:
        waypost.close()
    if as_json(invocation, _shown(file, made)):
        return
    emit_line(f"{file}: {counted(made.header.entries, 'entry', 'entries')}, {counted(made.rows, 'row')}")
    audit = waypost.settings.audit
    say(f"keep apart from it: the signing key {audit.key}, and the folder of sealed entries {audit.archive}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="what `waypost backup` wrote")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only read the file and say what it holds")
    ] = False,
) -> None:
    """Put a backup into the configured database, which must be empty: a new file, or a new database on PostgreSQL."""
    from federation.backups import backups
    from gateway.cli.local import configured

    invocation = only_here(context.obj, WHY)
    if dry_run:
        held = backups.check(file)
        if as_json(invocation, _shown(file, held)):
            return
        at = f"{held.header.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        emit_line(f"{file}: whole, of {at}, {counted(held.header.entries, 'entry', 'entries')}")
        return
    waypost = configured(invocation)
    try:
        back = backups.restore(waypost.engine, file)
    finally:
        waypost.close()
    more = {"operations": back.operations, "promotions": back.promotions}
    if as_json(invocation, {"file": str(file), "entries": back.header.entries, "rows": back.rows, **more}):
        return
    emit_line(f"restored: {counted(back.header.entries, 'entry', 'entries')}, {counted(back.rows, 'row')}")
    if back.operations or back.promotions:
        ended = f"{counted(back.operations, 'operation')} and {counted(back.promotions, 'promotion')}"
        say(f"ended, because they may have been carried out since: {ended}")
    say(
        f"what was revoked or erased after {back.header.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC is back: see "
        "`waypost token list`, and erase again. If a witness knows more than the backup, nothing is signed until "
        "`waypost audit resume`"
    )


def _shown(file: Path, made: "Backup") -> dict[str, object]:
    header = made.header
    return {
        "file": str(file),
        "made_at": header.made_at.isoformat(),
        "origin": header.origin,
        "schema": header.schema,
        "entries": header.entries,
        "rows": made.rows,
        "bytes": made.bytes,
    }
