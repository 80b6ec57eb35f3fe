"""Completion of references and names of registries in a shell, from whatever gateway the line names."""

import os
import re
from collections.abc import MutableMapping

import typer

from gateway.cli.client import connect
from gateway.cli.invocation import Invocation

ASKED, BASH, HEAD = "_WAYPOST_COMPLETE", "complete_bash", "_WAYPOST_HEAD"
BROKEN = re.compile(r"(?<=\S) ?([:@]) ?(?=\S|$)")
"""Signs of a reference at which bash takes words apart."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Put together what bash has taken apart: it counts `encoder:3` as three words, and replaces the last alone. What
    stands before that is kept by itself, for Typer offers only what begins as the word does.
    """
    if environment.get(ASKED) != BASH:
        return
    words, at = environment.get("COMP_WORDS", ""), int(environment.get("COMP_CWORD", "0"))
    before = " ".join(words.split(" ")[: at + 1])
    joined = BROKEN.sub(r"\1", before)
    *others, last = joined.split(" ")
    behind = max(last.rfind(":"), last.rfind("@")) + 1
    environment[HEAD] = last[:behind]
    environment["COMP_WORDS"], environment["COMP_CWORD"] = (
        " ".join([*others, last[behind:]]),
        str(len(others)),
    )


def references(ctx: typer.Context, incomplete: str) -> list[str]:
    """How a reference may go on; nothing where no gateway answers."""
    head = os.environ.get(HEAD, "")
    return [one.removeprefix(head) for one in _continued(ctx, head + incomplete)]


def registries(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of registries that begin so."""
    return [one.rstrip("/") for one in _continued(ctx, incomplete)]


def _continued(ctx: typer.Context, incomplete: str) -> list[str]:
    given = ctx.find_root().params
    invocation = Invocation.of(given.get("config"), given.get("url") or "", json=True)
    try:
        with connect(invocation) as gateway:
            found: list[str] = gateway.get("/references", q=incomplete or None)["references"]
    except Exception:  # a shell that waits for completions is told nothing of what went wrong
        return []
    return found
