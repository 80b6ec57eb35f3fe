"""Write the first migration anew from the tables, until the first release only.

`python -m federation.migrations.renew`
"""

import tempfile
from pathlib import Path

from alembic import command

from federation.database import open_engine, writing
from federation.schema import FOLDER, LATEST, alembic_config


def renew() -> None:
    """Replace migration 0001 by one that makes the present tables."""
    for old in (FOLDER / "versions").glob("0*.py"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'empty.db'}")
        with writing(engine) as connection:
            config = alembic_config(connection)
            command.revision(config, "The first schema", autogenerate=True, rev_id=LATEST)
        engine.dispose()


if __name__ == "__main__":
    renew()
