"""The end of the demo: one row of the audit log is changed behind the gateway's back, and the verifier names it.

`python -m gateway.demo.tamper DATABASE ADDRESS` does it to a running demo, and puts the row back.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from federation.database import sqlite_module
from federation.journal.verify import Report, verify_export
from gateway.cli.asked import Gateway
from gateway.cli.client import remote
from gateway.cli.export import exported, write
from gateway.cli.failure import CommandError, report

BEFORE, AFTER = b'"actor":"system"', b'"actor":"nobody"'


def tamper(database: Path, url: str, say: Callable[[str], None]) -> None:
    """Change a row, export, verify, put it back; each step is said in a line. Errors: `CommandError`."""
    with tempfile.TemporaryDirectory() as name, remote(url) as gateway:
        path = Path(name) / "audit.jsonl"
        first = _verified(gateway, path)
        say(f"$ waypost audit export --output audit.jsonl && waypost audit verify audit.jsonl\n{first}")
        with changed(database, first.signed) as seq:
            say(f"\nUPDATE journal SET entry = … WHERE seq = {seq}   -- the actor is nobody now\n")
            second = _verified(gateway, path)
            say(f"$ waypost audit export --output audit.jsonl && waypost audit verify audit.jsonl\n{second}")
        say("\nthe row is as it was again")
        if second.ok or second.problem is None or second.problem.first != seq:
            raise CommandError("the verifier did not name the row that was changed")


@contextmanager
def changed(database: Path, end: int) -> Iterator[int]:
    """One of the last entries before number `end` has another actor while the block lasts; gives its number."""
    with closing(sqlite_module().connect(str(database), timeout=30)) as connection:
        find = "SELECT seq, entry FROM journal WHERE seq > 1 AND seq < ? AND instr(entry, ?) ORDER BY seq DESC LIMIT 9"
        rows = connection.execute(find, (end, BEFORE)).fetchall()
        if not rows:
            raise CommandError("the log has no entry to tamper with yet: wait for the first sync")
        seq, data = rows[-1]
        try:
            _write(connection, seq, bytes(data).replace(BEFORE, AFTER))
            yield seq
        finally:
            _write(connection, seq, data)


def _write(connection: Any, seq: int, data: bytes) -> None:
    connection.execute("UPDATE journal SET entry = ? WHERE seq = ?", (data, seq))
    connection.commit()


def _verified(gateway: Gateway, path: Path) -> Report:
    gateway.text("/audit/checkpoint")  # everything there is, is signed then
    write(path, exported(gateway, {"format": "jsonl"}))
    return verify_export(path)


def emit(text: str) -> None:
    """Print lines."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """The command line."""
    if len(arguments) != 2:
        sys.stderr.write("python -m gateway.demo.tamper DATABASE ADDRESS\n")
        return 2
    try:
        tamper(Path(arguments[0]), arguments[1], emit)
    except CommandError as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
