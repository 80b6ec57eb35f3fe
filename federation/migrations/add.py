"""Write the next migration: what changed in the tables since the newest one.

`python -m federation.migrations.add "What it does"`, then read it, mend it, and set `schema.LATEST`.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command

from federation import schema
from federation.database import open_engine, writing


def add(title: str) -> str:
    """Compare a database of the newest migration with the tables and write what is missing; its number."""
    number = f"{int(schema.LATEST) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'newest.db'}")
        schema.migrate(engine)
        with writing(engine) as connection:
            command.revision(schema.alembic_config(connection), title, autogenerate=True, rev_id=number)
        engine.dispose()
    return number


if __name__ == "__main__":
    add(" ".join(sys.argv[1:]))
