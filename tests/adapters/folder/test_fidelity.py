"""People work on a share with ordinary tools while Waypost synchronises it."""

import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import yaml

from adapters import ModelRecord, VersionRecord
from adapters.emulators.folder import Shelves, safetensors
from tests.fidelity import follow, ref, watching
from tests.soak import soak

SIDECAR = "waypost.yaml"
MODELS = 6
"""At least so many, so that what is done between two runs is seldom suspiciously much."""
WORDS = ("", "fraud", "Zahlungen äöü", "🤖", "a: b # c", "x" * 200, "1", "two\nlines")


@dataclass
class Colleague:
    """Copies, moves and edits files, each in one step, as `cp` to a hidden name and `mv` do."""

    shelves: Shelves
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    numbers: "count[int]" = field(default_factory=count)

    def act(self) -> None:
        """One random thing."""
        models = sorted(each for each in self.shelves.path.iterdir() if not each.name.startswith("."))
        if len(models) < MODELS:
            self.publish(f"model {next(self.numbers)}")
            return
        model = self.rng.choice(models)
        versions = self.versions(model)
        if not versions or self.rng.random() < 0.2:
            self.publish(model.name)
            return
        version = self.rng.choice(versions)
        doings: tuple[tuple[int, Callable[[], None]], ...] = (
            (
                5,
                lambda: self.edit(
                    version, stage=self.rng.choice(("production", "staging", "archived", None))
                ),
            ),
            (5, lambda: self.edit(version, tags={self.rng.choice("abc"): self.rng.choice(WORDS)})),
            (4, lambda: self.edit(model, aliases={self.rng.choice(("champion", "old")): version.name})),
            (2, lambda: self.edit(model, tags={self.rng.choice("abc"): self.rng.choice(WORDS)})),
            (3, lambda: self.link(model, version.name)),
            (2, lambda: self.replace(version)),
            (2, lambda: self.touch(version)),
            (2, lambda: self.delete(version)),
            (1, lambda: self.move(version, model / f"moved-{next(self.numbers)}")),
            (1, lambda: self.move(model, model.with_name(f"renamed {next(self.numbers)}"))),
            (1, lambda: self.delete(model)),
            (1, lambda: self.again(model.name, version.name)),
        )
        weights = [weight for weight, _ in doings]
        self.rng.choices([do for _, do in doings], weights)[0]()

    def versions(self, model: Path) -> list[Path]:
        """The folders of its versions."""
        return sorted(
            each
            for each in model.iterdir()
            if each.is_dir() and not each.is_symlink() and each.name[0] != "."
        )

    def publish(self, model: str, version: str = "") -> None:
        """A new version, copied beside and put in place."""
        (self.shelves.path / model).mkdir(exist_ok=True)
        hidden = self.shelves.path / model / f".new-{next(self.numbers)}"
        (hidden / "part").mkdir(parents=True)
        (hidden / "model.safetensors").write_bytes(safetensors({"n": str(next(self.numbers))}))
        (hidden / "part" / "notes.txt").write_text("the same in each")
        hidden.rename(hidden.with_name(version or f"{next(self.numbers)}.0"))

    def again(self, model: str, version: str) -> None:
        """The same name, once more."""
        self.delete(self.shelves.path / model / version)
        self.publish(model, version)

    def edit(self, folder: Path, **said: object) -> None:
        """Edit a sidecar."""
        file = folder / SIDECAR
        known = yaml.safe_load(file.read_text()) if file.exists() else {}
        for name, value in said.items():
            known[name] = {**known.get(name, {}), **value} if isinstance(value, dict) else value
        text = (
            yaml.safe_dump(known, allow_unicode=True)
            if self.rng.random() < 0.5
            else json.dumps(known, ensure_ascii=False)
        )
        self.put(file, text.encode())

    def replace(self, version: Path) -> None:
        """Other weights under the same name."""
        self.left(version)
        self.put(version / "model.safetensors", safetensors({"n": str(next(self.numbers))}))

    def put(self, file: Path, body: bytes) -> None:
        """Write a file in one step."""
        hidden = file.with_name(f".{file.name}")
        hidden.write_bytes(body)
        hidden.rename(file)

    def touch(self, version: Path) -> None:
        """Another time and mode, the same content."""
        file = version / "model.safetensors"
        os.utime(file, (1_700_000_000 + next(self.numbers), 1_700_000_000))
        file.chmod(self.rng.choice((0o644, 0o600)))

    def link(self, model: Path, version: str) -> None:
        """`ln -sfn`."""
        link, hidden = model / "latest", model / ".latest"
        hidden.symlink_to(version)
        hidden.rename(link)

    def delete(self, folder: Path) -> None:
        """Out of the way in one step, and gone."""
        self.left(folder)
        folder.rename(folder.with_name(f".gone-{next(self.numbers)}"))

    def move(self, folder: Path, to: Path) -> None:
        """`mv`."""
        self.left(folder)
        folder.rename(to)

    def left(self, folder: Path) -> None:
        """What had this name is no longer there."""
        model = folder.relative_to(self.shelves.path).parts
        self.gone.add(ref(*model))

    def truth(self) -> Mapping[str, object]:
        """The share as it is."""
        found: dict[str, object] = {}
        for model in self.shelves.path.iterdir():
            if model.name.startswith("."):
                continue
            versions = {each.name: each for each in self.versions(model)}
            said = self.said(model)
            links = {
                each.name: str(each.readlink())
                for each in model.iterdir()
                if each.is_symlink() and each.name[0] != "."
            }
            aliases = {**said.get("aliases", {}), **links}
            aliases = {alias: name for alias, name in aliases.items() if name in versions}
            found[ref(model.name)] = (aliases, said.get("tags", {}))
            for name, version in versions.items():
                said = self.said(version)
                found[ref(model.name, name)] = (self.digest(version), said.get("stage"), said.get("tags", {}))
        return found

    def said(self, folder: Path) -> dict[str, dict[str, str]]:
        """What a sidecar says."""
        file = folder / SIDECAR
        return yaml.safe_load(file.read_text()) if file.exists() else {}

    def digest(self, version: Path) -> str:
        """As `sha256sum` tells it."""
        lines = b""
        for file in ("model.safetensors", "part/notes.txt"):
            lines += f"{hashlib.sha256((version / file).read_bytes()).hexdigest()}  {file}\n".encode()
        return f"sha256:{hashlib.sha256(lines).hexdigest()}"


