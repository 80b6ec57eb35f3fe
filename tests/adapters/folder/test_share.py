"""A share as it really is: not mounted, half copied, full of links, pipes and odd names, and written by people."""

import os
import shutil
import stat
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from adapters import (
    ArtifactFile,
    BadRecordError,
    ByteSpan,
    ConflictError,
    InvalidError,
    Key,
    Listing,
    ModelRecord,
    NotFoundError,
    Parent,
    TransientError,
    VersionRecord,
)
from adapters.conformance.lab import ScanResult
from adapters.emulators.folder import Shelves, gguf, safetensors
from adapters.files import Tree, translated
from adapters.folder import FolderAdapter, FolderConfig, memory, reads
from tests.adapters.scans import scanned
from tests.patience import PATIENCE


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path / "share", "shop-models")


def opened(shelves: Shelves, **config: Any) -> FolderAdapter:
    return FolderAdapter(FolderConfig(path=shelves.path, **{"settle": 0, **config}))


def version(found: ScanResult, name: str, number: str = "1") -> VersionRecord:
    return found.versions(found.models()[name].key)[number]


def test_what_sidecars_and_headers_say_becomes_a_record(shelves: Shelves) -> None:
    told: dict[str, str | int] = {
        "general.license": "mit",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Base",
    }
    files = {"model.gguf": gguf(told), "README.md": b"# Chat"}
    shelves.put(
        "chat",
        "1.0",
        files,
        stage="prod",
        description="Answers customers.",
        tags={"tier": 1, "languages": ["de"]},
        metrics={"mmlu": 0.61, "note": "good"},
        commit="abc123",
        repository="https://git.example/chat",
        run_id="r-7",
        datasets=["s3://lake/faq", {"uri": "s3://lake/eval", "digest": "d1", "role": "evaluation"}],
        depends_on=["search/encoder:3"],
        house_rule={"kept": True},
    )
    shelves.say(
        "chat", None, owner="chat@shop.example", aliases={"champion": "1.0", "gone": "0.9"}, tags=["hot"]
    )
    found = scanned(opened(shelves, base_url="https://files.example/models/"))
    model, one = found.models()["chat"], version(found, "chat", "1.0")
    assert (model.owner, dict(model.aliases), dict(model.tags)) == (
        "chat@shop.example",
        {"champion": "1.0"},
        {"hot": ""},
    )
    assert (one.stage, one.license, one.framework) == ("prod", "mit", "gguf")
    assert (one.tags, one.metrics) == ({"tier": "1", "languages": '["de"]'}, {"mmlu": 0.61})
    assert one.lineage.parents == (Parent("Base", "base"),)
    assert (one.lineage.commit, one.lineage.run_id) == ("abc123", "r-7")
    assert [each.name for each in one.lineage.datasets] == ["faq", "eval"]
    assert one.lineage.dependencies == ("search/encoder:3",)
    assert one.url == "https://files.example/models/chat/1.0"
    assert one.artifact_uri == f"file://{shelves.path}/chat/1.0"
    assert one.native["sidecar"]["house_rule"] == {"kept": True}
    assert [file["name"] for file in one.native["files"]] == ["README.md", "model.gguf"]


@pytest.mark.parametrize("how", ["unmounted", "away", "other"])
def test_a_share_that_is_not_mounted_is_an_error_and_never_empty(shelves: Shelves, how: str) -> None:
    shelves.put("churn")
    adapter = opened(shelves)
    found, identity = scanned(adapter), adapter.probe().identity
    shelves.path.rename(shelves.path.with_name("away"))
    if how != "away":
        shelves.path.mkdir()
    if how == "other":
        (shelves.path / ".waypost").write_text("another share")
        assert adapter.probe().identity != identity  # which stops a sync
        return
    for key in found.by_key():
        with pytest.raises(TransientError, match="mounted"):
            adapter.get(key)
    for call in (adapter.probe, lambda: scanned(adapter)):
        with pytest.raises(TransientError, match="mounted"):
            call()


def test_a_share_that_goes_away_while_it_is_read_ends_the_scan(shelves: Shelves) -> None:
    for number in range(5):
        shelves.put(f"model-{number}")
    pages = opened(shelves, concurrency=1).scan(since=None, limit=1)
    next(pages)
    shelves.path.rename(shelves.path.with_name("away"))
    shelves.path.mkdir()
    listed: list[Listing] = []
    with pytest.raises(TransientError):
        for page in pages:
            listed += page.listed
    assert listed == []


