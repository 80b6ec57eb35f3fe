"""The wheel is the same bytes wherever it is built, and carries a valid bill of what it was locked with."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from sbom import LOCK, NAME, bill, locked
from tests.bills import validator

ROOT = Path(__file__).parent.parent
PARTS = (
    "adapters",
    "federation",
    "gateway",
    "waypost",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    LOCK,
    "sbom.py",
)


def copy(into: Path, *, mtime: int) -> Path:
    """What the wheel is built from, with this modification time everywhere."""
    into.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, into / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, into / part)
    for path in into.rglob("*"):
        os.utime(path, (mtime, mtime))
    return into


def wheel(source: Path) -> Path:
    return Path(next(WheelBuilder(str(source)).build(directory=str(source / "dist"), versions=["standard"])))


def pinned() -> dict[str, set[str]]:
    """Package and version to the hashes of the lock, read by hand."""
    found: dict[str, set[str]] = {}
    package = ""
    for line in (ROOT / LOCK).read_text().splitlines():
        if line.startswith(" "):
            found[package].add(line.strip(" \\").removeprefix("--hash=sha256:"))
        else:
            package = line.split(";")[0].rstrip(" \\").replace("==", "@")
            found[package] = set()
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two wheels of two copies of the tree, one old, one of tomorrow."""
    folder = tmp_path_factory.mktemp("wheels")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        return [
            wheel(copy(folder / "old", mtime=1_000_000_000)),
            wheel(copy(folder / "a-longer-name", mtime=1_900_000_000)),
        ]


@pytest.fixture(scope="module")
def document(built: list[Path]) -> dict[str, Any]:
    with zipfile.ZipFile(built[0]) as archive:
        inside = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        assert [name.rpartition("/")[2] for name in inside] == [NAME]
        read: dict[str, Any] = json.loads(archive.read(inside[0]))
        return read


def test_two_builds_of_one_tree_are_the_same_bytes(built: list[Path]) -> None:
    assert built[0].name == built[1].name
    assert built[0].read_bytes() == built[1].read_bytes()


def test_the_bill_is_valid(document: dict[str, Any]) -> None:
    assert validator("1.6").validate_str(json.dumps(document)) is None
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/waypost@0.1.0"


def test_the_bill_names_every_locked_package_with_its_hashes(document: dict[str, Any]) -> None:
    named = {
        f"{each['name']}@{each['version']}": {digest["content"] for digest in each["hashes"]}
        for each in document["components"]
    }
    assert named == pinned()
    assert len(named) > 50
    assert all(each["purl"].startswith("pkg:pypi/") for each in document["components"])


def test_the_bill_tells_no_time_and_no_place_to_download_from(document: dict[str, Any]) -> None:
    schema = document["$schema"]
    assert schema == "http://cyclonedx.org/schema/bom-1.6.schema.json"
    assert "://" not in json.dumps({key: value for key, value in document.items() if key != "$schema"})
    assert "timestamp" not in document["metadata"]


def test_another_lock_has_another_serial_number(tmp_path: Path, document: dict[str, Any]) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    first = next(iter(pinned().values())).copy().pop()
    (tmp_path / LOCK).write_text((ROOT / LOCK).read_text().replace(first, "0" * 64))
    other = json.loads(bill(tmp_path, "0.1.0"))
    assert other["serialNumber"] != document["serialNumber"]
    assert json.loads(bill(ROOT, "0.1.0"))["serialNumber"] == document["serialNumber"]


@pytest.mark.parametrize("line", ["anyio>=4 --hash=sha256:00", "anyio==4.16.0"])
def test_a_lock_that_pins_or_hashes_not_everything_makes_no_wheel(line: str) -> None:
    with pytest.raises(ValueError, match="make lock"):
        list(locked(line))
