"""The logs of this house: structlog, which is imported with the first line that is written.

Most commands write none, and importing it takes longer than what they do.
"""

import logging
from typing import Any

NONE = logging.CRITICAL + 1
"""The root logger's level at which no line is written."""


class Log:
    """A logger of structlog with this name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if logging.root.level >= NONE:
            return _nothing
        if self._logger is None:
            import structlog

            self._logger = structlog.get_logger(self._name)
        return getattr(self._logger, method)


def _nothing(*_words: object, **_values: object) -> None:
    """Writes no line."""
