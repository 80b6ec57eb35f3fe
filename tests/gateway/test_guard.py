"""Waypost refuses to run beside a stranger that owns one of its import names."""

from pathlib import Path

import pytest

from gateway.door import guard


def install(folder: Path, name: str, **files: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    for file, text in files.items():
        (info / file.replace("_txt", ".txt")).write_text(text)


def test_this_environment_has_no_stranger() -> None:
    guard.require_own_names()


def test_a_package_that_brings_one_of_our_names_is_named(tmp_path: Path) -> None:
    install(tmp_path, "adapters", RECORD="adapters/__init__.py,sha256=x,1\nadapters-1.0.dist-info/RECORD,,\n")
    install(tmp_path, "pyfed", top_level_txt="federation\n")
    install(tmp_path, "gate", RECORD="gateway.py,sha256=x,1\n")
    assert guard.foreign_owners([str(tmp_path)]) == {
        "adapters": "adapters",
        "federation": "pyfed",
        "gateway": "gate",
    }
    with pytest.raises(guard.ForeignPackageError, match="in an environment of its own"):
        guard.require_own_names([str(tmp_path)])


def test_each_name_of_a_package_that_brings_several_is_told(tmp_path: Path) -> None:
    install(tmp_path, "several", top_level_txt="adapters\nfederation\r\ngateway\r\n")
    assert guard.foreign_owners([str(tmp_path)]) == dict.fromkeys(
        ("adapters", "federation", "gateway"), "several"
    )


def test_our_own_files_and_names_that_only_begin_like_ours_are_no_strangers(tmp_path: Path) -> None:
    install(tmp_path, "waypost", RECORD="adapters/__init__.py,sha256=x,1\n")
    install(
        tmp_path,
        "other",
        RECORD="adapters_of_mine/x.py,,\nother/adapters/x.py,,\n",
        top_level_txt="gateways\n",
    )
    assert guard.foreign_owners([str(tmp_path), str(tmp_path / "nowhere")]) == {}
