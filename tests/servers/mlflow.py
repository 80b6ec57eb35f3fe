"""Emptying a real MLflow server between two tests, which is a thousand times faster than starting one."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.demo.servers import Server

_KEPT = {"alembic_version", "experiments", "workspaces"}


def database(running: Server) -> Path:
    """The SQLite file behind a server that `mlflow_server` started."""
    return running.log.parent / "mlflow.db"


def empty(running: Server) -> None:
    """Delete every model, version, run and logged model, and every experiment but the default one."""
    with closing(sqlite3.connect(database(running), timeout=30)) as connection, connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in names.fetchall():
            if name not in _KEPT:
                connection.execute(f'DELETE FROM "{name}"')
        connection.execute("DELETE FROM experiments WHERE experiment_id <> 0")
