"""Where the index lives: a folder with one sub-folder for each generation, and a file that names the current one.

A rebuild fills a new generation beside the old one and then changes the name, in one atomic step; a reader that has
the old one open keeps it until it looks again.
"""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import tantivy

from federation.errors import UnavailableError
from federation.files import sync_folder
from federation.followers import Fetch
from federation.search.answer import SearchError
from federation.search.tantivy.proof import TRIES, Proof
from federation.search.tantivy.queries import term
from federation.search.tantivy.schema import SCHEMA, schema
from federation.whole import Suspicion

CURRENT, DAMAGED = "current", "damaged-"
POSITION = "position"


class IndexMissingError(UnavailableError):
    """There is no index here that this version can read: it is absent, damaged or of another schema."""

    code = "index-building"
    retry_after = 1


class DamagedIndexError(IndexMissingError):
    """A file of the index is not what was written. Remedy: build it anew."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One whole index: its sub-folder's name, and the index."""

    name: str
    index: tantivy.Index
    proof: Proof


def current(path: Path) -> str | None:
    """The name of the generation in use."""
    try:
        return (path / CURRENT).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def open_current(path: Path) -> Generation:
    """Opens the generation in use, once its files are proven whole. Errors: `IndexMissingError`."""
    name = current(path)
    if name is None:
        raise IndexMissingError(f"no index in {path}")
    proof = Proof(path / name)
    if (damage := proof.damage(opening=True)) is not None:
        Suspicion(path).mark(name)  # whoever may not write tells the writer
        raise DamagedIndexError(f"{name}/{damage} is not what was written")
    index, _ = _opened(path / name)
    return Generation(name, index, proof)


def _opened(generation: Path) -> tuple[tantivy.Index, int]:
    """The index in a folder, and its position. Errors: `IndexMissingError`."""
    with engine_errors():
        index = tantivy.Index.open(str(generation))
        index.config_reader("manual")
        index.reload()
        return index, position(index.searcher())


def create(path: Path) -> Generation:
    """A new, empty generation, not yet in use."""
    name = _new_name()
    (path / name).mkdir(parents=True)
    with engine_errors():
        index = tantivy.Index(schema(), str(path / name), reuse=False)
        index.config_reader("manual")
        return Generation(name, index, Proof(path / name))


def _new_name() -> str:
    return f"generation-{uuid4().hex[:12]}"


def publish(path: Path, generation: Generation) -> None:
    """Makes a generation the one in use, and removes the others."""
    draft = path / f"{CURRENT}.{generation.name}"
    with draft.open("w", encoding="ascii") as file:
        file.write(generation.name)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path / CURRENT)
    sync_folder(path)
    remove_others(path, generation.name)
    for damaged in path.glob(f"{DAMAGED}*"):
        shutil.rmtree(damaged, ignore_errors=True)


def set_aside(path: Path, name: str) -> None:
    """Have nobody use a generation any more; its files stay until there is another one. Errors: `OSError`."""
    (path / CURRENT).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        (path / name).rename(path / f"{DAMAGED}{name}")


def is_set_aside(path: Path, name: str) -> bool:
    """Whether a generation was found to be damaged."""
    return (path / f"{DAMAGED}{name}").exists()


def remove_others(path: Path, keep: str) -> None:
    """Removes generations that are not in use: old ones, and what a killed rebuild left."""
    for other in path.glob("generation-*"):
        if other.name != keep:
            shutil.rmtree(other, ignore_errors=True)
    for draft in path.glob(f"{CURRENT}.*"):
        if draft.name != f"{CURRENT}.{keep}":
            draft.unlink(missing_ok=True)


def link(path: Path, into: Path) -> int:
    """Link the files of the generation in use into an empty folder, as of one commit. Returns its position.

    Errors: `IndexMissingError`, `OSError`.
    """
    for _ in range(TRIES):
        generation = open_current(path)
        try:
            generation.proof.link(into)
            return _opened(into)[1]
        except (FileNotFoundError, IndexMissingError):  # files went while we looked, after a merge
            for one in into.iterdir():
                one.unlink()
    raise IndexMissingError("the index is being written faster than it can be linked")


def adopt(path: Path, fetch: Fetch) -> bool:
    """Make what another machine made the generation in use; False where there is nothing to be had.

    Errors: `OSError`.
    """
    generation = path / _new_name()
    if not fetch(SCHEMA, 0, generation):
        return False
    try:
        index, _ = _opened(generation)
    except IndexMissingError:
        shutil.rmtree(generation)
        return False
    proof = Proof(generation)
    proof.record()
    publish(path, Generation(generation.name, index, proof))
    return True


def position(searcher: tantivy.Searcher) -> int:
    """The change position that this state of an index holds. Errors: `IndexMissingError`."""
    found = searcher.search(term("meta", POSITION), limit=1, count=False).hits
    if not found:
        raise IndexMissingError("the index holds no position")
    stored = json.loads(bytes(searcher.doc(found[0][1])["stored"][0]))
    if stored.get("schema") != SCHEMA:
        raise IndexMissingError(f"the index is of schema {stored.get('schema')}, this version reads {SCHEMA}")
    return int(stored[POSITION])


def position_document(value: int) -> tantivy.Document:
    """The special document that carries the position in the same commit as what it speaks of."""
    document = tantivy.Document()
    document.add_text("meta", POSITION)
    document.add_bytes("stored", json.dumps({POSITION: value, "schema": SCHEMA}).encode())
    return document


class engine_errors:  # noqa: N801  # reads as a statement: with engine_errors()
    """Turns whatever the engine raises, its panics too (which are no `Exception`), into
    `IndexMissingError`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (IndexMissingError, SearchError)):
            return
        if isinstance(error, (ValueError, OSError, KeyError, TypeError)) or is_panic(error):
            raise IndexMissingError(
                f"the index cannot be used: {' '.join(str(error).split())[:200]}"
            ) from error


def is_panic(error: BaseException) -> bool:
    """Whether the engine panicked; its exception is derived from `BaseException` and has no importable name."""
    return type(error).__name__ == "PanicException"
