"""`waypost retention` and `waypost validate`, as commands over a registry of this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import Column, Schema
from gateway.cli import run
from tests.federation.operations.world import hurry
from tests.federation.sync.world import World, make_world

CONFIG = """
[[retention]]
on = "*"
archive = "stage:staging and age > 0m and not promoted"
hold = ["tag:legal_hold=true"]
[[registries]]
name = "memory"
kind = "memory"
team = "risk"
writable = true
stages = {{ archived = ["stage:Archived"], staging = ["stage:Staging"] }}
config = {{ backend = "{backend}" }}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Three versions in staging, of which one is held; the first has a schema."""
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch)
    made = make_world(f"sqlite:///{tmp_path / 'waypost.db'}", writable=True)
    (tmp_path / "waypost.toml").write_text(CONFIG.format(backend=made.registry().config["backend"]))
    made.model("m", "1", "2", "3")
    for name in "123":
        made.change(made.version("m", name), stage="Staging")
    made.change(made.version("m", "3"), stage="Staging", tags={"legal_hold": "true"})
    made.change(made.version("m", "1"), stage="Staging", schema=Schema(inputs=(Column("a", "long"),)))
    made.sync()
    yield made
    made.close()


def said(printed: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    printed.readouterr()
    assert run(["--config", "waypost.toml", "--json", *words]) == code
    return json.loads(printed.readouterr().out)


def test_what_is_due_is_shown_and_archived(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--config", "waypost.toml", "registries", "apply"])
    due = said(capsys, "retention", "plan")
    assert [(one["ref"], one["does"]) for one in due] == [
        ("memory/m:1", "archive"),
        ("memory/m:2", "archive"),
    ]
    everything = said(capsys, "retention", "plan", "memory/m", "--all")
    assert everything[2]["why"] == ["hold: tag:legal_hold=true"]
    assert run(["--config", "waypost.toml", "retention", "plan", "--all"]) == 0
    told = capsys.readouterr()
    assert "hold: tag:legal_hold=true" in told.out
    *_, rule, counts = told.err.splitlines()
    assert rule == (
        "for every version: archives a version when its stage is staging, it has had its stage for more than 0 minutes "
        "and it has never been in production; keeps a version when it has the tag legal_hold = true"
    )
    assert counts == "3 versions under a rule, 2 of them due"
    done = said(capsys, "retention", "apply")
    assert [(one["ref"], one["state"]) for one in done] == [("memory/m:1", "done"), ("memory/m:2", "done")]
    assert world.version("m", "1").stage == "Archived"
    assert said(capsys, "retention", "apply") == []


def test_a_file_is_held_against_what_a_version_takes(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "good.json").write_text('[{"a": 1, "z": 2}]')
    (tmp_path / "bad.json").write_text('{"dataframe_split": {"columns": ["a"], "data": [[1], [1.5]]}}')
    (tmp_path / "bad.csv").write_text("a\n1\nx\n")
    parquet.write_table(pyarrow.table({"a": [1, 2]}), tmp_path / "good.parquet")
    parquet.write_table(pyarrow.table({"a": [1, None]}), tmp_path / "bad.parquet")
    good = said(capsys, "validate", "memory/m:1", "good.json")
    assert (good["verdict"], good["ignored"]) == ("yes", ["z"])
    assert said(capsys, "validate", "memory/m:1", "good.parquet")["way"] == "parquet"
    for name, row in (("bad.json", 1), ("bad.csv", 1), ("bad.parquet", None)):
        found = said(capsys, "validate", "memory/m:1", name, code=1)
        assert [(one["column"], one["row"]) for one in found["problems"]] == [("a", row)]
    assert run(["--config", "waypost.toml", "validate", "memory/m:1", "bad.json"]) == 1
    assert "1.5 is no whole number" in capsys.readouterr().out
    assert said(capsys, "validate", "memory/m:2", "good.json")["verdict"] == "unknown"
    (tmp_path / "odd.parquet").write_bytes(b"none")
    for name in ("nothing.json", "odd.parquet"):
        assert run(["--config", "waypost.toml", "validate", "memory/m:1", name]) == 2
