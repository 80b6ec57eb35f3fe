"""How many files a process may have open: all of a gateway have what it was started with, whenever they start."""

import os
import resource

STARTED_WITH = "WAYPOST_DESCRIPTORS"


def note_descriptors() -> None:
    """Remember the limit of now for the processes that this one starts."""
    os.environ[STARTED_WITH] = str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def restore_descriptors() -> None:
    """Take the limit that was noted: a process that was started while there were none left would keep that for good."""
    noted = os.environ.get(STARTED_WITH)
    if noted is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(noted) if hard == resource.RLIM_INFINITY else min(int(noted), hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
