"""SQLAlchemy compiles a statement once for each engine, and each test has an engine of its own: a seventh of the time
that tests take. In the processes of tests, engines of one kind share what was compiled.

The text of a statement and how its values are handed over depend on dialect and driver alone; whose dialect object it
was makes no difference, but is a part of SQLAlchemy's key.
"""

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.util import LRUCache

from federation import database, servers

MOST = 5_000
"""Statements that are kept; some tests make tables of their own."""


class CompiledStatements(LRUCache[Any, Any]):
    """What was compiled, by dialect and driver in place of the dialect object."""

    def __init__(self) -> None:
        super().__init__(MOST)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_its_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_its_kind(key), value)


def _of_its_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *others = key
    return (type(dialect), dialect.driver, *others)


def share_compiled_statements() -> None:
    """From now on, in this process, for engines that the federation opens."""
    shared = CompiledStatements()

    def created(*args: Any, **kwargs: Any) -> Engine:
        engine = create_engine(*args, **kwargs)
        engine.update_execution_options(compiled_cache=shared)
        return engine

    for module in (database, servers):
        setattr(module, "create_engine", created)  # noqa: B010 - the name that each has imported
