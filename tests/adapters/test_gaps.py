"""The guide names every check that a kind is known to fail, and no other."""

import importlib
import re
from pathlib import Path

from adapters.conformance import CHECKS
from adapters.conformance.harness import Harness

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "adapters" / "README.md"
WHERE = (
    "adapters/emulators/*/harness.py", "tests/adapters/*/harness.py", "tests/adapters/*/test_conformance.py",
    "tests/adapters/rest/test_fastapi.py", "tests/vendors/test_*.py",
)  # fmt: skip
ROW = re.compile(r"^\| (\w+)[^|]*\|[^|]*\| ([^|]*) \|$", re.MULTILINE)
NO_WRITES = "this configuration describes no writes"
"""A gap of what is configured, and not of a kind."""


def subclasses(of: type[Harness]) -> set[type[Harness]]:
    return {one for each in of.__subclasses__() for one in {each, *subclasses(each)}}


def test_the_page_tells_every_gap() -> None:
    paths = [path for pattern in WHERE for path in ROOT.glob(pattern)]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    for name in sorted(names):
        importlib.import_module(name)
    known = {
        (one.adapter_type.kind, check)
        for one in subclasses(Harness)  # type: ignore[type-abstract]
        if one.__module__ in names  # other tests make harnesses of their own
        for check, gap in one.gaps.items()
        if gap.reason != NO_WRITES
    }
    section = PAGE.read_text().partition("## 7. What each kind passes")[2].partition("\n## ")[0]
    checks = {check.name for check in CHECKS}
    told = {
        (kind, name)
        for kind, gaps in ROW.findall(section)
        for name in re.findall(r"`(\w+)`", gaps)
        if name in checks
    }
    assert told == known
