"""One vector for each model, in files beside the index that are mapped into memory.

Four columns of as many rows: the model's id (0: the row is free), its registry's id, the signs of the vector (32
bytes, which tell the near from the far), and its numbers (256 bytes). One process writes, in place; others read the
same pages. A row that is older or newer than the index finds nothing wrong: what is shown is what the index has.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from federation.access import View
from federation.search.vectors.embedding import DIMENSIONS, SCALE, Quantised, dots
from federation.search.vectors.layout import ABOUT, NAME, PREFIX

COLUMNS: dict[str, tuple[type[np.generic], int]] = {
    "models": (np.uint64, 1), "registries": (np.uint32, 1), "signs": (np.uint64, DIMENSIONS // 64),
    "values": (np.int8, DIMENSIONS),
}  # fmt: skip
"""Each column's type, and how many of it a row has."""
FIRST_ROWS = 1_024
CANDIDATES = 512
"""So many of the nearest by their signs are compared by their numbers, and those that are as near."""


UNSEEN = DIMENSIONS + 1
"""Further away than anything is."""


class Near(NamedTuple):
    """A model, and how near it is: 1 for the same words, 0 for none in common. In steps of a thousandth."""

    similarity: float
    model: int


def signs_of(vectors: Quantised) -> NDArray[np.uint64]:
    """The signs of vectors, 64 in a number."""
    return np.packbits(vectors > 0, axis=1).view(np.uint64)


