"""What one call of `waypost` was told besides its command: which gateway, and how to print."""

import os
import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

VALUED = ("--config", "--url")
FLAGS = ("--json",)
URL, TOKEN, DEBUG = "WAYPOST_URL", "WAYPOST_TOKEN", "WAYPOST_DEBUG"
HERE = (
    "adapters", "backup", "demo", "hooks add", "init", "migrate", "registries apply", "registries test", "restore",
    "serve",
)  # fmt: skip
"""Commands beside a configuration: they refuse `--url`."""
HINT = re.compile(r"`waypost ([a-z]+)([^`]*)`")
"""A whole command in a message."""
_given: ContextVar[dict[str, str]] = ContextVar("given")


@dataclass(frozen=True, slots=True)
class Invocation:
    """`url` names a running gateway; empty: the command opens the database that `config` names."""

    config: Path | None = None
    url: str = ""
    json: bool = False

    @classmethod
    def of(cls, config: Path | None, url: str, json: bool) -> "Invocation":
        """What the options and the environment say together: an option beats a variable."""
        if not url and config is None:
            url = os.environ.get(URL, "")
        return cls(config, url.strip().rstrip("/"), json)


def hoist(words: Sequence[str]) -> list[str]:
    """The same words with the options that every command takes moved to the front; after `--` nothing moves."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in FLAGS or word.startswith(tuple(f"{option}=" for option in VALUED)):
            front.append(word)
        elif word in VALUED:
            front += [word, *([value] if (value := next(waiting, None)) is not None else [])]
        else:
            rest.append(word)
    return [*front, *rest]


def remember(hoisted: Sequence[str]) -> None:
    """Keep which gateway this call names by options, for the commands in its messages."""
    found: dict[str, str] = {}
    waiting = iter(hoisted)
    for word in waiting:
        name, sign, value = word.partition("=")
        if name not in VALUED and name not in FLAGS:
            break
        if name in VALUED:
            found[name] = value if sign else next(waiting, "")
    _given.set(found)


def addressed(message: str) -> str:
    """A message whose commands speak to the gateway that this call has named, so that they can be run as they stand."""
    given = _given.get({})

    def whole(found: re.Match[str]) -> str:
        options = [
            f" {name} {shlex.quote(value)}"
            for name, value in given.items()
            if name not in found[2] and not (name == "--url" and f"{found[1]}{found[2]}".startswith(HERE))
        ]
        return f"`waypost {found[1]}{found[2]}{''.join(options)}`"

    return HINT.sub(whole, message) if given else message


def command_of(hoisted: Sequence[str]) -> str:
    """The command among words in this order; empty where there is none, or where something else comes before it."""
    waiting = iter(hoisted)
    for word in waiting:
        if word in VALUED:
            next(waiting, None)
        elif not word.startswith("-"):
            return word
        elif word.partition("=")[0] not in (*VALUED, *FLAGS):
            return ""
    return ""


def debugging() -> bool:
    """Whether the user asked to see logs and stack traces."""
    return bool(os.environ.get(DEBUG))
