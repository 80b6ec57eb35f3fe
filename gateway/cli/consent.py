"""Asking before what cannot be taken back: a person at a terminal, or `--yes` where nobody can be asked."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from gateway.cli.failure import CommandError
from gateway.cli.screen import confirmed

Yes = Annotated[bool, typer.Option("--yes", help="do not ask; needed where there is no terminal")]


def consent(question: str, *, yes: bool, show: Callable[[], None]) -> None:
    """Go on where it was said before, or where a person says so now, to whom what it does is shown first.

    Errors: `CommandError` for a no, and where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            f"nobody can be asked here: {question} --yes says that it is meant, --dry-run shows what it does"
        )
    show()
    if not confirmed(question):
        raise CommandError("nothing was changed")
