"""A page of memory that the supervisor and the API processes that it forks share: made before it forks."""

import mmap

_PAGE = memoryview(mmap.mmap(-1, 16))
ENDING = _PAGE[:1]
"""1: this gateway is about to stop."""
ASKED_AT = _PAGE[8:].cast("d")
"""When something else than a file was last asked for, by the clock that only runs forward."""
