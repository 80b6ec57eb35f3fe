"""GTO judges how its tags are read: after every random step, done by GTO or by git, both make the same of a repository;
and what is written through the adapter GTO reads as meant.
"""

import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import Key, ModelRecord, Registration, VersionRecord
from adapters.conformance.lab import ScanResult
from adapters.emulators.git.repository import GitRepository
from adapters.git import GitAdapter, GitConfig
from tests.fidelity import follow, ref, watching
from tests.soak import soak
from tests.vendors import environment

STEPS = 25
"""Steps on one repository."""
NAMES = ("churn", "team/uplift", "models:ranker")
STAGES = ("dev", "staging", "prod")


class Gto:
    """GTO's own functions on a repository, in a process of its own environment."""

    def __init__(self, python: Path, repository: Path) -> None:
        command = [str(python), str(Path(__file__).with_name("gto_user.py")), str(repository)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **asked: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self, function: str, at: int, **given: Any) -> str | None:
        """Call one of its functions at this second; why it refused."""
        said: str | None = self.ask(at=at, call=function, **{"with": given})
        return said

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def worked_on(python: Path) -> Iterator[tuple[GitRepository, Gto, GitAdapter]]:
    """A repository with three commits, GTO on it, and the adapter."""
    with tempfile.TemporaryDirectory() as folder:
        repository = GitRepository(Path(folder) / "models.git")
        repository.at = 1_760_000_000
        for _ in range(3):
            repository.commit({"artifacts.yaml": "{}"}, at=moment(repository))
        adapter, gto = GitAdapter(GitConfig(url=str(repository.path))), Gto(python, repository.path)
        try:
            yield repository, gto, adapter
        finally:
            adapter.close()
            gto.close()


def moment(repository: GitRepository, rng: random.Random | None = None) -> int:
    """The next second; or, now and then, the same."""
    repository.at += 0 if rng is not None and rng.random() < 0.3 else 1
    return repository.at


def read(adapter: GitAdapter) -> dict[str, Any]:
    """What the adapter makes of it, in the form of GTO's."""
    found: dict[str, Any] = {}
    for page in adapter.scan(since=None, limit=1000):
        assert not page.bad, page.bad
        for record in page.records:
            if isinstance(record, ModelRecord):
                active, held = "deprecated" not in record.tags, dict(record.aliases)
                found[record.key.native_id] = {
                    "active": active,
                    "stages": held,
                    "versions": {},
                    "commits": [],
                }
            elif isinstance(record, VersionRecord):
                of = found[record.model.native_id]
                if record.version.startswith("v"):
                    of["versions"][record.version] = record.lifecycle != "deregistered"
                else:
                    of["commits"].append(record.version)
    return {name: {**one, "commits": sorted(one["commits"])} for name, one in found.items()}


def shown(gto: Gto) -> dict[str, Any]:
    """What GTO makes of it; a deprecated artifact it does not show, with what it holds."""
    found: dict[str, Any] = gto.ask(show=True)
    return {name: {**one, "stages": one["stages"] if one["active"] else {}} for name, one in found.items()}


def step(repository: GitRepository, gto: Gto, rng: random.Random) -> str:
    """One random thing, and what it was."""
    name, stage, at = rng.choice(NAMES), rng.choice(STAGES), moment(repository, rng)
    commits = repository.git("rev-list", "main").split()
    tags = repository.tags()
    versions = sorted(
        tag.split("@")[1] for tag in tags if tag.startswith(name.replace(":", "=") + "@v") and "!" not in tag
    )
    version, rev = rng.choice(versions or ["v9.9.9"]), rng.choice(commits)
    which = {"version": version} if rng.random() < 0.8 else {"ref": rev}
    delete, simple, force = rng.random() < 0.15, rng.random() < 0.3, rng.random() < 0.2
    held = [
        [*tag.split("#")[:2], commit] for tag, commit in sorted(tags.items()) if "#" in tag and "!" not in tag
    ]
    of, back, where = rng.choice(held or [[name, stage, rev]])
    taken = {"name": of.replace("=", ":"), "stage": back, "ref": where}

    def named() -> None:
        kept = rng.sample(["churn", "team/uplift", "solo"], rng.randrange(4))
        repository.commit({"artifacts.yaml": json.dumps({each: {"type": "model"} for each in kept})}, at=at)

    def odd() -> None:
        kind = rng.choice(
            (f"{name.replace(':', '=')}#{stage}#77", "v1.0", "x@v1", f"{name.replace(':', '=')}@v7.7.7")
        )
        if kind not in tags:
            repository.git("update-ref", f"refs/tags/{kind}", rev)

    doings: list[tuple[int, str, Callable[[], object]]] = [
        (5, "register", lambda: gto.call("register", at, name=name, ref=rev, simple=simple or None)),
        (
            6,
            "assign",
            lambda: gto.call("assign", at, name=name, stage=stage, force=force, simple=simple, **which),
        ),
        (
            3,
            "assign a commit",
            lambda: gto.call("assign", at, name=name, stage=stage, ref=rev, skip_registration=True),
        ),
        (5, "unassign", lambda: gto.call("unassign", at, delete=delete, force=force, simple=simple, **taken)),
        (3, "deregister", lambda: gto.call("deregister", at, name=name, delete=delete, **which)),
        (1, "deprecate", lambda: gto.call("deprecate", at, name=name, delete=delete)),
        (2, "commit", lambda: repository.commit(at=at)),
        (1, "name", named),
        (1, "odd", odd),
        (1, "untag", lambda: repository.untag(rng.choice(sorted(tags))) if tags else None),
    ]
    _, what, do = rng.choices(doings, [each[0] for each in doings])[0]
    return f"{what} {name} {stage} {which} at {at}: {do()}"