def told(record: ModelRecord | VersionRecord) -> object:
    """What of a record is compared."""
    if isinstance(record, ModelRecord):
        return dict(record.aliases), dict(record.tags)
    return record.artifact_digest, record.stage, dict(record.tags)


@soak(sample=30, full=1_000, batch=250)
def test_a_share_is_followed(cases: int, seed: int, tmp_path: Path) -> list[str]:
    rng = random.Random(seed)
    shelves = Shelves(tmp_path / f"share-{seed}")
    user = Colleague(shelves, rng)
    for _ in range(2 * MODELS):
        user.act()
    database = f"sqlite:///{tmp_path / str(seed)}.db"
    with watching(database, "folder", {"path": str(shelves.path), "settle": 0}) as watch:
        return follow(watch, user, told, cases, rng)


def test_a_share_that_is_not_mounted_takes_nothing_from_the_catalogue(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path / "share")
    for number in range(3):
        shelves.put(f"model {number}")
    config = {"path": str(shelves.path), "settle": 0}
    with watching(f"sqlite:///{tmp_path / 'waypost.db'}", "folder", config) as watch:
        watch.sync()
        before = watch.known(told)
        shelves.path.rename(tmp_path / "away")
        shelves.path.mkdir()
        watch.settle(full=True)
        assert any("failed" in line and "not mounted" in line for line in watch.wrong)
        assert watch.known(told) == before
        shelves.path.rmdir()
        (tmp_path / "away").rename(shelves.path)
        watch.settle(full=True)
        assert watch.known(told) == before
        assert not [entry for entry in watch.entries() if entry.action.endswith(".deleted")]
    assert len(before) == 6
