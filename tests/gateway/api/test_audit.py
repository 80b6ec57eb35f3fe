"""The journal over HTTP: checkpoints, proofs and exports of a gateway that runs, witnessed by another."""

import base64
import csv
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.journal.verify import (
    leaf_hash,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    verify_consistency,
    verify_export,
    verify_inclusion,
    verify_note,
)
from gateway.cli import evidence, run
from gateway.demo.tamper import tamper
from tests.federation.journal.logs import happen
from tests.gateway.served import Served, served


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = '[audit]\nwitnesses = ["disk"]\n'
    with served(tmp_path_factory.mktemp("audited"), config=config) as running:
        yield running


def newest(gateway: Served) -> bytes:
    """The checkpoint over everything that has happened, however long a busy machine takes to sign it."""
    last = gateway.client.get("/audit", params={"newest_first": True, "limit": 1}).json()["entries"][0]
    end = time.monotonic() + 60
    while True:
        answer = gateway.client.get("/audit/checkpoint")
        if answer.is_success and parse_checkpoint(parse_note(answer.content).text).size > last["seq"]:
            return answer.content
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)


def test_the_checkpoint_counts_what_was_just_committed(gateway: Served) -> None:
    happen(gateway.engine, 3)
    note = parse_note(newest(gateway))
    assert gateway.client.get("/audit/checkpoint").headers["content-type"].startswith("text/plain")
    keys = gateway.client.get("/audit/keys").json()
    assert verify_note(note, [parse_verifier_key(key) for key in keys["keys"]])
    point = parse_checkpoint(note.text)
    assert point.origin == keys["origin"]
    assert point.size > 3


def test_an_entry_is_proven_from_its_bytes(gateway: Served) -> None:
    happen(gateway.engine, 3)
    point = parse_checkpoint(parse_note(newest(gateway)).text)
    found = gateway.client.get(f"/audit/entries/{point.size - 1}").json()
    leaf = leaf_hash(base64.b64decode(found["bytes"]))
    assert leaf.hex() == found["entry"]["leaf_hash"]
    proof = gateway.client.get(
        "/audit/proof/inclusion", params={"seq": point.size - 1, "size": point.size}
    ).json()
    path = [bytes.fromhex(node) for node in proof["proof"]]
    assert verify_inclusion(leaf, point.size - 1, point.size, path, point.root)
    grown = gateway.client.get("/audit/proof/consistency", params={"from": 2, "to": point.size}).json()
    path = [bytes.fromhex(node) for node in grown["proof"]]
    assert verify_consistency(2, bytes.fromhex(grown["old_root"]), point.size, point.root, path)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/audit/entries/99999999", 404),
        ("/audit/proof/inclusion?seq=1&size=99999999", 422),
        ("/audit/proof/inclusion?seq=9&size=2", 422),
        ("/audit/proof/consistency?from=9&to=2", 422),
        ("/audit/proof/consistency?from=-1", 400),
        ("/audit/export?format=xml", 400),
        ("/audit?since=yesterday", 400),
        ("/witness/key", 404),
    ],
)
def test_what_there_is_not_is_a_problem(gateway: Served, path: str, status: int) -> None:
    answer = gateway.client.get(path)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_an_export_of_a_running_gateway_verifies(
    gateway: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    happen(gateway.engine, 40, reason="better recall")
    newest(gateway)
    path = tmp_path / "export.jsonl"
    url = gateway.url
    assert run(["audit", "export", "--output", str(path), "--url", url]) == 0
    assert run(["audit", "verify", str(path)]) == 0
    assert "are what was signed" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b'"seq":7,', b'"seq":8,', 1))
    assert run(["audit", "verify", str(path)]) == 1
    assert "entry 7" in capsys.readouterr().out
    assert run(["audit", "verify", str(tmp_path / "nothing")]) == 2


def test_evidence_is_checked_by_the_one_file_beside_it(gateway: Served, tmp_path: Path) -> None:
    happen(gateway.engine, 4, ref="fraud/<b>:1", reason="it is <i>better</i>")
    newest(gateway)
    folder = tmp_path / "evidence"
    assert run(["audit", "export", "--ref", "fraud/<b>:1", "-o", str(folder), "--url", gateway.url]) == 0
    report = verify_export(folder, checkpoints=[(folder / "checkpoint.txt").read_bytes()])
    assert report.ok, report
    assert report.entries >= 4
    page = (folder / "evidence.html").read_text()
    assert "fraud/&lt;b&gt;:1" in page
    assert "<b>" not in page
    assert "not when it happened" in page


def verdicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[int, str]]:
    """What the file in the folder says of it, and what a Waypost does."""
    alone = [sys.executable, str(folder / "verify.py")]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=60, check=False)
    capsys.readouterr()
    return [(done.returncode, done.stdout), (run(["audit", "verify", str(folder)]), capsys.readouterr().out)]


