"""How a command fails: one line on standard error and an exit code; a stack trace only where it is asked for."""

import os
import sys
import traceback

from federation.errors import UnavailableError, WaypostError
from gateway.characters import inert
from gateway.cli.invocation import DEBUG, addressed, debugging

OK, NO, USAGE, UNREACHABLE = 0, 1, 2, 3
"""Exit codes: fine; the answer is "no"; wrong usage or bad input; the gateway or a backend could not be reached."""
INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on. One line with cause and remedy, and the exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def report(error: Exception) -> int:
    """Tell the user what happened; returns the exit code."""
    if debugging():
        traceback.print_exception(error)
    message, code = explain(error)
    sys.stderr.write(f"waypost: {inert(addressed(message))}\n")
    return code


def explain(error: Exception) -> tuple[str, int]:
    """The line for an error, and the exit code."""
    if isinstance(error, CommandError):
        return str(error), error.code
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror or type(error).__name__}", USAGE
    unexpected = (
        f"an error inside Waypost ({type(error).__name__}): {DEBUG}=1 before the command shows where, "
        "and helps us when you report it"
    )
    return _known(error) or (unexpected, USAGE)


def _known(error: Exception) -> tuple[str, int] | None:
    """The errors of the packages, which say themselves what to do. Whoever runs a command here is an operator."""
    if isinstance(error, WaypostError):
        return error.whole, UNREACHABLE if isinstance(error, UnavailableError) else USAGE
    from adapters import AdapterError, TransientError  # only now: they take half a second

    if isinstance(error, AdapterError):
        return str(error), UNREACHABLE if isinstance(error, TransientError) else USAGE
    return None


def silence_broken_pipe() -> None:
    """After the reader of our output has gone: let the interpreter end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
