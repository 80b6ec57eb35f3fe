"""What one call of `waypost` was told besides its command: which gateway, and how to print."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VALUED = ("--config", "--url")
FLAGS = ("--json",)
URL, TOKEN, DEBUG = "WAYPOST_URL", "WAYPOST_TOKEN", "WAYPOST_DEBUG"


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
