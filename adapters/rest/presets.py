"""Descriptions of known services: files beside this one, named in a configuration as `preset = "zenml"`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "presets"
MERGED = frozenset({"models", "versions", "endpoints", "writes", "info", "query", "fields", "related"})
"""Tables that a configuration completes; others, such as `page`, it replaces as a whole."""


@cache
def names() -> tuple[str, ...]:
    """Those that there are."""
    return tuple(sorted(one.stem for one in HERE.glob("*.toml")))


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration over the preset that it names. Errors: `ValueError` for one that does not exist."""
    name = given["preset"]
    if name not in names():
        raise ValueError(f"there is no preset {str(name)[:40]!r}: there are {', '.join(names())}")
    return _over(tomllib.loads((HERE / f"{name}.toml").read_text()), given)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one. What both have is the upper one's, except for `MERGED` tables."""
    both = {name: _over(below[name], above[name]) for name in below.keys() & above.keys() & MERGED}
    return {**below, **above, **both}
