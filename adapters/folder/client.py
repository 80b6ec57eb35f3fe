"""The share: the marker that tells that it is mounted, and the sidecars."""

import os

from adapters.errors import BadRecordError, InvalidError, NotFoundError, TransientError
from adapters.files import Tree, translated
from adapters.folder.config import FolderConfig
from adapters.writing import digest

LARGEST_MARKER, LARGEST_SIDECAR = 4096, 1 << 16


class Share(Tree):
    """The configured folder."""

    def __init__(self, config: FolderConfig) -> None:
        super().__init__(os.fspath(config.path))
        self.config = config

    def identity(self) -> str:
        """What the marker says. Errors: `TransientError` where it is missing: then nothing is mounted there."""
        marker = self.config.marker
        try:
            with translated(()), self.folder() as top:
                text = self.small(top, marker, LARGEST_MARKER)
        except (NotFoundError, BadRecordError):
            raise TransientError(
                f"{self.path} has no plain file {marker} of at most {LARGEST_MARKER} bytes: the share is not mounted; "
                f"or it is new, then write a text of its own into that file once"
            ) from None
        if not text.strip():
            raise InvalidError(f"{self.path}/{marker} is empty: write a text into it that no other share has")
        return f"folder:{digest([text.decode('utf-8', 'replace')])}"

    def sidecar(self, at: int) -> tuple[str, os.stat_result | None]:
        """The text of a folder's sidecar and what the file is; nothing where there is none."""
        try:
            found = os.stat(self.config.sidecar, dir_fd=at, follow_symlinks=False)
            return self.small(at, self.config.sidecar, LARGEST_SIDECAR).decode(), found
        except FileNotFoundError:
            return "", None
        except UnicodeDecodeError:
            raise BadRecordError(f"{self.config.sidecar} is not UTF-8: look at it on the share") from None
