"""A share with models, as files: `NAME/VERSION/…`, each folder with a sidecar of YAML that says what files cannot."""

from adapters.folder.adapter import FolderAdapter
from adapters.folder.config import FolderConfig

__all__ = ["FolderAdapter", "FolderConfig"]