def one_repository(python: Path, steps: int, rng: random.Random) -> list[str]:
    done = []
    with worked_on(python) as (repository, gto, adapter):
        for _ in range(steps):
            done.append(step(repository, gto, rng))
            theirs, ours = shown(gto), read(adapter)
            if ours != theirs:
                wrong = [
                    f"{each}: ours {ours.get(each)}, theirs {theirs.get(each)}"
                    for each in sorted({*ours, *theirs})
                    if ours.get(each) != theirs.get(each)
                ]
                return [f"after {done[-8:]}: {wrong}; tags {repository.tags()}"]
    return []


@pytest.mark.sample
@soak(sample=10, full=2_500, batch=100)
def test_gto_and_the_adapter_read_alike(cases: int, seed: int) -> list[str]:
    python, rng = environment("gto"), random.Random(seed)
    wrong = []
    for left in range(cases, 0, -STEPS):
        wrong += one_repository(python, min(left, STEPS), rng)
    return wrong


@dataclass
class GtoUser:
    """Works on a repository with GTO's functions and git's commands, and reads it as GTO does."""

    repository: GitRepository
    gto: Gto
    rng: random.Random
    gone: set[str] = field(default_factory=set)

    def act(self) -> None:
        """One thing that GTO does not refuse and that changes what it shows, where one of a few does."""
        before = after = self.truth()
        for _ in range(5):
            if after == before:
                step(self.repository, self.gto, self.rng)
                after = self.truth()
        self.gone |= before.keys() - after.keys()

    def truth(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, one in shown(self.gto).items():
            found[ref(name)] = one["stages"]
            found |= {ref(name, version): active for version, active in one["versions"].items()}
            found |= {ref(name, commit): True for commit in one["commits"]}
        return found


def told(record: ModelRecord | VersionRecord) -> object:
    return dict(record.aliases) if isinstance(record, ModelRecord) else record.lifecycle != "deregistered"


@soak(sample=15, full=600, batch=100)
def test_the_catalogue_is_what_gto_shows(cases: int, seed: int, tmp_path: Path) -> list[str]:
    python, rng = environment("gto"), random.Random(seed)
    wrong = []
    for left in range(cases, 0, -STEPS):
        database = f"sqlite:///{tmp_path / f'{seed}-{left}.db'}"
        with worked_on(python) as (repository, gto, _):
            repository.commit({"artifacts.yaml": '{"steady": {"type": "model"}}'}, at=moment(repository))
            with watching(database, "git", {"url": str(repository.path)}) as watch:
                wrong += follow(watch, GtoUser(repository, gto, rng), told, min(left, STEPS), rng)
    return wrong


def test_gto_reads_what_the_adapter_writes_as_meant() -> None:
    with worked_on(environment("gto")) as (repository, gto, adapter):
        key = Key("model", "models:churn")

        def version(number: str) -> VersionRecord:
            found = ScanResult(list(adapter.scan(since=None, limit=100))).versions(key)[number]
            assert found.version == number
            return found

        for commit in repository.git("rev-list", "main").split()[:2]:
            source = f"git+file://{repository.path}@{commit}"
            adapter.register(Registration(model="models:churn", source=source, token=commit))
        adapter.set_alias(key, "prod", "v0.0.1")
        adapter.set_alias(key, "prod", "v0.0.2")
        adapter.set_alias(key, "dev", "v0.0.1")
        held = {"prod": "v0.0.2", "dev": "v0.0.1"}
        both = {"v0.0.1": True, "v0.0.2": True}
        assert shown(gto)["models:churn"] == {"active": True, "stages": held, "versions": both, "commits": []}
        adapter.set_alias(key, "prod", None)
        adapter.set_stage(version("v0.0.1").key, "lifecycle", "deregistered")
        assert shown(gto)["models:churn"]["stages"] == {}
        assert shown(gto)["models:churn"]["versions"] == {"v0.0.1": False, "v0.0.2": True}
        adapter.set_stage(version("v0.0.1").key, "lifecycle", "registered")
        adapter.delete(version("v0.0.2").key)
        assert shown(gto) == read(adapter)
        assert shown(gto)["models:churn"]["versions"] == {"v0.0.1": True}
        adapter.delete(key)
        assert shown(gto) == {}
