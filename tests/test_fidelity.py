"""What judges every kind's fidelity finds nothing where all is true, and each kind of lie where there is one."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters import Key, ModelRecord, NotFoundError, Page, Record, VersionRecord
from adapters.memory import BACKENDS, MemoryAdapter, MemoryBackend
from tests.fidelity import Told, follow, ref, watching


def told(record: ModelRecord | VersionRecord) -> object:
    return record.aliases if isinstance(record, ModelRecord) else record.tags


@dataclass
class MemoryUser:
    """Works on a backend in memory."""

    backend: MemoryBackend
    rng: random.Random
    gone: set[str] = field(default_factory=set)

    def act(self) -> None:
        models = [one for one in self.backend.records.values() if isinstance(one, ModelRecord)]
        if len(models) < 4 or self.rng.random() < 0.1:
            model = self.backend.model(f"m{self.backend.last}")
            self.backend.add_version(model, "1")
            return
        model = self.rng.choice(models)
        version = self.backend.versions(model.key)[0]
        match self.rng.randrange(4):
            case 0:
                self.gone.add(ref(model.name))
                self.backend.drop(model.key)
            case 1:
                self.backend.put(replace(model, aliases={"champion": version.version}, updated_at=None))
            case _:
                self.backend.put(replace(version, tags={"k": str(self.rng.random())}, updated_at=None))

    def truth(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for record in self.backend.records.values():
            if isinstance(record, ModelRecord):
                found[ref(record.name)] = record.aliases
                found |= {
                    ref(record.name, one.version): one.tags for one in self.backend.versions(record.key)
                }
        return found


def followed(tmp_path: Path, told: Told = told, user: type[MemoryUser] = MemoryUser) -> list[str]:
    backend = BACKENDS[str(tmp_path)] = MemoryBackend(identity=str(tmp_path))
    config = {"backend": str(tmp_path)}
    with watching(f"sqlite:///{tmp_path / 'waypost.db'}", "memory", config) as watch:
        return follow(watch, user(backend, random.Random(1)), told, 30, random.Random(2))


def test_the_truth_is_found_true(tmp_path: Path) -> None:
    assert followed(tmp_path) == []


def test_a_phantom_delete_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = MemoryAdapter.scan

    def hides(self: MemoryAdapter, **given: Any) -> Iterator[Page]:
        for page in scan(self, **{**given, "since": None}):
            kept = tuple(one for one in page.records if getattr(one, "name", "") != "m0")
            yield replace(page, records=kept, listed=())

    def denies(self: MemoryAdapter, key: Key) -> Record:
        raise NotFoundError(f"{key.native_id} does not exist")

    monkeypatch.setattr(MemoryAdapter, "scan", hides)
    monkeypatch.setattr(MemoryAdapter, "get", denies)
    assert followed(tmp_path)


def test_a_catalogue_that_says_something_else_is_found(tmp_path: Path) -> None:
    class ForgetfulUser(MemoryUser):
        def truth(self) -> Mapping[str, object]:
            return {one: said for one, said in super().truth().items() if not said}

    assert any("not there" in line for line in followed(tmp_path, user=ForgetfulUser))


def test_a_delete_that_nobody_made_is_found(tmp_path: Path) -> None:
    class Innocent(MemoryUser):
        def act(self) -> None:
            super().act()
            self.gone.clear()

    assert any("phantom delete" in line for line in followed(tmp_path, user=Innocent))