def test_every_file_of_the_evidence_is_covered_or_named(
    gateway: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    happen(gateway.engine, 3, ref="fraud/covered:1", reason="better recall")
    newest(gateway)
    folder = tmp_path / "evidence"
    assert run(["audit", "export", "--ref", "fraud/covered", "-o", str(folder), "--url", gateway.url]) == 0
    (alone, said), (code, told) = verdicts(folder, capsys)
    assert (alone, "not checked, and proven by nothing: evidence.html, verify.py" in said) == (0, True)
    assert (code, "evidence.html says what the entries say" in told, "not checked" in told) == (
        0,
        True,
        False,
    )
    page = folder / "evidence.html"
    for file, old, new, codes in (
        ("evidence.html", "better recall", "worse recall", (0, 1)),
        ("evidence.html", "fraud/covered", "fraud/another", (0, 1)),
        ("evidence.html", "UTC", "CET", (0, 1)),
        ("evidence.html", "evidence 2", "evidence 1", (0, 0)),
        ("keys.txt", "\n", " \n", (1, 1)),
        ("checkpoint.txt", "\n\n", "\n", (1, 1)),
        ("verify.py", "return 0", "return 00", (0, 0)),
    ):
        kept = (folder / file).read_bytes()
        (folder / file).write_bytes(kept.replace(old.encode(), new.encode()))
        found = verdicts(folder, capsys)
        (folder / file).write_bytes(kept)
        assert [code for code, _ in found] == list(codes), (file, old, found)
        assert all(file in text for _, text in found), (file, old, found)
    (folder / "more\x1b[2J.txt").write_text("and more")
    assert "more\\x1b[2J.txt" in verdicts(folder, capsys)[0][1]
    page.unlink()
    assert [code for code, _ in verdicts(folder, capsys)] == [0, 0]


def test_a_page_about_something_else_is_not_the_page_of_the_entries(
    gateway: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    happen(gateway.engine, 1, ref="fraud/mine:1")
    newest(gateway)
    folder = tmp_path / "evidence"
    assert run(["audit", "export", "--ref", "fraud/mine:1", "-o", str(folder), "--url", gateway.url]) == 0
    (folder / "evidence.html").write_text(
        evidence.page("fraud/yours:1", evidence._read(folder / "entries.jsonl"))
    )
    code, told = verdicts(folder, capsys)[1]
    assert (code, "it was changed" in told) == (1, True)


def test_csv_is_filtered_by_what_was_asked(gateway: Served) -> None:
    happen(gateway.engine, 2, ref="fraud/only-me:1")
    text = gateway.client.get("/audit/export", params={"format": "csv", "ref": "fraud/only-me"}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["ref"] for row in rows] == ["fraud/only-me:1"] * 2


def test_the_key_is_rotated_while_the_gateway_runs(gateway: Served, tmp_path: Path) -> None:
    new = gateway.client.post("/audit/rotation").json()["key"]
    note = parse_note(newest(gateway))
    assert verify_note(note, [parse_verifier_key(new)])
    path = tmp_path / "export.jsonl"
    path.write_bytes(gateway.client.get("/audit/export").content)
    assert verify_export(path).ok


def test_another_gateway_countersigns(gateway: Served, tmp_path: Path) -> None:
    keys = gateway.client.get("/audit/keys").json()["keys"]
    newest(gateway)
    folder = tmp_path / "witness"
    folder.mkdir()
    with served(folder, config=f"[audit]\nwitness_for = {keys!r}\n") as other:
        key = parse_verifier_key(other.client.get("/witness/key").text.strip())
        note = newest(gateway)
        body = b"old 0\n\n" + note
        line = other.client.post("/witness/add-checkpoint", content=body)
        assert line.status_code == 200, line.text
        assert verify_note(parse_note(note + line.content), [key])
        again = other.client.post("/witness/add-checkpoint", content=body)
        assert again.status_code == 409
        assert again.headers["content-type"].startswith("text/x.tlog.size")
        origin = parse_checkpoint(parse_note(note).text).origin
        assert other.client.get(f"/witness/checkpoint/{origin}").content == note + line.content


def test_a_row_that_was_tampered_with_is_named(gateway: Served) -> None:
    happen(gateway.engine, 3)
    newest(gateway)
    said: list[str] = []
    tamper(Path(str(gateway.engine.url.database)), gateway.url, said.append)
    seq = int(said[1].split("seq = ")[1].split()[0])
    assert f"entry {seq} " in said[2]
    assert "NOT OK" in said[2]
    assert "NOT OK" not in said[0]
