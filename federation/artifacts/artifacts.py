"""Copying the files of a version into another registry, as promotions ask for it."""

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from adapters import Adapter
from federation.artifacts.reading import ArtifactReader
from federation.artifacts.words import Copied, CopyOrder, CopySide, CopyWord, digest_of
from federation.programs import program

__all__ = [
    "ArtifactCopier",
    "ArtifactReader",
    "Copied",
    "CopyOrder",
    "CopySide",
    "CopyWord",
    "digest_of",
    "unable",
]
PATIENCE = 6 * 3600.0
"""Seconds after which a copy is ended; what is there by then is not copied again."""
CopyArtifacts = Callable[[CopyOrder, Callable[[CopyWord], None]], CopyWord]
"""Copies; the second is told of each file that is there. Returns how it ended."""


def unable(
    source: type[Adapter], of_source: Mapping[str, Any], target: type[Adapter], of_target: Mapping[str, Any]
) -> str | None:
    """Why artifacts are not copied between two registries, by their kinds and configurations; None: they may be."""
    if source.list_files is Adapter.list_files and not of_source.get("artifacts"):
        return f"{source.kind} gives no artifacts away, and config.artifacts does not say where they lie"
    if target.room is Adapter.room and not of_target.get("artifacts"):
        return f"{target.kind} takes no artifacts, and config.artifacts does not say where they may lie"
    return None


@dataclass(frozen=True, slots=True)
class ArtifactCopier:
    """Starts the process and reads what it says. Safe for several threads."""

    plugins: Path | None = None

    def __call__(self, order: CopyOrder, keep: Callable[[CopyWord], None]) -> CopyWord:
        """As `CopyArtifacts`."""
        last = CopyWord(failed="the process that copies ended without a word")
        for said in self._said(msgspec.structs.replace(order, plugins=self.plugins)):
            if said.file is not None:
                keep(said)
            else:
                last = said
        return last

    @staticmethod
    def _said(order: CopyOrder) -> Iterator[CopyWord]:
        command = program("federation.artifacts.process")
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        with process:
            watch = threading.Timer(PATIENCE, process.kill)
            watch.start()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(msgspec.json.encode(order))
                process.stdin.close()
                for line in process.stdout:
                    yield msgspec.json.decode(line, type=CopyWord)
            except BrokenPipeError:
                return
            finally:
                watch.cancel()
                process.kill()
