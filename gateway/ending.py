"""Whether this gateway is about to stop: one byte that its supervisor and the API processes that it forks share."""

import mmap

_FLAG = mmap.mmap(-1, 1)


def begin() -> None:
    """From here on nobody is sent here any more, and streams end."""
    _FLAG[0] = 1


def has_begun() -> bool:
    """Whether it is about to stop."""
    return bool(_FLAG[0])
