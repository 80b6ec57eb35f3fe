"""The share and its sidecars."""

import os

from adapters.errors import BadRecordError
from adapters.files import Share
from adapters.folder.config import FolderConfig

LARGEST_SIDECAR = 1 << 16


class ModelShare(Share):
    """The configured folder."""

    def __init__(self, config: FolderConfig) -> None:
        super().__init__(config.path, config.marker)
        self.config = config

    def sidecar(self, at: int) -> tuple[str, os.stat_result | None]:
        """The text of a folder's sidecar and what the file is; nothing where there is none."""
        try:
            found = os.stat(self.config.sidecar, dir_fd=at, follow_symlinks=False)
            return self.small(at, self.config.sidecar, LARGEST_SIDECAR).decode(), found
        except FileNotFoundError:
            return "", None
        except UnicodeDecodeError:
            raise BadRecordError(f"{self.config.sidecar} is not UTF-8: look at it on the share") from None