def _mapped(folder: Path, mode: Any) -> dict[str, NDArray[Any]]:
    """The columns as far as all of them reach. Errors: `OSError`, `ValueError`."""
    found: dict[str, NDArray[Any]] = {}
    for name, (kind, width) in COLUMNS.items():
        found[name] = np.memmap(folder / f"{PREFIX}{name}", kind, mode).reshape(-1, width)
    rows = min(map(len, found.values()))
    return {name: column[:rows] for name, column in found.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The reading side, of one generation of the index."""

    folder: Path
    columns: dict[str, NDArray[Any]]

    @classmethod
    def open(cls, generation: Path) -> "Vectors":
        """Those of a generation of the index. Errors: `OSError`, `ValueError`."""
        return cls(generation, _mapped(generation, "r"))

    def nearest(self, vector: Quantised, view: View, most: int, least: float) -> list[Near]:
        """At most `most` models of a view that are at least so near, nearest first; those of one similarity by id.

        What the view does not see changes nothing: the nearest by signs are taken among those it sees, and all that
        are as near as the last of them.
        """
        if not vector.any() or not _reach(self.folder, self.columns):
            return []
        distances = self._distances(vector)
        distances[~self._seen(view)] = UNSEEN
        furthest = np.int16(DIMENSIONS)
        if len(distances) > CANDIDATES:
            furthest = min(furthest, np.partition(distances, CANDIDATES - 1)[CANDIDATES - 1])
        rows = np.flatnonzero(distances <= furthest)
        near = self._thousandths(rows, vector)
        kept = near >= round(least * 1_000)
        found = zip((-near[kept]).tolist(), self.columns["models"][rows[kept], 0].tolist(), strict=True)
        return [Near(-thousandths / 1_000, model) for thousandths, model in sorted(found)[:most]]

    def similarities(self, vector: Quantised, models: Sequence[int]) -> dict[int, float]:
        """How near each of these models is, of those that have a vector."""
        if not _reach(self.folder, self.columns):
            return {}
        rows = np.flatnonzero(np.isin(self.columns["models"][:, 0], np.array(models, np.uint64)))
        found = self._thousandths(rows, vector).tolist()
        return dict(
            zip(self.columns["models"][rows, 0].tolist(), (one / 1_000 for one in found), strict=True)
        )

    def _thousandths(self, rows: NDArray[np.int64], vector: Quantised) -> NDArray[np.int32]:
        return dots(self.columns["values"][rows], vector) * 1_000 // SCALE**2

    def of(self, model: int) -> Quantised | None:
        """The vector of a model, None where it has none."""
        if not _reach(self.folder, self.columns):
            return None
        rows = np.flatnonzero(self.columns["models"][:, 0] == model)
        return None if len(rows) == 0 else np.array(self.columns["values"][rows[0]])

    def _distances(self, vector: Quantised) -> NDArray[np.int16]:
        """In how many signs each row differs. Column by column: along rows NumPy sums ten times as slowly."""
        asked, found = signs_of(vector[np.newaxis])[0], np.zeros(len(self.columns["signs"]), np.int16)
        for column, bits in zip(self.columns["signs"].T, asked, strict=True):
            found += np.bitwise_count(column ^ bits)
        return found

    def _seen(self, view: View) -> NDArray[np.bool_]:
        used: NDArray[np.bool_] = self.columns["models"][:, 0] != 0
        if view.registry_ids is None:
            return used
        return used & np.isin(self.columns["registries"][:, 0], sorted(view.registry_ids))


def _rows(folder: Path, name: str) -> int:
    kind, width = COLUMNS[name]
    path = folder / f"{PREFIX}{name}"
    return path.stat().st_size // (np.dtype(kind).itemsize * width) if path.exists() else 0


def _reach(folder: Path, columns: dict[str, NDArray[Any]]) -> bool:
    """Whether the files are still as long as they are mapped: who reads behind the end of one is ended by the system.
    A file that was removed stays as long as it was."""
    return all(
        _rows(folder, name) >= len(column) or not (folder / f"{PREFIX}{name}").exists()
        for name, column in columns.items()
    )


def _reserve(file: int, size: int) -> None:
    """Make a file so long, with its room on the disk: on one that is full, the system ends who touches a hole.

    Errors: `OSError`.
    """
    if sys.platform == "linux":
        os.posix_fallocate(file, 0, size)
    os.ftruncate(file, size)


@dataclass(slots=True)
class VectorWriter:
    """The writing side, of one process, in the folder of a generation. Errors of every method: `OSError`."""

    folder: Path
    columns: dict[str, NDArray[Any]] = field(init=False)
    _rows: dict[int, int] = field(init=False)
    """The row of each model."""
    _free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        rows = {_rows(self.folder, name) for name in COLUMNS}
        if len(rows) > 1:  # a file was lost or cut off
            (self.folder / ABOUT).unlink(missing_ok=True)
        self._grow(max(rows | {FIRST_ROWS}))
        models = self.columns["models"][:, 0].tolist()
        self._rows = {model: row for row, model in enumerate(models) if model}
        self._free = [row for row, model in enumerate(models) if not model][::-1]

    def put(self, models: Sequence[int], registries: Sequence[int], vectors: Quantised) -> None:
        """The vectors of models, in place of those they had."""
        self._look()
        rows = [self._row(model) for model in models]
        self.columns["models"][rows, 0] = 0  # nobody finds them while they are written
        self.columns["registries"][rows, 0] = registries
        self.columns["signs"][rows] = signs_of(vectors)
        self.columns["values"][rows] = vectors
        self.columns["models"][rows, 0] = models

    def _row(self, model: int) -> int:
        row = self._rows.get(model)
        if row is None:
            if not self._free:
                held = len(self.columns["models"])
                self._grow(2 * held)
                self._free = list(range(held, 2 * held))[::-1]
            row = self._rows[model] = self._free.pop()
        return row

    def drop(self, models: Iterable[int]) -> None:
        """These models have none any more."""
        self._look()
        for model in models:
            row = self._rows.pop(model, None)
            if row is not None:
                self.columns["models"][row] = 0
                self._free.append(row)

    def drop_registry(self, registry: int) -> None:
        """The models of a registry have none any more."""
        self._look()
        rows = np.flatnonzero(self.columns["registries"][:, 0] == registry)
        self.drop(model for model in self.columns["models"][rows, 0].tolist() if model)

    def complete(self) -> None:
        """All models have theirs: readers may use them."""
        self.flush()
        draft = self.folder / f"{ABOUT}.draft"
        draft.write_text(json.dumps({"embedding": NAME}))
        draft.replace(self.folder / ABOUT)

    def flush(self) -> None:
        """Write what was changed to the disk. What a machine loses comes back with the model's next change."""
        for column in self.columns.values():
            base: Any = column
            base.flush()

    def _look(self) -> None:
        if not _reach(self.folder, self.columns):
            raise OSError("the files of the vectors were cut off: they are filled again")

    def _grow(self, rows: int) -> None:
        for name, (kind, width) in COLUMNS.items():
            with (self.folder / f"{PREFIX}{name}").open("ab") as file:
                _reserve(file.fileno(), rows * np.dtype(kind).itemsize * width)
        self.columns = _mapped(self.folder, "r+")
