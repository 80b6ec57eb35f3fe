"""Whether this gateway is about to stop."""

from gateway.shared import ENDING


def begin() -> None:
    """From here on nobody is sent here any more, and streams end."""
    ENDING[0] = 1


def has_begun() -> bool:
    """Whether it is about to stop."""
    return bool(ENDING[0])
