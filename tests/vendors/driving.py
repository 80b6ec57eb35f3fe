"""A vendor's client in its own environment, which does as it is told: a script that answers one JSON line for each."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHIN = 120  # seconds


class VendorError(Exception):
    """What the client raised: its name, and a status or a text."""


class Driven:
    """A script that takes `[name, args, kwargs]` a line and answers `[result, null]` or `[null, error]`."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )

    def __call__(self, name: str, *args: Any, **given: Any) -> Any:
        """Call a function of the script. Errors: `VendorError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, args, given]) + "\n")
        self._process.stdin.flush()
        result, error = json.loads(self._process.stdout.readline())
        if error is not None:
            raise VendorError(*error)
        return result

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(WITHIN)
        self._process.stdout.close()


@contextmanager
def driven(python: Path, script: Path, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Driven]:
    """A script under way, ended at the end."""
    made = Driven([str(python), str(script), *args], env)
    try:
        yield made
    finally:
        made.close()
