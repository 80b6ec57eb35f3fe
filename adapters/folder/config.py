"""How a share with models is configured."""

from pathlib import Path

from pydantic import Field, field_validator

from adapters.contract import AdapterConfig, WebAddress
from adapters.files import MARKER

NAME = r"^[^/\x00-\x1f]{1,100}$"


class FolderConfig(AdapterConfig):
    """A folder of this machine, most often a mounted share: `NAME/VERSION/…`."""

    path: Path = Field(description="the folder, as an absolute path")
    marker: str = Field(
        default=MARKER,
        pattern=NAME,
        description="small file at its top; its text is the share's identity, without it nothing is mounted",
    )
    levels: int = Field(
        default=1, ge=1, le=8, description="folders that make up a model's name: 2 for TEAM/NAME/VERSION"
    )
    sidecar: str = Field(
        default="waypost.yaml",
        pattern=NAME,
        description="file of a model or version that says what files cannot",
    )
    settle: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="seconds for which nothing of a version may have changed before it is read, by the share's clock",
    )
    concurrency: int = Field(default=8, ge=1, le=64, description="versions that are read at once")
    digests: Path | None = Field(
        default=None,
        description="file elsewhere that keeps digests, so that a restart need not read the whole share again",
    )
    base_url: WebAddress | None = Field(
        default=None,
        description="address under which people find the same folders, for links: https://files.example/models",
    )

    @field_validator("path", "digests")
    @classmethod
    def _is_absolute(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_absolute():
            raise ValueError("must be an absolute path, for example /mnt/models")
        return path

    @field_validator("marker", "sidecar")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if name in (".", ".."):
            raise ValueError("must be the name of a file")
        return name
