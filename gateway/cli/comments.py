"""`waypost comments`: what people said of a version, and a word more."""

from typing import Annotated

import typer

from gateway.cli.client import connect, of_reference
from gateway.cli.models import Ref
from gateway.cli.screen import as_json, emit_table, say, when


def comments(
    context: typer.Context,
    ref: Ref,
    add: Annotated[str | None, typer.Option(help="say this of it, for everybody who sees it")] = None,
) -> None:
    """What people said of a version, newest first; with --add one comment more."""
    path = f"/versions/{of_reference(ref)}/comments"
    with connect(context.obj) as gateway:
        if add is not None:
            gateway.ask("POST", path, body={"words": add})
        found = gateway.get(path)
    if as_json(context.obj, found):
        return
    rows = [
        (
            when(one["at"]),
            one["principal_name"],
            one["words"] if one["is_current"] else f"{one['words']} (of another artifact)",
        )
        for one in found["comments"]
    ]
    emit_table(("WHEN", "WHO", "WHAT"), rows)
    if not rows:
        say("nobody has said anything of it")
