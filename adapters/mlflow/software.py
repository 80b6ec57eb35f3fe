"""The software that a model needs, from the files that MLflow keeps beside it. Nothing is installed or resolved."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from adapters.parsing import parse_yaml
from adapters.records import Environment

REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?)\s*(?:\[[^\]]{0,200}\])?\s*(?P<constraint>[^;#]{0,200})"
)
"""A name, extras, and what it is bound to, as pip and conda write it."""
PINNED = re.compile(r"^={1,3}\s*([^\s,=*]+)(?:=[^\s,]*)?$")
MOST = 2_000
"""Libraries of one environment. A real one has a few hundred."""


def of_requirements(content: bytes) -> Environment:
    """What a `requirements.txt` names. Options, addresses and files are left out."""
    lines = content.decode("utf-8", "replace").splitlines()
    return Environment(libraries=dict(_libraries(lines)), ecosystem="pypi", file="requirements.txt")


def of_conda(content: bytes) -> Environment:
    """What a `conda.yaml` names. Errors: `BadRecordError` for a file that cannot be read."""
    file = parse_yaml(content, "the conda.yaml file")
    entries = file.get("dependencies") if isinstance(file, dict) else None
    rows: list[Any] = entries if isinstance(entries, list) else []
    by_conda = dict(_libraries(row for row in rows if isinstance(row, str)))
    by_pip: dict[str, str] = {}
    for row in rows:
        listed = row.get("pip") if isinstance(row, dict) else None
        by_pip.update(_libraries(one for one in listed or () if isinstance(one, str)))
    python = by_conda.pop("python", None)
    by_conda.pop("pip", None)
    ecosystem = None if by_conda and by_pip else "conda" if by_conda else "pypi"
    return Environment(
        libraries={**by_conda, **by_pip}, ecosystem=ecosystem, python=python or None, file="conda.yaml"
    )


def _libraries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and exact version of each, or what it is bound to, or nothing. Names as the package index spells them."""
    for number, line in enumerate(lines):
        found = REQUIREMENT.match(line.strip())
        if number >= MOST or found is None or "://" in line:
            continue
        constraint = " ".join(found["constraint"].split())
        pinned = PINNED.match(constraint)
        name = re.sub(r"[-_.]+", "-", found["name"]).lower()
        yield name, pinned[1] if pinned else constraint.strip("()")