def test_a_version_that_is_being_copied_waits_and_the_known_one_is_not_gone(shelves: Shelves) -> None:
    shelves.put("churn", "1", {"a.bin": b"old"})
    known = version(scanned(opened(shelves)), "churn")
    (shelves.path / "churn" / "1" / "a.bin").write_bytes(b"new, and half")
    copying = opened(shelves, settle=3600)
    found = scanned(copying)
    assert [error.native for error in found.bad] == ["churn/1"]
    assert "copied" in str(found.bad[0])
    with pytest.raises(BadRecordError, match="copied"):
        copying.get(known.key)
    settled = opened(shelves)
    assert version(scanned(settled), "churn").key != known.key
    with pytest.raises(NotFoundError, match="other files"):
        settled.get(known.key)


def test_a_file_that_is_short_of_what_its_header_says_is_told(shelves: Shelves) -> None:
    shelves.put("half", files={"model.safetensors": safetensors({}, (64, 64))[:-9]})
    assert version(scanned(opened(shelves)), "half").state == (
        "incomplete: model.safetensors is shorter than its header says"
    )


def test_what_vanishes_while_it_is_read_is_no_proof_of_absence(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves.put("churn", files={"a.bin": b"a", "b.bin": b"b"})
    adapter = opened(shelves)
    key = version(scanned(adapter), "churn").key

    def vanish(*_: object) -> str:
        (shelves.path / "churn" / "1" / "b.bin").unlink(missing_ok=True)
        return "0" * 64

    monkeypatch.setattr(reads, "_digest", vanish)
    with pytest.raises(BadRecordError, match="copied"):
        adapter.get(key)


def test_links_lead_nowhere_but_to_a_version_beside_them(shelves: Shelves, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    Shelves(outside).put("secret")
    (outside / "key.pem").write_text("private")
    shelves.put("churn", files={"a.bin": b"a"})
    churn = shelves.path / "churn"
    (churn / "1" / "key.pem").symlink_to(outside / "key.pem")
    (churn / "latest").symlink_to("1")
    (churn / "2").symlink_to(outside / "secret" / "1")
    (churn / "up").symlink_to("../churn")
    (shelves.path / "stolen").symlink_to(outside / "secret")
    (churn / "waypost.yaml").symlink_to(outside / "key.pem")
    adapter = opened(shelves)
    assert {error.native for error in scanned(adapter).bad} == {"churn", "stolen"}
    (churn / "waypost.yaml").unlink()
    found = scanned(adapter)
    assert {error.native for error in found.bad} == {"churn/2", "churn/up", "stolen"}
    assert all("link" in str(error) for error in found.bad)
    assert found.models()["churn"].aliases == {"latest": "1"}
    one = version(found, "churn")
    assert {"name": "key.pem", "size": one.native["files"][1]["size"], "link": str(outside / "key.pem")} in (
        one.native["files"]
    )
    assert "private" not in repr(found.records)
    for native in ("stolen/1@sha256:00", "churn%2F..%2F..%2Foutside/1@x", "../outside@x", "churn/..@x"):
        with pytest.raises((NotFoundError, BadRecordError)):
            adapter.get(Key("version", native))


def test_pipes_sockets_and_other_file_systems_are_told_and_never_opened(shelves: Shelves) -> None:
    os.mkfifo(shelves.path / "queue")
    shelves.put("churn", files={"a.bin": b"a"})
    shelves.put("good")
    os.mkfifo(shelves.path / "churn" / "1" / "pipe")
    done = threading.Event()
    found: list[ScanResult] = []

    def scan() -> None:
        found.append(scanned(opened(shelves)))
        done.set()

    threading.Thread(target=scan, daemon=True).start()
    assert done.wait(PATIENCE), "a pipe was opened"
    assert [error.native for error in found[0].bad] == ["churn/1"]
    assert "good" in found[0].models()
    with pytest.raises(BadRecordError, match="another file system"), translated(["proc"]):
        with Tree("/").folder("proc"):
            pass


def test_odd_names_come_through_or_are_told(shelves: Shelves) -> None:
    shelves.put("a b\n'\"$(id)", "v 1;")
    (shelves.path / ".hidden" / "1").mkdir(parents=True)
    (shelves.path / "empty" / "1").mkdir(parents=True)
    (shelves.path / "empty" / "README.md").write_text("# Soon")
    (shelves.path / "empty" / "model.onnx").write_bytes(b"")
    (shelves.path / os.fsdecode(b"\xff\xfe")).mkdir()
    found = scanned(opened(shelves))
    assert set(found.models()) == {"a b\n'\"$(id)", "empty"}
    assert [error.native for error in found.bad] == ["'\\udcff\\udcfe'", "empty/model.onnx"]
    assert version(found, "a b\n'\"$(id)", "v 1;").version == "v 1;"


def test_names_may_lead_through_several_folders(shelves: Shelves) -> None:
    shelves.put("risk/churn")
    adapter = opened(shelves, levels=2)
    found = scanned(adapter)
    assert set(found.models()) == {"risk/churn"}
    assert adapter.get(version(found, "risk/churn").key) == version(found, "risk/churn")


def test_too_much_is_told_and_not_read(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    shelves.put("deep", files={"/".join("d" * 17) + "/a.bin": b"a"})
    shelves.put("many", files={f"{number}.bin": b"a" for number in range(40)})
    shelves.put("long", said="x" * 70_000)
    monkeypatch.setattr(reads, "MOST_FILES", 40)
    bad = {error.native: str(error) for error in scanned(opened(shelves)).bad}
    assert bad.keys() == {"deep/1", "many/1", "long/1"}
    assert "levels deep" in bad["deep/1"] and "more than 40" in bad["many/1"] and "65,536" in bad["long/1"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each file whose content is read; what is young is remembered too."""
    read: list[int] = []
    digest = reads._digest
    monkeypatch.setattr(memory, "RACY", -1.0)

    def counting(body: BinaryIO, going: reads.Going) -> str:
        read.append(1)
        return digest(body, going)

    monkeypatch.setattr(reads, "_digest", counting)
    return read


def test_only_what_changed_is_read_again(shelves: Shelves, counted: list[int]) -> None:
    for name in ("a", "b"):
        shelves.put(name, files={"w.bin": b"1234"})
    adapter = opened(shelves)
    before = scanned(adapter)
    shelves.say("a", "1", stage="production")
    scanned(adapter)
    assert len(counted) == 2
    file = shelves.path / "b" / "1" / "w.bin"
    other = file.with_name(".other")
    other.write_bytes(b"5678")
    shutil.copystat(file, other)
    other.replace(file)  # the same size and time of writing
    after = scanned(adapter)
    assert len(counted) == 3
    assert version(after, "a").key == version(before, "a").key
    assert version(after, "b").key != version(before, "b").key


def test_digests_outlive_the_process_where_that_is_configured(
    shelves: Shelves, counted: list[int], tmp_path: Path
) -> None:
    shelves.put("a")
    kept = tmp_path / "digests.json"
    first = scanned(opened(shelves, digests=kept))
    again = scanned(opened(shelves, digests=kept))
    assert (len(counted), again.by_key()) == (1, first.by_key())
    (shelves.path / "a" / "1" / "weights.safetensors").write_bytes(safetensors({"other": "1"}))
    scanned(opened(shelves, digests=kept))
    assert len(counted) == 2
    kept.write_text('{"digests": [1]}')
    assert scanned(opened(shelves, digests=kept)).by_key().keys() != first.by_key().keys()
    assert len(counted) == 3


WRITTEN = """# kept by the risk team
owner: risk@shop.example   # ask here
tags:
  tier: 1
stage: staging  # since May
reviewed: 2026-05-01
approvers: [ann, bob]
"""


def test_a_sidecar_keeps_what_was_not_changed(shelves: Shelves) -> None:
    shelves.put("churn")
    file = shelves.path / "churn" / "1" / "waypost.yaml"
    file.write_text(WRITTEN)
    file.chmod(0o640)
    adapter = opened(shelves)
    key = version(scanned(adapter), "churn").key
    adapter.set_stage(key, "stage", "production")
    adapter.set_tags(key, {"team": "risk: fraud", "old": None})
    assert file.read_text() == WRITTEN.replace("staging", "production").replace(
        "  tier: 1\n", "  tier: 1\n  team: 'risk: fraud'\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in file.parent.iterdir() if each.name.startswith(".")] == []


def test_an_alias_that_is_a_link_is_moved_as_one(shelves: Shelves) -> None:
    shelves.put("churn"), shelves.put("churn")
    link = shelves.path / "churn" / "production"
    link.symlink_to("1")
    adapter = opened(shelves)
    key = scanned(adapter).models()["churn"].key
    moved = adapter.set_alias(key, "production", "2")
    assert isinstance(moved, ModelRecord)
    assert (moved.aliases, str(link.readlink())) == ({"production": "2"}, "2")
    adapter.set_alias(key, "production", None)
    assert not link.is_symlink()
    assert shelves.said("churn", None) == {}


def test_a_sidecar_that_changed_under_our_hands_is_not_overwritten(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves.put("churn")
    adapter = opened(shelves)
    now = version(scanned(adapter), "churn")
    shelves.say("churn", "1", tags={"theirs": "1"})
    with pytest.raises(ConflictError, match="changed meanwhile"):
        adapter._writes.tag(now, {"ours": "1"})
    with pytest.raises(ConflictError):
        adapter.set_tags(now.key, {"ours": "1"}, etag=now.etag)
    assert shelves.said("churn", "1") == {"tags": {"theirs": "1"}}


def test_what_would_not_be_read_again_is_not_written(shelves: Shelves) -> None:
    shelves.put("churn")
    adapter = opened(shelves)
    key = version(scanned(adapter), "churn").key
    for tags in ({"": "x"}, {"a": "\x00"}, {"a": "x" * 70_000}):
        with pytest.raises(InvalidError):
            adapter.set_tags(key, tags)
    assert not (shelves.path / "churn" / "1" / "waypost.yaml").exists()


def test_rights_that_are_missing_are_named(tmp_path: Path) -> None:
    open_to_all = tmp_path
    while open_to_all != open_to_all.parent and open_to_all.stat().st_uid == os.geteuid():
        open_to_all.chmod(open_to_all.stat().st_mode | 0o055)
        open_to_all = open_to_all.parent
    shelves = Shelves(tmp_path / "share")
    for name in ("churn", "uplift"):
        shelves.put(name)
    (shelves.path / "churn").chmod(0o555)
    (shelves.path / "uplift").chmod(0)
    adapter, was_root = opened(shelves), os.geteuid() == 0
    try:
        if was_root:
            os.seteuid(65534)
        info, bad = adapter.probe(), scanned(adapter).bad
    finally:
        if was_root:
            os.seteuid(0)
        (shelves.path / "uplift").chmod(0o755)
    assert info.missing == (
        "1 of 2 folders of models cannot be read",
        "1 of 2 folders of models cannot be written: their stages, aliases and tags stay as they are",
    )
    assert info.unavailable == adapter.capabilities
    assert [error.native for error in bad] == ["uplift"]
    assert opened(shelves).probe().missing == () or not was_root


def test_the_files_of_a_version_are_handed_out_and_no_others(shelves: Shelves, tmp_path: Path) -> None:
    files = {"model.bin": b"0123456789", "deep/a/notes.txt": b"x", "deep/b.txt": b"yy"}
    shelves.put("churn", files=files, stage="production")
    (tmp_path / "private").write_text("private")
    (shelves.path / "churn" / "1" / "link").symlink_to(tmp_path / "private")
    adapter = opened(shelves)
    one = version(scanned(adapter), "churn")
    assert adapter.list_files(one, "") == [ArtifactFile("deep", None, True), ArtifactFile("model.bin", 10)]
    assert adapter.list_files(one, "deep") == [
        ArtifactFile("deep/a", None, True),
        ArtifactFile("deep/b.txt", 2),
    ]
    with adapter.open_file(one, "model.bin", None) as stream:
        assert b"".join(stream.pieces) == files["model.bin"]
        assert (stream.length, stream.total, stream.is_part) == (10, 10, False)
    for span, piece in ((ByteSpan(2, 4), b"234"), (ByteSpan(8), b"89"), (ByteSpan(8, 99), b"89")):
        with adapter.open_file(one, "model.bin", span) as stream:
            assert (b"".join(stream.pieces), stream.length, stream.is_part) == (piece, len(piece), True)
    for path in ("link", "waypost.yaml", "../1/model.bin", "/etc/passwd", "deep", "", "none"):
        with pytest.raises(NotFoundError), adapter.open_file(one, path, None):
            pass
    with pytest.raises(InvalidError), adapter.open_file(one, "model.bin", ByteSpan(10)):
        pass
    (shelves.path / "churn" / "1" / "model.bin").write_bytes(b"others")
    with pytest.raises(NotFoundError, match="other files"), adapter.open_file(one, "model.bin", None):
        pass


def test_a_share_that_hangs_is_waited_for_no_longer_than_configured(
    shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves.put("churn")
    answers = threading.Event()

    def hang(body: BinaryIO, going: reads.Going) -> str:
        answers.wait(PATIENCE)
        return "0" * 64

    monkeypatch.setattr(reads, "_digest", hang)
    try:
        with pytest.raises(TransientError, match="has not answered"):
            scanned(opened(shelves, timeout=0.1))
    finally:
        answers.set()
