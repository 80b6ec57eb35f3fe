#!/usr/bin/env bash
# pysqlite3 tells of a table that is gone once, and from then on that it is empty.
#
# Versions: pysqlite3 0.6.1 (SQLite 3.53.4); Python 3.11 and its own sqlite3 (SQLite 3.40.1) for comparison.
# Behaviour: a connection has read a table; another one renames it away. The same SELECT raises "no such table", as it should.
#   Asked again on that connection it gives no rows and no error, each time, as long as the cursor that failed is not closed.
#   Whoever catches the error keeps that cursor, by the frames of its traceback: a loop that logs what failed and asks again
#   reads an absent table as an empty one. With the cursor closed, or after a rollback of a transaction, it raises each time.
#   Python's own sqlite3 raises each time in any case.
# Output seen:
#   sqlite3, cursors kept: [(1,)] no such table, no such table, no such table
#   sqlite3, cursors closed: [(1,)] no such table, no such table, no such table
#   pysqlite3, cursors kept: [(1,)] no such table, [], []
#   pysqlite3, cursors closed: [(1,)] no such table, no such table, no such table
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pysqlite3==0.6.1
cat > "$folder/seen.py" <<'PYTHON'
import sqlite3
import sys
from pathlib import Path

import pysqlite3


def asked(connection, cursors, closes):
    """The rows of the table, or what was said instead."""
    cursor = connection.cursor()
    cursors.append(cursor)
    try:
        return str(cursor.execute("SELECT page FROM paper").fetchall())
    except Exception as error:
        if closes:
            cursor.close()
        return str(error).partition(":")[0]


for module in (sqlite3, pysqlite3):
    for closes in (False, True):
        file = Path(sys.argv[1]) / f"{module.__name__}-{closes}.db"
        ours, other = (module.connect(file, isolation_level=None) for _ in range(2))
        other.execute("CREATE TABLE paper (page INTEGER)")
        other.execute("INSERT INTO paper VALUES (1)")
        cursors = []
        first = asked(ours, cursors, closes)
        other.execute("ALTER TABLE paper RENAME TO moved")
        then = ", ".join(asked(ours, cursors, closes) for _ in range(3))
        print(f"{module.__name__}, cursors {'closed' if closes else 'kept'}: {first} {then}")
PYTHON
diff <(sed -n 's/^#   \(p\?y\?sqlite3, cursors .*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py" "$folder")
echo "as described"
