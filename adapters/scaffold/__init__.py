"""A new adapter to start from: a package of its own, or a single file for the plugin folder.

What is generated passes its conformance tests as it is, against a fake registry that comes with it.
"""

import keyword
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from string import Template

PARTS = ("adapter", "fake", "harness")
GUIDE = Path(__file__).parent.parent / "README.md"
"""How to write an adapter."""


class ScaffoldError(ValueError):
    """An adapter cannot be generated. One line with the remedy."""


def new(kind: str, *, incremental: bool = False) -> dict[str, str]:
    """A package for a kind: contents by path. Without `incremental` its adapter lists everything each time, as
    `ListingAdapter` does. Errors: `ScaffoldError` for a name that is none.
    """
    names = _names(kind) | {"serve": "8900 SECRET", "path": ""}
    if incremental:
        names |= {"serve": "--token SECRET", "path": "/api"}
        parts = (_fill("incremental_adapter", names), _shelf(names), _fill("incremental_harness", names))
    else:
        adapter = _fill("adapter_head", names) + _fill("adapter", names)
        fake = _fill("fake_head", names) + _fill("fake", names) + _fill("fake_main", names)
        parts = (adapter, fake, _fill("harness_head", names) + _fill("harness", names))
    source = f"src/{names['package']}"
    return {
        "pyproject.toml": _fill("pyproject", names),
        "README.md": _fill("readme", names),
        ".github/workflows/test.yml": _fill("ci", names),
        f"{source}/__init__.py": f'"""Waypost adapter for {names["Kind"]}."""\n',
        **{f"{source}/{name}.py": text for name, text in zip(PARTS, parts, strict=True)},
        "tests/test_conformance.py": _fill("test", names),
    }


def new_single_file(kind: str) -> dict[str, str]:
    """One file for the plugin folder: adapter, fake and harness. Errors: `ScaffoldError`."""
    names = _names(kind)
    return {f"{kind}.py": _fill("file_head", names) + "\n\n".join(_fill(part, names) for part in PARTS)}


def write(contents: dict[str, str], folder: Path) -> list[Path]:
    """Write what was generated; nothing is overwritten. Errors: `ScaffoldError`, before anything is written."""
    paths = [folder / name for name in contents]
    there = next((path for path in paths if path.exists()), None)
    if there is not None:
        raise ScaffoldError(f"{there} exists: choose another name or folder, nothing was written")
    for path, text in zip(paths, contents.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return paths


def distribution(kind: str) -> str:
    """What the generated package is called."""
    return f"waypost-{kind.replace('_', '-')}"


def _names(kind: str) -> dict[str, str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", kind) or keyword.iskeyword(kind):
        raise ScaffoldError(
            f"{kind!r} is no name for a kind: use lower-case letters, digits and _, a letter first"
        )
    try:
        ours = version("waypost")
    except PackageNotFoundError:
        ours = "0.1"
    return {
        "kind": kind,
        "KIND": kind.upper(),
        "Kind": "".join(part.capitalize() for part in kind.split("_")),
        "package": f"waypost_{kind}",
        "dist": distribution(kind),
        "waypost": ours,
    }


def _fill(name: str, names: dict[str, str]) -> str:
    text = (files("adapters.scaffold") / "templates" / f"{name}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(names)


def _shelf(names: dict[str, str]) -> str:
    """The service of `adapters.emulators.rest`, which tells what changed."""
    text = (files("adapters.emulators.rest") / "server.py").read_text(encoding="utf-8")
    return re.sub(r"  # noqa:.*", "", text.replace("adapters.emulators.rest", f"{names['package']}.fake"))
