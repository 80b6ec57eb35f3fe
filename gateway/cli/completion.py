"""Completion of references and names of registries in a shell, from whatever gateway the line names."""

import os
import re
from collections.abc import MutableMapping

import typer

from gateway.cli.client import connect
from gateway.cli.invocation import Invocation

ASKED, BASH = "_WAYPOST_COMPLETE", "complete_bash"
BROKEN = re.compile(r"(?<=\S) ?([:@]) ?(?=\S|$)")
"""Signs of a reference at which bash takes words apart."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Put together what bash has taken apart: it counts `encoder:3` as three words."""
    if environment.get(ASKED) != BASH:
        return
    words, at = environment.get("COMP_WORDS", ""), int(environment.get("COMP_CWORD", "0"))
    before = " ".join(words.split(" ")[: at + 1])
    joined = BROKEN.sub(r"\1", before)
    environment["COMP_WORDS"], environment["COMP_CWORD"] = joined, str(len(joined.split(" ")) - 1)


def references(ctx: typer.Context, incomplete: str) -> list[str]:
    """How a reference may go on; nothing where no gateway answers."""
    found = _continued(ctx, incomplete)
    if os.environ.get(ASKED) != BASH:
        return found
    typed = max(incomplete.rfind(":"), incomplete.rfind("@")) + 1
    return [one[typed:] for one in found]  # bash replaces what stands behind the sign alone


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
