"""Completion in a shell of references and names, from whatever gateway the line names, and of words of a fixed set."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, suppress

import typer

from gateway.cli.asked import Gateway
from gateway.cli.client import connect
from gateway.cli.invocation import Invocation

ASKED, HEAD = "_WAYPOST_COMPLETE", "_WAYPOST_HEAD"
BASH, ZSH = "complete_bash", "complete_zsh"
PATIENCE = 2.0
"""Seconds that a gateway has for an answer: a shell that waits does nothing else."""
SIGN = re.compile("[:@]")
BROKEN = re.compile(r"(?<=\S)\n?([:@])\n?(?=\S|$)")
"""Signs of a reference at which bash takes words apart."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Put together what bash has taken apart: it counts `encoder:3` as three words, and replaces the last alone. What
    stands before that is kept by itself, for Typer offers only what begins as the word does.
    """
    if environment.get(ASKED) != BASH:
        return
    at = int(environment.get("COMP_CWORD", "0"))
    before = "\n".join(environment.get("COMP_WORDS", "").split("\n")[: at + 1])  # one a line
    *others, last = BROKEN.sub(r"\1", before).split("\n")
    behind = max(last.rfind(":"), last.rfind("@")) + 1
    environment[HEAD] = last[:behind]
    environment["COMP_WORDS"] = "\n".join([*others, last[behind:]])
    environment["COMP_CWORD"] = str(len(others))


class Replacement(str):
    """A completion that replaces what was typed, whatever it begins with: Typer drops others."""

    def startswith(self, *_: object) -> bool:
        """As everything does that Typer offers."""
        return True


def references(ctx: typer.Context, incomplete: str) -> list[str]:
    """How a reference may go on; nothing where no gateway answers."""
    return _offered(ctx, incomplete, ":@")


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """How a reference may go on until it names a model."""
    return _offered(ctx, incomplete, "")


def registries(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of registries that begin so."""
    return [one.rstrip("/") for one in _continued(ctx, incomplete, None) if one.endswith("/")]


def teams(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of teams that begin so."""
    return _named(ctx, incomplete, "registries", "team")


def places(ctx: typer.Context, incomplete: str) -> list[str]:
    """How `team:NAME` or `registry:NAME` may go on."""
    head = os.environ.get(HEAD, "")
    names = [f"team:{one}" for one in _named(ctx, "", "registries", "team")]
    names += [f"registry:{one}" for one in _named(ctx, "", "registries")]
    return [one.removeprefix(head) for one in names if one.startswith(head + incomplete)]


def selectors(ctx: typer.Context, incomplete: str) -> list[str]:
    """The same, and how a reference may go on until it names a model."""
    return [*places(ctx, incomplete), *models(ctx, incomplete)]


def tokens(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of tokens that begin so."""
    return _named(ctx, incomplete, "tokens")


def insights(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of lists over the graph that begin so."""
    return _named(ctx, incomplete, "insights")


def webhooks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of webhooks that begin so."""
    return _named(ctx, incomplete, "webhooks")


def searches(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of kept searches that begin so."""
    return _named(ctx, incomplete, "searches")


def among(words: Iterable[str]) -> Callable[[str], list[str]]:
    """A completion with those of a fixed set of words that begin so."""
    known = tuple(words)

    def offered(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return offered


def _named(ctx: typer.Context, incomplete: str, area: str, field: str = "name") -> list[str]:
    with suppress(Exception), _asked(ctx) as gateway:
        names = dict.fromkeys(one[field] for one in gateway.get(f"/{area}")[area])
        return [name for name in names if name.startswith(incomplete)]
    return []


@contextmanager
def _asked(ctx: typer.Context) -> Iterator[Gateway]:
    """The gateway that the line names."""
    given = ctx.find_root().params
    with connect(Invocation.of(given.get("config"), given.get("url") or "", json=True), PATIENCE) as gateway:
        yield gateway


def _offered(ctx: typer.Context, incomplete: str, signs: str) -> list[str]:
    head = os.environ.get(HEAD, "")
    typed = head + incomplete
    found = _continued(ctx, typed, signs)
    bare = list(dict.fromkeys(one if one.startswith(typed) else one.partition("/")[2] for one in found))
    if head:
        return [one.removeprefix(head) for one in bare]
    # A shell puts in what all completions begin with, which is as good as what was typed where they are of one model.
    is_unique = len({SIGN.split(one, 1)[0] for one in found}) == 1
    # zsh takes nothing that does not begin with what was typed.
    return [*map(Replacement, found)] if is_unique and os.environ.get(ASKED) != ZSH else bare


def _continued(ctx: typer.Context, typed: str, signs: str | None) -> list[str]:
    """What the gateway says. Where that is one thing, also with how it goes on, models with these signs: a shell ends a
    word that can only be one.
    """
    try:
        with _asked(ctx) as gateway:

            def asked(q: str) -> list[str]:
                found: list[str] = gateway.get("/references", q=q or None)["references"]
                return found

            found = asked(typed)
            if signs is not None and len(found) == 1 and found[0].endswith("/"):
                found = asked(found[0]) or found
            if signs and len(found) == 1 and not SIGN.search(found[0]) and not found[0].endswith("/"):
                found += [one for sign in signs for one in asked(found[0] + sign)]
    except Exception:  # a shell that waits for completions is told nothing of what went wrong
        return []
    return found
