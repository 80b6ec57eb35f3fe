"""What cannot be taken back asks at a terminal, wants `--yes` without one, and shows what it does first."""

import gc
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway import cli
from gateway.cli.failure import OK, USAGE
from tests.federation.operations.world import hurry
from tests.federation.sync.world import World, make_world

CONFIG = """
[[registries]]
name = "memory"
kind = "memory"
team = "risk"
writable = true
config = {{ backend = "{backend}" }}
"""


def run(words: Sequence[str]) -> int:
    """The exit code of a command. What the one before it left goes first, as it does with a process."""
    gc.collect()
    return cli.run(words)


class Typed(io.StringIO):
    """A terminal at which somebody types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """`scorer:1` needs `encoder:1`."""
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch)
    made = make_world(f"sqlite:///{tmp_path / 'waypost.db'}", writable=True)
    (tmp_path / "waypost.toml").write_text(CONFIG.format(backend=made.registry().config["backend"]))
    made.model("encoder", "1")
    made.model("scorer", "1")
    made.change(
        made.version("scorer", "1"), tags={"depends_on": "encoder:1", "note": "x"}, creator="Ada Byron"
    )
    made.sync()
    run(["--config", "waypost.toml", "registries", "apply"])
    yield made
    made.close()


def test_what_does_harm_asks(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, types: str | None = None, code: int = OK) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO() if types is None else Typed(types))
        capsys.readouterr()
        assert run(["--config", "waypost.toml", *words]) == code, capsys.readouterr()
        return capsys.readouterr().err

    delete = ("delete", "memory/encoder:1")
    untag = ("set", "memory/scorer:1", "--untag", "depends_on")
    for command in (delete, untag, ("audit", "erase", "Ada Byron")):
        assert "--yes" in said(*command, code=USAGE)
    assert "breaks  memory/scorer:1" in said(*delete, types="n\n", code=USAGE)
    asked = said(*untag, types="\n", code=USAGE)
    assert "counts no more among what needs encoder:1" in asked
    assert "take depends_on from memory/scorer:1?" in asked
    assert "1 record" in said("audit", "erase", "Ada Byron", types="n\n", code=USAGE)
    assert "1 record" in said("audit", "erase", "Ada Byron", "--dry-run")
    assert world.version("scorer", "1").tags == {"depends_on": "encoder:1", "note": "x"}

    instead = ("set", "memory/scorer:1", "--tag", "depends_on=encoder:{}", "--dry-run")
    told = [said(*(word.format(version) for word in instead)) for version in ("2", "1, encoder:2")]
    assert ["counts no more among what needs memory/encoder:1" in one for one in told] == [True, False]

    said("set", "memory/scorer:1", "--untag", "note")
    said(*untag, types="y\n")
    said(*delete, types="yes\n")
    assert dict(world.version("scorer", "1").tags) == {}
    capsys.readouterr()
    run(["--config", "waypost.toml", "--json", "show", "memory/scorer:1"])
    assert json.loads(capsys.readouterr().out)["creator"] == "Ada Byron"
    assert "1 record" in said("audit", "erase", "Ada Byron", "--yes")
    run(["--config", "waypost.toml", "--json", "show", "memory/scorer:1"])
    assert json.loads(capsys.readouterr().out)["creator"] == "[erased]"


def test_forgetting_tells_who_needs_something_of_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "waypost.toml").write_text("")
    assert run(["registries", "apply"]) == OK
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(["registries", "forget", "memory"]) == USAGE
    assert run(["registries", "forget", "memory", "--dry-run"]) == OK
    assert "would go: 2 models, 2 versions, 0 endpoints; needed by nothing else" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", Typed("y\n"))
    assert run(["registries", "forget", "memory"]) == OK
    assert "2 versions" in capsys.readouterr().err
