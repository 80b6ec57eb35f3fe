"""Programs of this machine that an adapter asks: bounded in time, output and disk, in an environment given whole."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.calls import proceed
from adapters.errors import InvalidError, TransientError

_LIMITED = 'ulimit -f "$0" && exec "$@"'
"""`ulimit -f` counts 512 bytes; it bounds every file that a program writes, its output among them."""
LONGEST_COMPLAINT = 1 << 16


@dataclass(frozen=True, slots=True)
class Program:
    """A program and its bounds: `seconds` of a run, bytes of what it prints (`most_printed`) and of each file that it
    writes (`most_written`).
    """

    name: str
    seconds: float
    most_printed: int
    most_written: int

    def run(
        self, arguments: tuple[str, ...], *, given: str, folder: Path, environment: Mapping[str, str]
    ) -> tuple[int, bytes, str]:
        """How it ended (0: well), what it printed, and what it complained of. Nothing of it goes on afterwards.

        Errors: `TransientError` where it takes too long, `InvalidError` where it prints too much.
        """
        seconds = min(self.seconds, proceed())
        with (
            tempfile.TemporaryFile() as asked,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as said,
        ):
            asked.write(given.encode())
            asked.seek(0)
            process = subprocess.Popen(
                ("sh", "-c", _LIMITED, str(self.most_written // 512), self.name, *arguments),
                stdin=asked, stdout=out, stderr=said, cwd=folder, env=environment, start_new_session=True,
            )  # fmt: skip
            code = -1
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise TransientError(f"no answer within {seconds:.0f} s: raise `timeout`") from None
            finally:
                if code < 0:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            out.seek(0)
            said.seek(0)
            printed = out.read(self.most_printed + 1)
            if len(printed) > self.most_printed:
                raise InvalidError("it prints more than `max_response_mb`: raise that")
            return code, printed, said.read(LONGEST_COMPLAINT).decode("utf-8", "replace")
