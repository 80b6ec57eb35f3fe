"""Git's harness for the conformance suite: a real repository behind git's own server, changed by git's own commands."""

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from adapters.conformance.harness import RETRIED, Fault, Gap, Harness
from adapters.contract import Adapter, StageField
from adapters.emulators.git.repository import GitRepository
from adapters.emulators.git.server import GitServer
from adapters.git import GitAdapter, GitConfig

TOKEN = "token-of-the-vision-repository"
NAME_ONLY = Gap("upstream", "a model is a name in git: nothing tells one from another that had it before")
ONE_VERSION = Gap("upstream", "GTO takes one version of an artifact on a commit")


class GitHarness(Harness):
    """One repository, and git's own server before it."""

    adapter_type: ClassVar[type[Adapter]] = GitAdapter
    gaps: ClassVar[Mapping[str, Gap]] = {
        "a_new_incarnation_has_a_new_key": NAME_ONLY,
        "an_old_incarnation_stays_absent": NAME_ONLY,
        "a_new_incarnation_is_seen": NAME_ONLY,
        "delete_respects_the_incarnation": NAME_ONLY,
        "another_token_registers_another": ONE_VERSION,
    }
    hostile_names: ClassVar[tuple[str, ...]] = ("team/nested/model", "x" * 200)
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"lifecycle": ("registered", "deregistered")}
    secrets: tuple[str, ...] = (TOKEN,)

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="waypost-git-harness-"))
        self.repository = GitRepository(self.folder / "models.git")
        self.repository.commit({"artifacts.yaml": "{}"})
        self.made: Counter[str] = Counter()
        self.server = GitServer(self.folder, TOKEN)
        self.url = f"{self.server.url}/models.git"
        self.source = f"git+{self.url}@{self.repository.head}"  # type: ignore[misc]

    def adapter(self) -> Adapter:
        timeout = 0.3 if self.server.fault is Fault.SILENT else 2.0 if self.server.fault in RETRIED else 30.0
        return GitAdapter(GitConfig(url=self.url, token=SecretStr(TOKEN), timeout=timeout))

    def put(self, model: str) -> str:
        self.made[model] += 1
        version = f"v{self.made[model]}.0.0"
        self.repository.commit(tags={f"{model}@{version}": f"Registering {model} {version}"})
        return version

    def drop(self, model: str, version: str | None = None) -> None:
        tags = self.repository.tags()
        commit = tags.get(f"{model}@{version}")
        ours = [tag for tag in tags if tag.startswith((f"{model}@", f"{model}#"))]
        gone = ours if version is None else [tag for tag in ours if tags[tag] == commit]
        if gone:
            self.repository.untag(*gone)

    def put_model(self, model: str) -> None:
        said = self.repository.files["artifacts.yaml"].strip("{}")
        self.repository.commit({"artifacts.yaml": f"{{{said}{model}: {{type: model}}, }}"})

    def alias(self, model: str, alias: str, version: str | None) -> None:
        tags = self.repository.tags()
        number = 1 + sum(tag.startswith(f"{model}#") for tag in tags)
        if version is not None:
            self.repository.tag(f"{model}#{alias}#{number}", tags[f"{model}@{version}"])
            return
        held = {tags[tag] for tag in tags if tag.startswith(f"{model}#{alias}#")}
        for place, commit in enumerate(sorted(held)):
            self.repository.tag(f"{model}#{alias}!#{number + place}", commit)

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        tags = self.repository.tags()
        if value == "deregistered":
            self.repository.tag(f"{model}@{version}!", tags[f"{model}@{version}"])
        elif f"{model}@{version}!" in tags:
            self.repository.untag(f"{model}@{version}!")

    def spoil(self, model: str, version: str) -> None:
        other = self.repository.commit()
        self.repository.tag(f"{model}@{version}#99", other)

    @contextlib.contextmanager
    def skew(self, seconds: float) -> Iterator[None]:
        was, self.repository.skew = self.repository.at, seconds
        self.repository.at = int(was + seconds) if seconds < 0 else was
        try:
            yield
        finally:
            self.repository.at, self.repository.skew = was, 0.0

    def fail_with(self, fault: Fault) -> contextlib.AbstractContextManager[None]:
        return self.server.fail_with(fault)

    def requests(self) -> int:
        return len(self.server.requests)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.server.listed = change
        try:
            yield
        finally:
            self.server.listed = lambda: None

    def close(self) -> None:
        self.server.close()
        shutil.rmtree(self.folder)
