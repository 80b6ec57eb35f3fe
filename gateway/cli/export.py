"""`waypost audit export`: entries as a file, or the evidence for one model or version as a folder."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import Remote, connect, has_registry, whole
from gateway.cli.completion import references, registries, teams
from gateway.cli.failure import OK, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import counted, emit_json, say

if TYPE_CHECKING:
    from gateway.waypost import Waypost

Format = Literal["jsonl", "csv", "cloudevents"]


def export(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="file to write, or with --ref the folder of the evidence"),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="jsonl with proofs, csv for spreadsheets, or cloudevents")
    ] = "jsonl",
    ref: Annotated[
        str, typer.Option(help="evidence for this model or version", autocompletion=references)
    ] = "",
    registry: Annotated[str, typer.Option(help="of this registry only", autocompletion=registries)] = "",
    team: Annotated[str, typer.Option(help="of this team's registries only", autocompletion=teams)] = "",
    actor: Annotated[str, typer.Option(help="by this person or token only: a name or an id")] = "",
    action: Annotated[str, typer.Option(help="of this kind only, such as stage.changed")] = "",
    since: Annotated[str, typer.Option(help="not before: 2026-05-03 or 2026-05-03T12:00:00Z")] = "",
    until: Annotated[str, typer.Option(help="before this time")] = "",
) -> int:
    """Write entries with their proofs, for `waypost audit verify`; with --ref a folder of evidence."""
    query = {
        "format": form, "ref": ref, "registry": registry, "team": team, "actor": actor, "action": action,
        "since": since, "until": until,
    }  # fmt: skip
    with signing(context.obj) as gateway:
        if ref and not has_registry(ref):
            ref = query["ref"] = str(whole(gateway, ref))
        pieces = exported(gateway, query)
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return OK
        if ref and form == "jsonl" and output.suffix != ".jsonl":
            from gateway.cli.evidence import write_evidence

            written = write_evidence(output, ref, pieces)
            say(f"wrote {output}/: {', '.join(written)}")
        else:
            size = write(output, pieces)
            written = [output.name]
            say(f"wrote {output} ({counted(size, 'byte')})")
        if form == "jsonl":
            say(f"next: waypost audit verify {output}")
    if context.obj.json:
        emit_json({"output": str(output), "files": written})
    return OK


@contextmanager
def signing(invocation: Invocation) -> Iterator[Gateway]:
    """The gateway; where it is the configured database in this process, everything in it is signed first."""
    with connect(invocation) as gateway:
        if gateway.waypost is not None:
            sign_all(gateway.waypost)
        yield gateway


def sign_all(waypost: "Waypost") -> None:
    """Sign what was committed, where the key is here. Errors: `SigningError`."""
    from federation.journal.journal import NoKeyHereError

    with suppress(NoKeyHereError):
        while waypost.journal.signer.sign() is not None:
            pass  # signing itself may record something, such as a new witness


def exported(gateway: Gateway, query: Mapping[str, Any]) -> Iterator[bytes]:
    """The export in pieces, in constant memory. Errors: `CommandError`."""
    if isinstance(gateway, Remote):
        return gateway.download("/audit/export", query)
    assert gateway.waypost is not None
    return _from_database(gateway.waypost, query)


def write(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a file that appears only when it is whole; returns its size in bytes."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    size = 0
    try:
        with unfinished.open("wb") as file:
            for piece in pieces:
                size += file.write(piece)
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return size


def _from_database(waypost: "Waypost", query: Mapping[str, Any]) -> Iterator[bytes]:
    from federation.access import LOCAL
    from gateway.names import with_actor
    from gateway.parameters import read_filter

    asked = read_filter(**{name: value for name, value in query.items() if name != "format"})
    wanted = with_actor(waypost.identity, asked)
    return waypost.journal.export(query["format"], wanted, actor=LOCAL.id)
