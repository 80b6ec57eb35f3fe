"""What a real MLflow server of the tests is started with, and emptying it, a thousand times faster than a start."""

import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.fernet import Fernet

from gateway.demo.servers import Server

WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}
"""Webhooks of MLflow may go to this machine, and count from when they are made, not from a minute later."""
GUARDED = """
[[policies]]
name = "guard"
on = "*"
{rule}
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
writable = true
stages = {{ production = ["alias:champion"] }}
config = {{ url = "{url}" }}
"""
"""The configuration of a registry over a server, with a `rule` of the policy that guards its production."""
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
