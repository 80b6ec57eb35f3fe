"""What the standard library lacks for files that must outlast a loss of power."""

import os
from pathlib import Path


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk, as `fsync` has a file's bytes. Errors: `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
