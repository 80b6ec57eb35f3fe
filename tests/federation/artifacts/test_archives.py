"""Files inside archives, as their owners pack them, and archives that somebody made to do harm."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from adapters import AdapterError, ByteSpan, NotFoundError, UnsupportedError
from federation.artifacts import archives
from federation.artifacts.archives import ArchivedRoom, is_archive

pytest.importorskip("obstore")
LONG = "data/" + "ä" * 90 + "/weights"
FILES = {"MLmodel": b"flavors: {}\n", LONG: bytes(range(256)) * 9_000, "code/a.py": b"", "data/last": b"end"}


def packed(folder: Path, files: dict[str, bytes], mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> str:
    """The address of an archive."""
    path = folder / ("model.tar.gz" if mode == "w:gz" else "model.tar")
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            added(archive, name, content)
    return f"file://{path}"


def added(archive: tarfile.TarFile, name: str, content: bytes = b"", **said: Any) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for field, value in said.items():
        setattr(header, field, value)
    archive.addfile(header, io.BytesIO(content))


def read(room: ArchivedRoom, path: str, span: ByteSpan | None = None) -> bytes:
    with room.part(path, span) as stream:
        content = b"".join(stream.pieces)
    assert stream.length == len(content)
    return content


@pytest.mark.parametrize(
    ("mode", "form", "prefix"),
    [("w:gz", tarfile.PAX_FORMAT, "./"), ("w:gz", tarfile.GNU_FORMAT, ""), ("w", tarfile.PAX_FORMAT, "")],
)
def test_files_are_listed_and_read_as_they_were_packed(
    tmp_path: Path, mode: str, form: int, prefix: str
) -> None:
    room = ArchivedRoom(
        packed(tmp_path, {prefix + name: content for name, content in FILES.items()}, mode, form)
    )
    assert {(one.path, one.size, one.is_folder) for one in room.folder("")} == {
        ("MLmodel", 12, False), ("data", None, True), ("code", None, True),
    }  # fmt: skip
    assert {one.path for one in room.folder("data")} == {LONG.rpartition("/")[0], "data/last"}
    assert [one.size for one in room.folder(LONG.rpartition("/")[0])] == [len(FILES[LONG])]
    assert {name: read(room, name) for name in FILES} == FILES
    assert read(room, LONG, ByteSpan(300, 999)) == FILES[LONG][300:1000]
    assert read(room, "data/last", ByteSpan(1, None)) == b"nd"
    for missing in ("data", "nothing", "", "../x"):
        with pytest.raises(NotFoundError):
            read(room, missing)
    with pytest.raises(UnsupportedError, match="3 bytes"):
        read(room, "data/last", ByteSpan(3, None))


def test_an_archive_is_told_by_its_name() -> None:
    for address in ("s3://b/model.tar.gz", "s3://b/M.TGZ", "file:///m.tar"):
        assert is_archive(address)
    for address in ("s3://b/model.tar.gz/", "s3://b/tar", "s3://b/m.zip"):
        assert not is_archive(address)


def refused(folder: Path, because: str) -> None:
    room = ArchivedRoom(f"file://{folder / 'model.tar'}")
    with pytest.raises(AdapterError, match=because):
        room.folder("")
    with pytest.raises(AdapterError, match=because):
        read(room, "behind")


@pytest.mark.parametrize(
    ("name", "said", "because"),
    [
        ("../out", {}, "leads out"),
        ("/etc/out", {}, "leads out"),
        ("a/../../out", {}, "leads out"),
        ("a\\b", {}, "leads out"),
        ("a\nb", {}, "leads out"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "MLmodel"}, "link"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "MLmodel"}, "link"),
        ("device", {"type": tarfile.CHRTYPE}, "device"),
        ("a", {"pax_headers": {"comment": "x" * (archives.LONGEST_HEADER + 1)}}, "header of more"),
        ("a", {"pax_headers": {"GNU.sparse.major": "1"}}, "holes"),
        ("a" * (archives.LONGEST_HEADER + 1), {}, "header of more"),
    ],
)
def test_an_archive_that_does_more_than_hold_files_is_refused_whole(
    tmp_path: Path, name: str, said: dict[str, Any], because: str
) -> None:
    with tarfile.open(tmp_path / "model.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        added(archive, name, **said)
        added(archive, "behind", b"x")
    refused(tmp_path, because)


def test_an_archive_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, {"a": b"x", "b": b"y", "behind": b"z"}, "w", tarfile.USTAR_FORMAT)
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    refused(tmp_path, "more than 1 files")
    monkeypatch.setattr(archives, "MOST_FILES", 10)
    monkeypatch.setattr(archives, "MOST_BYTES", 2047)
    refused(tmp_path, "unpacked")


def test_what_is_no_whole_archive_is_said(tmp_path: Path) -> None:
    whole = Path(packed(tmp_path, FILES).removeprefix("file://")).read_bytes()
    for content in (whole[: len(whole) // 2], b"", whole[:5], b"no archive" * 100, whole[:30] + bytes(99)):
        (tmp_path / "model.tar").write_bytes(content)
        room = ArchivedRoom(f"file://{tmp_path / 'model.tar'}")
        with pytest.raises(UnsupportedError):
            room.folder("")
