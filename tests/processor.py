"""`python -m tests.processor [--beside FOLDER] COMMAND…`: the processor time of a command and all that it starts.

User and system time in seconds, as the kernel counts them, also of what outlives the process that started it. With
`--beside` the command runs first there, in another build's folder, then here, and the ratio is told:
`python -m tests.processor --beside ../former make test`. Linux only. The exit code is the command's own.
"""

import argparse
import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time, and the command's exit code."""

    user: float
    system: float
    code: int

    @property
    def seconds(self) -> float:
        return self.user + self.system


def spent(command: Sequence[str], folder: Path) -> Spent:
    """Run a command and wait for everything it has started. Errors: `OSError`."""
    # Whoever loses its parent becomes our child, so that its time is counted too.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system does not hand on orphans")
    process = subprocess.Popen(command, cwd=folder, stdout=sys.stderr)
    user = system = 0.0
    code = 1
    while True:
        try:
            number, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return Spent(user, system, code)
        user, system = user + usage.ru_utime, system + usage.ru_stime
        if number == process.pid:
            code = process.returncode = os.waitstatus_to_exitcode(status)


def main(arguments: Sequence[str]) -> int:
    """The exit code: that of the command here."""
    parser = argparse.ArgumentParser(prog="python -m tests.processor", description="processor time")
    parser.add_argument("--beside", type=Path, help="run it first in this folder, and compare")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    if not chosen.command:
        parser.error("name a command, such as make test")
    other = spent(chosen.command, chosen.beside) if chosen.beside else None
    here = spent(chosen.command, Path.cwd())
    for name, one in (("beside", other), ("here", here)):
        if one:
            print(
                f"{name}: {one.seconds:.1f} s (user {one.user:.1f}, system {one.system:.1f}), exit code {one.code}"
            )
    if other:
        print(f"ratio: {here.seconds / other.seconds:.3f}")
    return here.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
