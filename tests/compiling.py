"""Each process of a parallel run compiles a part of what all import: on a fresh clone each would compile all of it.

Tests are compiled as pytest does it, with assertions that say what they compared, into the files where it looks for
them. Whoever comes too early to find one compiles it as before.
"""

import compileall
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

ROOT = Path(__file__).parent.parent
PACKAGES = ("adapters", "federation", "gateway", "tests")


def compile_part(config: pytest.Config, number: int, count: int) -> None:
    """Compile every file whose place, modulo `count`, is `number`, and that is not compiled yet."""
    if not sys.dont_write_bytecode:
        for file in list(sources())[number::count]:
            if file.name.startswith("test_"):
                _compile_test(config, file)
            else:
                compileall.compile_file(file, quiet=2)


def sources() -> Iterator[Path]:
    """Every module of the product and its tests, in an order that is the same in each process."""
    for package in PACKAGES:
        for folder, folders, names in os.walk(ROOT / package):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _compile_test(config: pytest.Config, file: Path) -> None:
    compiled = rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
    if rewrite._read_pyc(file, compiled) is None and rewrite.try_makedirs(compiled.parent):
        stat, code = rewrite._rewrite_test(file, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, stat, compiled)
